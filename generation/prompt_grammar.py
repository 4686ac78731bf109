"""The one grammar of prompts: weights, alternatives, wildcards, and the escapes of all of them.

    (word) ((word)) [word]     1.1, 1.21 and 1 / 1.1 times the weight
    (word:1.2)                 this weight
    BREAK                      what follows begins a chunk of its own
    {red|blue}                 one of these, drawn from the seed
    {red, blue}                each of these in a picture of its own, see `permutations`; beside a bar commas are text
    __animal__                 a line of the operator's file animal.txt, drawn from the seed
    <lora:name:0.8>            an adapter; no words of the prompt
    \\( \\) \\[ \\] \\{ \\} \\| \\, \\_ \\< \\- \\\\      the character itself

A bracket that is never closed, or that closes nothing, is text, and so is what is nested deeper than MOST_NESTED.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

MOST_NESTED = 16  #: brackets inside brackets
STRONGER = 1.1  #: times the weight, for each pair of round brackets
LEAST_WEIGHT, MOST_WEIGHT = 0.0, 2.0  #: a weight beyond is taken as the nearest of these

_PIECE = re.compile(
    r"\\."
    r"|<(?:lora|lyco|hypernet):[^<>]*>"
    r"|__[A-Za-z0-9](?:[\w/-]{0,60}?[A-Za-z0-9])?__"
    r"|(?<!\w)BREAK(?!\w)"
    r"|[()\[\]{}|]"
    r"|[^\\<_B()\[\]{}|]+"
    r"|.",
    re.DOTALL,
)
#: A LoRA and its weight; other adapters of this form, such as `<lyco:x:1>`, are no words either.
LORA = re.compile(r"(?<!\\)<lora:([^<>]*)>")
_ESCAPED = re.compile(r"\\([()\[\]{}|,_<\\-])")
_WEIGHT = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_OPENED_BY = {")": "(", "]": "[", "}": "{"}
_BREAK, _BAR, _COMMA = "BREAK", "|", ","


@dataclass(frozen=True, slots=True)
class Text:
    """Words as they are written, escapes among them."""

    raw: str


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a chunk."""


@dataclass(frozen=True, slots=True)
class Tag:
    """What stands in angle brackets for an adapter."""

    raw: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A line of a file of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Weighted:
    """Words with a weight, and the brackets as they are written."""

    inner: "tuple[Node, ...]"
    weight: float
    opening: str
    closing: str  #: with the number in it


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these."""

    options: "tuple[tuple[Node, ...], ...]"


@dataclass(frozen=True, slots=True)
class Each:
    """All of these, each in a prompt of its own."""

    options: "tuple[tuple[Node, ...], ...]"


Node: TypeAlias = Text | Break | Tag | Wildcard | Weighted | Choice | Each


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one weight, as a tokenizer gets them."""

    text: str
    weight: float = 1.0


class _Frame:
    """What stands behind a bracket that is not closed yet; strings are text, and bars until it is known."""

    def __init__(self, opening: str) -> None:
        self.opening = opening
        self.items: list[Node | str] = []


def parse(prompt: str, *, alternatives: bool = True, each: bool = False) -> tuple[Node, ...]:
    """Parse a prompt; without `alternatives` braces, bars and wildcards are text, and so are commas in braces without
    `each`. Takes any text, and linear time."""
    frames = [_Frame("")]
    opened = dict.fromkeys("([{", 0)
    too_deep = dict.fromkeys("([{", 0)
    for piece in _PIECE.findall(prompt):
        top = frames[-1].items
        if piece in opened and (alternatives or piece != "{"):
            if len(frames) > MOST_NESTED:
                too_deep[piece] += 1
                top.append(piece)
            else:
                frames.append(_Frame(piece))
                opened[piece] += 1
        elif too_deep.get(_OPENED_BY.get(piece, ""), 0):
            too_deep[_OPENED_BY[piece]] -= 1
            top.append(piece)
        elif opened.get(_OPENED_BY.get(piece, ""), 0):
            while (frame := frames.pop()).opening != _OPENED_BY[piece]:  # what is open inside it is never closed
                opened[frame.opening] -= 1
                frames[-1].items += [frame.opening, *frame.items]
            opened[frame.opening] -= 1
            frames[-1].items += _closed(frame, piece, each=each)
        elif piece == _BREAK:
            top.append(Break())
        elif piece[0] == "<" and len(piece) > 1:
            top.append(Tag(piece))
        elif alternatives and piece[:2] == "__" and len(piece) > 2:
            top.append(Wildcard(piece[2:-2]))
        else:
            top.append(piece)
    while len(frames) > 1:
        frame = frames.pop()
        frames[-1].items += [frame.opening, *frame.items]
    return _joined(frames[0].items)


