"""`{red, blue} heart` asks for each of these in a picture of its own: one prompt becomes several."""

from collections.abc import Sequence
from itertools import product
from math import prod

from generation.errors import InvalidRequest
from generation.prompt_grammar import Break, Choice, Each, Node, Tag, Text, Weighted, Wildcard, parse
from generation.request import MAX_PROMPT

MOST_PICTURES = 40  #: that one prompt may ask for


def permuted(prompt: str) -> tuple[str, ...]:
    """Return all that a prompt asks for, each once, in the order of writing; a prompt without `{a, b}` as it is.

    What else it leaves open stays open in each. Raises InvalidRequest for more than MOST_PICTURES.
    """
    nodes = parse(prompt, each=True) if len(prompt) <= MAX_PROMPT else ()
    if (number := _number(nodes)) == 1:
        return (prompt,)
    check_number(number)
    return tuple(dict.fromkeys(" ".join(text.split()) for text in _texts(nodes)))


def check_number(pictures: int) -> None:
    """Raise InvalidRequest for more pictures than one prompt may ask for."""
    if pictures > MOST_PICTURES:
        raise InvalidRequest("permutations", "range", pictures, least=1, most=MOST_PICTURES)


def _number(nodes: Sequence[Node]) -> int:
    """How many texts these make, before any is made."""
    return prod(map(_number_of, nodes))


def _number_of(node: Node) -> int:
    match node:
        case Each():
            return sum(map(_number, node.options))
        case Choice():
            return prod(map(_number, node.options))
        case Weighted():
            return _number(node.inner)
        case _:
            return 1


def _texts(nodes: Sequence[Node]) -> list[str]:
    return ["".join(parts) for parts in product(*map(_texts_of, nodes))]


def _texts_of(node: Node) -> list[str]:
    match node:
        case Each():
            return [text.strip() for option in node.options for text in _texts(option)]
        case Choice():
            return ["{" + "|".join(parts) + "}" for parts in product(*map(_texts, node.options))]
        case Weighted():
            return [f"{node.opening}{text}{node.closing}" for text in _texts(node.inner)]
        case Text() | Tag():
            return [node.raw]
        case Break():
            return ["BREAK"]
        case Wildcard():
            return [f"__{node.name}__"]
