"""What a prompt leaves open, `{red|blue}` and `__animal__`, is drawn from the seed: the same seed draws the same.

A wildcard's lines may have alternatives and wildcards in them again, within limits: what is beyond them stays as text.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from generation.prompt_grammar import Break, Choice, Node, Tag, Text, Weighted, Wildcard, parse
from generation.request import MAX_PROMPT, Texts, clean_text

MOST_FILES = 1000
MOST_BYTES = 1_000_000  #: of a file
MOST_LINES = 20_000  #: of a file
_DEEPEST = 8  #: wildcards in the lines of wildcards
_MOST_DRAWN = 200  #: choices in a prompt


class Wildcards:
    """The operator's lists, by name; names are found in any case of letters."""

    def __init__(self, lists: Mapping[str, Sequence[str]] | None = None) -> None:
        self._lists = {name.casefold(): tuple(lines) for name, lines in (lists or {}).items()}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read all .txt files in the folder and below: `__animals/cats__` is a line of animals/cats.txt.

        Empty lines and those that begin with # count for nothing. Raises OSError, and ValueError for what is too much
        or is no text.
        """
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
        files = sorted(folder.rglob("*.txt"))
        if len(files) > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES} files")
        return cls({file.relative_to(folder).with_suffix("").as_posix(): _lines(file) for file in files})

    def lines(self, name: str) -> tuple[str, ...]:
        """Return the lines of that list; none where there is no such list."""
        return self._lists.get(name.casefold(), ())


NO_WILDCARDS = Wildcards()


def texts(
    prompt: str,
    negative_prompt: str,
    *,
    seeds: Sequence[int],
    wildcards: Wildcards | None,
    drawn: Sequence[Texts] = (),
) -> dict[str, Any]:
    """Return the fields of a request that hold its prompts: as they are drawn, and where that differs as written.

    `drawn` is what came of them before, for each seed; without `wildcards` they are taken as they are.
    """
    written = (prompt, negative_prompt)
    leave_open = [wildcards is not None and len(text) <= MAX_PROMPT and _is_open(parse(text)) for text in written]
    if wildcards is None or not any(leave_open):
        return {"prompt": prompt, "negative_prompt": negative_prompt}
    if len(drawn) != len(seeds):
        drawn = [
            (draw(prompt, seed, wildcards), draw(negative_prompt, seed, wildcards, field="negative_prompt"))
            for seed in seeds
        ]
    first = drawn[0] if drawn else written
    return {
        "prompt": first[0],
        "negative_prompt": first[1],
        "template": prompt if leave_open[0] else None,
        "negative_template": negative_prompt if leave_open[1] else None,
        "others": tuple(drawn[1:]) if len(set(drawn)) > 1 else (),
    }


def draw(prompt: str, seed: int, wildcards: Wildcards = NO_WILDCARDS, *, field: str = "prompt") -> str:
    """Return the prompt with one of each alternative, at most MAX_PROMPT characters of it.

    The n-th choice is made by the sha256 of seed, field and n, which is the same on every machine.
    """
    return _Draw(f"{field}/{seed}", wildcards).text(parse(prompt), 0)[:MAX_PROMPT]


def _is_open(nodes: Sequence[Node]) -> bool:
    return any(
        isinstance(node, Wildcard | Choice) or (isinstance(node, Weighted) and _is_open(node.inner)) for node in nodes
    )


class _Draw:
    """One prompt being drawn."""

    def __init__(self, source: str, wildcards: Wildcards) -> None:
        self._source = source
        self._wildcards = wildcards
        self._drawn = 0
        self._length = 0

    def text(self, nodes: Sequence[Node], deep: int) -> str:
        return "".join(self._node(node, deep) for node in nodes)

    def _node(self, node: Node, deep: int) -> str:
        if isinstance(node, Break):
            return self._said("BREAK")
        if isinstance(node, Text | Tag):
            return self._said(node.raw)
        if isinstance(node, Wildcard):
            lines = self._wildcards.lines(node.name) if deep < _DEEPEST and self._may_go_on() else ()
            if not lines:
                return self._said(f"__{node.name}__")
            return self.text(parse(lines[self._number(len(lines))]), deep + 1)
        if isinstance(node, Weighted):
            return f"{node.opening}{self.text(node.inner, deep)}{node.closing}"
        chosen = node.options[self._number(len(node.options))] if self._may_go_on() else ()
        return self.text(chosen, deep).strip()

    def _said(self, text: str) -> str:
        self._length += len(text)
        return text

    def _may_go_on(self) -> bool:
        return self._drawn < _MOST_DRAWN and self._length < MAX_PROMPT

    def _number(self, below: int) -> int:
        self._drawn += 1
        digest = hashlib.sha256(f"{self._source}/{self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8]) % below


def _lines(file: Path) -> list[str]:
    with file.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{file.name} is larger than {MOST_BYTES:,} bytes")
    try:
        lines = clean_text(data.decode("utf-8-sig")).split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name} is not UTF-8") from error
    found = [line.strip()[:MAX_PROMPT] for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(found) > MOST_LINES:
        raise ValueError(f"{file.name} has more than {MOST_LINES:,} lines")
    return found
