"""What a training run reads: pictures, what they show, and how often each is looked at.

The built-in model's set is made from the artwork here; `user_folder` makes one from anybody's own pictures.
"""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generation.training.artwork import Collection
from generation.training.captions import Subject, Wording, caption, choose_wording
from generation.training.concepts import CONCEPTS, Concept
from generation.training.packages import Role
from generation.training.poses import posed, poses_of
from generation.training.recolouring import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT_PAIRS,
    Floats,
    compose,
    dominant_colour,
    recolour,
)

PLAIN_STYLE = "3d"  #: the commonest style of a prompt that names none
_STYLE_SHARES = {"3d": 0.34, "flat": 0.26, "cartoon": 0.2, "retro": 0.2}
#: how often a picture is shown as it is, in front of a colour, recoloured, or both
_OWN, _OWN_BACKED, _RECOLOURED, _RECOLOURED_BACKED = 0.50, 0.15, 0.27, 0.08


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training picture's words: of an emoji a subject, of a user's picture its captions."""

    weight: float
    subject: Subject | None = None
    text: str = ""  #: captions, one a line

    def wording(self, rng: random.Random) -> Wording | None:
        """Choose what the picture's caption is to say; None for a user's picture."""
        return choose_wording(self.subject, rng) if self.subject else None

    def caption(self, rng: random.Random, wording: Wording | None = None) -> str:
        """Choose one caption for the picture, by default with any wording."""
        if self.subject:
            return caption(self.subject, rng, wording or choose_wording(self.subject, rng))
        return rng.choice(self.text.splitlines() or [""])


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Pictures beside their rows."""

    pictures: NDArray[np.uint8]  #: n, size, size, 3
    rows: tuple[Row, ...]  #: n

    @property
    def weights(self) -> NDArray[np.float64]:
        """The chance of each row to be drawn, one in sum."""
        weights = np.array([row.weight for row in self.rows])
        return weights / weights.sum()

    def save(self, folder: Path) -> None:
        """Write the set, compressed: it may be carried to another machine."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "pictures.npz", pictures=self.pictures)
        (folder / "rows.json").write_text(json.dumps([asdict(row) for row in self.rows]), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "TrainingSet":
        """Read what `save` wrote."""
        with np.load(folder / "pictures.npz") as file:
            return cls(pictures=file["pictures"], rows=read_rows(folder))


def read_rows(folder: Path) -> tuple[Row, ...]:
    """Read the words alone of a set in `folder`."""
    return tuple(_row(item) for item in json.loads((folder / "rows.json").read_text("utf-8")))


def _row(item: dict[str, Any]) -> Row:
    subject = item["subject"]
    if subject is not None:
        subject = Subject(**subject | {"names": tuple(subject["names"])})
    return Row(weight=item["weight"], subject=subject, text=item["text"])


class Alike:
    """Finds the pictures that one caption fits equally well: the same thing in other poses and unnamed styles."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        found: defaultdict[tuple[str | None, ...], list[int]] = defaultdict(list)
        for index, row in enumerate(rows):
            if subject := row.subject:
                for style in (None, subject.style):
                    if not subject.recoloured:
                        found[subject.label, subject.background, None, style].append(index)
                    if subject.colour:
                        found[subject.label, subject.background, subject.colour, style].append(index)
        self._found = {key: torch.tensor(indices) for key, indices in found.items()}
        self._weights = torch.tensor([row.weight for row in rows])

    def choose(self, index: int, wording: Wording | None, count: int, generator: torch.Generator) -> Tensor:
        """Choose pictures [count] that fit the wording of row `index`, each at most once if there are enough of them.

        The first is any of them, by their weights. A picture without a subject is alone.
        """
        subject = self._rows[index].subject
        if subject is None or wording is None:
            return torch.full((count,), index)
        colour, style = subject.colour if wording.colour else None, subject.style if wording.style else None
        alike = self._found[subject.label, subject.background, colour, style]
        order = torch.multinomial(self._weights[alike], min(count, len(alike)), generator=generator)
        return alike[order[torch.arange(count) % len(order)]]


