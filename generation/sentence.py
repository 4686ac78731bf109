"""What a prompt's words belong to: which thing is drawn, in which colour and style, before which ground.

A prompt is a row of marks, one a word or phrase. There is no grammar here beyond what belongs to what: a colour to the
thing it stands before, else to the one it follows; "on blue" and "a blue background" to the ground; and "no red" to
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a word is to the model. The names are those of the lists in `reading.json`."""

    THING = "thing"
    COLOUR = "colour"
    STYLE = "style"
    GROUND = "ground"  #: "background" and its like
    ON = "on"  #: what a ground follows
    JOINS = "joins"  #: such as "with", after which something else begins
    NOT = "not"
    COUNT = "count"  #: such as "two"
    MINOR = "minor"  #: words that nobody misses
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One word or phrase of the prompt."""

    kind: Kind
    value: str = ""  #: the thing, colour or style in the model's own words; an unknown word as it was written
    weak: str = ""  #: a thing that it means where nothing else is named
    elsewhere: str = ""  #: a thing that it means in another language


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """What was understood."""

    thing: str
    colour: str | None
    style: str | None
    ground: str | None
    left_out: tuple[str, ...]
    unknown: tuple[str, ...]


def understand(marks: Sequence[Mark]) -> Sentence | None:
    """Work out what belongs to the first thing that is named. None if none is."""
    marks = _denied(marks)
    for meant in (_as_written, _in_another_language, _weakly, _weakly_of_colours):
        settled = [meant(mark) for mark in marks]
        if any(mark.kind is Kind.THING for mark in settled):
            break
    else:
        return None
    things = [at for at, mark in enumerate(settled) if mark.kind is Kind.THING]
    ground, on_ground = _ground(settled)
    chosen = things[0]
    name = settled[chosen].value
    colours = [at for at, mark in enumerate(settled) if mark.kind is Kind.COLOUR and at not in on_ground]
    colour = next((settled[at].value for at in colours if _owner(settled, at) == chosen), None)
    style = next((mark.value for mark in settled if mark.kind is Kind.STYLE), None)
    others = (settled[at].value for at in things[1:])
    counts = (mark.value for mark in settled if mark.kind is Kind.COUNT)
    left_out = dict.fromkeys(other for other in (*others, *counts) if other != name)
    return Sentence(
        thing=name,
        colour=colour,
        style=style,
        ground=ground,
        left_out=tuple(left_out),
        unknown=unknown_in(settled),
    )


def unknown_in(marks: Sequence[Mark]) -> tuple[str, ...]:
    """Return the words that are unknown, each once."""
    return tuple(dict.fromkeys(mark.value for mark in marks if mark.kind is Kind.UNKNOWN))


def _denied(marks: Sequence[Mark]) -> list[Mark]:
    """Leave out the colours and things that follow a "no"."""
    kept: list[Mark] = []
    denies = False
    for mark in marks:
        if mark.kind is Kind.NOT:
            denies = True
        elif denies and mark.kind in (Kind.COLOUR, Kind.THING, Kind.STYLE):
            denies = mark.kind is Kind.COLOUR  # up to the thing: "no red heart"
        else:
            denies = denies and mark.kind is Kind.MINOR
            kept.append(mark)
    return kept


def _as_written(mark: Mark) -> Mark:
    return mark


def _in_another_language(mark: Mark) -> Mark:
    return Mark(kind=Kind.THING, value=mark.elsewhere) if mark.elsewhere else mark


def _weakly(mark: Mark) -> Mark:
    return mark if mark.kind is Kind.COLOUR else _weakly_of_colours(mark)


def _weakly_of_colours(mark: Mark) -> Mark:
    return Mark(kind=Kind.THING, value=mark.weak) if mark.weak else mark


def _ground(marks: Sequence[Mark]) -> tuple[str | None, set[int]]:
    """Find the colour of the ground, and the places of all colours that are spent on it."""
    spent: dict[int, str] = {}
    for at, mark in enumerate(marks):
        if mark.kind is Kind.GROUND:
            before = next((i for i in _back(marks, at) if marks[i].kind is Kind.COLOUR), None)
            after = next((i for i in _ahead(marks, at) if marks[i].kind is Kind.COLOUR), None)
            if (found := after if before is None else before) is not None:
                spent[found] = marks[found].value
        elif mark.kind is Kind.ON:
            colour = next((i for i in _ahead(marks, at) if marks[i].kind is Kind.COLOUR), None)
            if colour is not None and not any(marks[i].kind is Kind.THING for i in _ahead(marks, colour)):
                spent.setdefault(colour, marks[colour].value)
    return next(iter(spent.values()), None), set(spent)


def _owner(marks: Sequence[Mark], at: int) -> int | None:
    """Return the place of the thing that a colour belongs to; None if it is that of something unknown."""
    if (after := next((i for i in _ahead(marks, at) if marks[i].kind is Kind.THING), None)) is not None:
        return after
    before = next((i for i in range(at - 1, -1, -1) if marks[i].kind in (Kind.THING, Kind.JOINS)), None)
    joined = before is not None and marks[before].kind is Kind.JOINS
    if joined and any(marks[i].kind is Kind.UNKNOWN for i in _ahead(marks, at)):
        return None  # with a red roof
    things = [i for i, mark in enumerate(marks) if mark.kind is Kind.THING]
    return max((i for i in things if i < at), default=things[0])


def _ahead(marks: Sequence[Mark], at: int) -> list[int]:
    """Return the places after this one up to where something else begins."""
    return _reach(marks, range(at + 1, len(marks)))


def _back(marks: Sequence[Mark], at: int) -> list[int]:
    """Return the places before this one, the nearest first, back to where something else begins."""
    return _reach(marks, range(at - 1, -1, -1))


def _reach(marks: Sequence[Mark], places: range) -> list[int]:
    reached: list[int] = []
    for i in places:
        if marks[i].kind in (Kind.ON, Kind.JOINS, Kind.GROUND):
            break
        reached.append(i)
        if marks[i].kind is Kind.THING:
            break
    return reached
