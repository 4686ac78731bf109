"""LoRAs as people name them, `name:0.8, other:0.4`, and the files on offer that these names stand for.

A LoRA (Hu et al., arXiv:2106.09685) is an adapter: for some layers of a model two thin matrices, whose product is added
to the layer's weights, as many times as its weight says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from generation.errors import InvalidRequest, LoraRefused

MAX_LORAS = 5
LEAST_WEIGHT = -2.0
MOST_WEIGHT = 2.0
COLUMNS = 256  #: ranks that the LoRAs of one call may have together, unless an operator says otherwise
SHORT_HASH = 12  #: digits, as AUTOMATIC1111 shows of a LoRA's
_NAMED = 5  #: that are nearest to a name which nobody knows


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraUse:
    """One LoRA of a request."""

    name: str
    weight: float = 1.0  #: how many times it is added
    sha256: str = ""  #: of the file's tensors, in hex; "" until the name is looked up


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraFile:
    """A file that is on offer, as its header describes it."""

    name: str
    path: str
    sha256: str  #: of the tensors, in hex, as its metadata say it or as it was counted
    rank: int  #: columns that it takes in a call
    size: int  #: bytes
    modified: int  #: nanoseconds since 1970: a file that was replaced has another size or another time
    base: str = ""  #: the model that its metadata name as the one it was trained on
    triggers: tuple[str, ...] = ()  #: words that call for what it has learnt


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraOffer:
    """The LoRAs that fit one model."""

    files: tuple[LoraFile, ...] = ()
    refused: tuple[LoraRefused, ...] = ()  #: why the others in the same folders do not
    columns: int = COLUMNS

    def get(self, name: str) -> LoraFile:
        """Return the file of that name, in any case of letters, or the only one whose name begins so.

        Raises LoraRefused.
        """
        sought = name.strip().casefold()
        for file in self.files:
            if file.name.casefold() == sought:
                return file
        for refusal in self.refused:
            if refusal.name.casefold() == sought:
                raise LoraRefused(**refusal.fields)  # a new one: raised again and again, it would keep every trace
        beginning = [file for file in self.files if sought and file.name.casefold().startswith(sought)]
        if len(beginning) == 1:
            return beginning[0]
        known = {file.name.casefold(): file.name for file in self.files}
        near = [file.name for file in beginning[:_NAMED]] or [
            known[one] for one in get_close_matches(name.strip().casefold(), known, _NAMED)
        ]
        raise LoraRefused(name.strip(), "not_on_offer", nearest=tuple(near))

    def resolved(self, uses: Iterable[LoraUse]) -> tuple[LoraUse, ...]:
        """Look the names up: the same uses by the files' own names and hashes, each file once, its weights added.

        Raises LoraRefused for what is not on offer, for a file that is another one than the use says, and for more
        ranks than there are columns.
        """
        found: dict[str, LoraUse] = {}
        for use in uses:
            file = self.get(use.name)
            if use.sha256 not in ("", file.sha256):
                raise LoraRefused(file.name, "replaced")
            weight = use.weight + (found[file.name].weight if file.name in found else 0.0)
            found[file.name] = LoraUse(name=file.name, weight=weight, sha256=file.sha256)
        ranks = sum(self.get(name).rank for name in found)
        if ranks > self.columns:
            raise LoraRefused(", ".join(found), "ranks", given=ranks, most=self.columns)
        return tuple(found.values())

    def shortest(self, name: str) -> str:
        """Return the shortest beginning of a file's name by which `get` finds it too."""
        for length in range(1, len(name)):
            beginning = name[:length].strip()
            try:
                if self.get(beginning).name == name:
                    return beginning
            except LoraRefused:
                continue
        return name

    def completions(self, typed: str, *, most: int) -> list[tuple[str, str]]:
        """What `name:0.8, oth` can become: pairs of what is shown, with trigger words, and what is meant.

        What is meant has at most so many characters: where names are too long, their beginnings stand for them.
        """
        before, _, last = typed.rpartition(",")
        begun, colon, weight = (part.strip() for part in last.partition(":"))
        parts = [part.strip() for part in before.split(",") if part.strip()]
        taken = {part.partition(":")[0].strip().casefold() for part in parts}
        fitting = [
            file
            for file in self.files
            if begun.casefold() in file.name.casefold() and file.name.casefold() not in taken
        ]
        fitting.sort(key=lambda file: not file.name.casefold().startswith(begun.casefold()))
        found: list[tuple[str, str]] = []
        for file in fitting:
            meant = [*parts, f"{file.name}{colon}{weight}"]
            value = ", ".join(meant)
            if len(value) > most:
                value = ",".join(self._short(part) for part in meant)
            triggers = f" ({', '.join(file.triggers)})" if file.triggers else ""
            if len(value) <= most:
                found.append((", ".join(meant) + triggers, value))
        return found

    def _short(self, part: str) -> str:
        name, colon, weight = part.partition(":")
        try:
            return f"{self.shortest(self.get(name).name)}{colon}{weight.strip()}"
        except LoraRefused:
            return part


NO_LORAS = LoraOffer()


def parse_lora(text: str) -> LoraUse:
    """Read `name:0.8`, or `name` for a weight of 1. Raises InvalidRequest."""
    name, colon, weight = text.rpartition(":")
    if not colon:
        name, weight = weight, "1"
    if not name.strip():
        raise InvalidRequest("lora", "visible", text)
    try:
        return LoraUse(name=name.strip(), weight=float(weight))
    except ValueError:
        raise InvalidRequest(
            "lora_weight", "range", weight.strip(), least=LEAST_WEIGHT, most=MOST_WEIGHT, holds_for=name.strip()
        ) from None


def parse_loras(text: str) -> tuple[LoraUse, ...]:
    """Read `name:0.8, other:0.4`; nothing between two commas is nothing. Raises InvalidRequest."""
    return tuple(parse_lora(part) for part in text.split(",") if part.strip())


def check_loras(uses: Sequence[LoraUse]) -> None:
    """Raise InvalidRequest for too many, the same one twice, or a weight out of range."""
    if len(uses) > MAX_LORAS:
        raise InvalidRequest("number_of_loras", "range", len(uses), least=0, most=MAX_LORAS)
    for number, use in enumerate(uses):
        if not LEAST_WEIGHT <= use.weight <= MOST_WEIGHT:  # NaN is not
            raise InvalidRequest(
                "lora_weight", "range", use.weight, least=LEAST_WEIGHT, most=MOST_WEIGHT, holds_for=use.name
            )
        if any(use.name == other.name for other in uses[:number]):
            raise InvalidRequest("lora", "conflict", use.name, choices=(use.name,))


def loras_text(uses: Iterable[LoraUse]) -> str:
    """Write uses as `parse_loras` reads them: "chalk:0.8, ink:1"."""
    return ", ".join(f"{use.name}:{use.weight:.10g}" for use in uses)


def hashes_text(uses: Iterable[LoraUse]) -> str:
    """Write which files they are, as AUTOMATIC1111 does: "chalk: 0123456789ab, ink: ..."."""
    return ", ".join(f"{use.name}: {use.sha256[:SHORT_HASH]}" for use in uses if use.sha256)


def stored_loras(values: Iterable[LoraUse | Mapping[str, Any]]) -> tuple[LoraUse, ...]:
    """Read the uses of a stored request, which are plain data in a row."""
    return tuple(use if isinstance(use, LoraUse) else LoraUse(**_known(use)) for use in values)


def _known(use: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: use[field.name] for field in fields(LoraUse) if field.name in use}