class Recoloured:
    """Finds the same drawing in another colour: in the same pose, before the same background."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._found: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        self._keys: list[tuple[object, ...] | None] = []
        pose, before = 0, None
        for index, row in enumerate(rows):  # the poses of a drawing follow each other, in the same order each time
            pose, before = (pose + 1 if row.subject == before else 0), row.subject
            subject = row.subject
            key = (subject.label, subject.style, subject.background, pose) if subject and subject.colour else None
            self._keys.append(key)
            if key:
                self._found[key].append(index)

    def other(self, index: int, generator: torch.Generator) -> int:
        """Choose one of them for row `index`; the row itself where there is none."""
        key = self._keys[index]
        others = [other for other in self._found[key] if other != index] if key else []
        return others[int(torch.randint(len(others), (1,), generator=generator))] if others else index


def from_artwork(collection: Collection, *, seed: int, concepts: tuple[Concept, ...] = CONCEPTS) -> TrainingSet:
    """Make a set of every concept in every drawn style: as it is, recoloured, before plain colours; in many poses."""
    rng = random.Random(seed)
    concept_of = {concept.label: concept for concept in concepts}
    pictures: list[NDArray[np.uint8]] = []
    rows: list[Row] = []
    for drawing, pixels in zip(collection.drawings, collection.pictures, strict=True):
        concept = concept_of.get(drawing.entry.label)
        if concept is None or drawing.role is not Role.DRAWN:
            continue
        subject = Subject(label=concept.label, names=concept.names, style=drawing.style)
        for picture, row in _variants(pixels.astype(np.float32) / 255, subject, rng):
            pictures.append(picture)
            rows.append(row)
    return TrainingSet(pictures=np.stack(pictures), rows=_evenly(rows))


def _evenly(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Show every concept equally often, however many artists drew it."""
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        totals[row.subject.label if row.subject else ""] += row.weight
    return tuple(replace(row, weight=row.weight / totals[row.subject.label if row.subject else ""]) for row in rows)


def _variants(pixels: Floats, subject: Subject, rng: random.Random) -> list[tuple[NDArray[np.uint8], Row]]:
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    dominant = dominant_colour(rgb, alpha)
    own = dominant.name if dominant else None
    if (subject.label, own) in HELD_OUT_PAIRS:
        return []  # an artist drew it in the very colour that training must not show
    held_out = {colour for label, colour in HELD_OUT_PAIRS if label == subject.label}
    others = [colour for colour in COLOURS if dominant and colour != own and colour not in held_out]
    share = _STYLE_SHARES.get(subject.style, 0.2)
    poses = poses_of(subject.label, subject.style)
    made: list[tuple[NDArray[np.uint8], Row]] = []

    def add(drawn: Floats, weight: float, *, background: str | None = None, **said: Any) -> None:
        row = Row(weight=share * weight / len(poses), subject=replace(subject, background=background, **said))
        made.extend((compose(*posed(drawn, alpha, pose), background), row) for pose in poses)

    add(rgb, _OWN if others else _OWN + _RECOLOURED, colour=own)
    backed = _OWN_BACKED if others else _OWN_BACKED + _RECOLOURED_BACKED
    for background in BACKGROUNDS:
        if background != own:
            add(rgb, backed / len(BACKGROUNDS), background=background, colour=own)
    for colour in others:
        drawn = recolour(rgb, dominant, colour) if dominant else rgb
        said: dict[str, Any] = {"colour": colour, "recoloured": True}
        if colour != "white":  # white on white shows little
            add(drawn, _RECOLOURED / len(others), **said)
        background = rng.choice([name for name in BACKGROUNDS if name != colour])
        add(drawn, _RECOLOURED_BACKED / len(others), background=background, **said)
    return made