def _closed(frame: _Frame, closing: str, *, each: bool) -> list[Node | str]:
    if frame.opening != "{":
        return [_weighted(_joined(frame.items), frame.opening, closing)]
    if _BAR in frame.items:
        return [Choice(_split(frame.items, _BAR))]
    options = _split(_by_commas(frame.items), _COMMA) if each else ()
    return [Each(options)] if len(options) > 1 else [frame.opening, *frame.items, closing]


def _split(items: Sequence[Node | str], by: str) -> tuple[tuple[Node, ...], ...]:
    options: list[list[Node | str]] = [[]]
    for item in items:
        if item == by:
            options.append([])
        else:
            options[-1].append(item)
    return tuple(map(_joined, options))


def _by_commas(items: Sequence[Node | str]) -> list[Node | str]:
    """The same with each comma for itself, but for escaped ones."""
    parts: list[Node | str] = []
    for item in items:
        if isinstance(item, str) and item[0] != "\\":
            parts += [part for part in re.split("(,)", item) if part]
        else:
            parts.append(item)
    return parts


def _weighted(inner: tuple[Node, ...], opening: str, closing: str) -> Weighted:
    if opening == "[":
        return Weighted(inner=inner, weight=1 / STRONGER, opening=opening, closing=closing)
    if inner and isinstance(last := inner[-1], Text) and (found := _WEIGHT.search(last.raw)):
        head = last.raw[: found.start()]
        inner = (*inner[:-1], Text(head)) if head else inner[:-1]
        return Weighted(inner=inner, weight=float(found[1]), opening=opening, closing=found[0] + closing)
    return Weighted(inner=inner, weight=STRONGER, opening=opening, closing=closing)


def _joined(items: Sequence[Node | str]) -> tuple[Node, ...]:
    """Put neighbouring pieces of text together."""
    nodes: list[Node] = []
    pieces: list[str] = []
    for item in items:
        if isinstance(item, str):
            pieces.append(item)
            continue
        if pieces:
            nodes.append(Text("".join(pieces)))
            pieces = []
        nodes.append(item)
    return (*nodes, Text("".join(pieces))) if pieces else tuple(nodes)


def sections(prompt: str) -> tuple[tuple[Span, ...], ...]:
    """Return what a text encoder reads of a drawn prompt: words with weights, one section and more by its BREAKs."""
    found: list[list[Span]] = [[]]
    for node, weight in _flat(parse(prompt, alternatives=False), 1.0):
        if isinstance(node, Break):
            found.append([])
        elif isinstance(node, Text):
            bounded = min(max(weight, LEAST_WEIGHT), MOST_WEIGHT)
            words = _ESCAPED.sub(r"\1", node.raw)
            if found[-1] and found[-1][-1].weight == bounded:
                words = found[-1].pop().text + words
            found[-1].append(Span(words, bounded))
    kept = [section for section in found if any(span.text.strip() for span in section)]
    return tuple(map(tuple, kept or found[:1]))


def plain(prompt: str) -> str:
    """Return the bare words of a drawn prompt; one without weights, escapes and adapters is returned as it is."""
    return " ".join("".join(span.text for span in section) for section in sections(prompt))


def weights_beyond(prompt: str) -> tuple[float, ...]:
    """Return the weights of a drawn prompt that are taken as another one, each once."""
    weights = (weight for node, weight in _flat(parse(prompt, alternatives=False), 1.0) if isinstance(node, Text))
    return tuple(dict.fromkeys(one for one in weights if not LEAST_WEIGHT <= one <= MOST_WEIGHT))


def wildcards_in(prompt: str) -> tuple[str, ...]:
    """Return the names of the wildcards in a prompt, each once."""
    return tuple(dict.fromkeys(_wildcards(parse(prompt))))


def _flat(nodes: Sequence[Node], weight: float) -> Iterator[tuple[Node, float]]:
    for node in nodes:
        if isinstance(node, Weighted):
            yield from _flat(node.inner, weight * node.weight)
        else:
            yield node, weight


def _wildcards(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Wildcard):
            yield node.name
        for inner in (node.inner,) if isinstance(node, Weighted) else node.options if isinstance(node, Choice) else ():
            yield from _wildcards(inner)
