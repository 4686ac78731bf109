"""What a training run reads: pictures, what they show, and how often each is looked at.

The built-in model's set is made from the artwork here; `user_folder` makes one from anybody's own pictures.
"""

import json
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generation.training.artwork import Collection
from generation.training.captions import Subject, caption
from generation.training.concepts import CONCEPTS, Concept
from generation.training.packages import Role
from generation.training.recolouring import (
    BACKGROUNDS,
    COLOUR_WORDS,
    COLOURS,
    HELD_OUT_PAIRS,
    Floats,
    compose,
    dominant_colour,
    recolour,
)

PLAIN_STYLE = "3d"  #: the style of a prompt that names none
_STYLE_SHARES = {"3d": 0.8, "flat": 0.2}
#: how often a picture is shown as it is, in front of a colour, recoloured, or both
_OWN, _OWN_BACKED, _RECOLOURED, _RECOLOURED_BACKED = 0.50, 0.15, 0.27, 0.08


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training picture's words: of an emoji a subject, of a user's picture its captions."""

    weight: float
    subject: Subject | None = None
    text: str = ""  #: captions, one a line

    def caption(self, rng: random.Random) -> str:
        """Choose one caption for the picture."""
        return caption(self.subject, rng) if self.subject else rng.choice(self.text.splitlines() or [""])


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
        subject = Subject(**subject | {"names": tuple(subject["names"]), "tags": tuple(subject["tags"])})
    return Row(weight=item["weight"], subject=subject, text=item["text"])


def from_artwork(collection: Collection, *, seed: int, concepts: tuple[Concept, ...] = CONCEPTS) -> TrainingSet:
    """Make a set of every concept in every drawn style: as it is, recoloured, and in front of plain colours."""
    rng = random.Random(seed)
    concept_of = {concept.label: concept for concept in concepts}
    pictures: list[NDArray[np.uint8]] = []
    rows: list[Row] = []
    for drawing, pixels in zip(collection.drawings, collection.pictures, strict=True):
        concept = concept_of.get(drawing.entry.label)
        if concept is None or drawing.role is not Role.DRAWN:
            continue
        tags = tuple(tag for tag in drawing.entry.tags if not COLOUR_WORDS & set(tag.split()) and not tag.isdigit())
        subject = Subject(
            label=concept.label,
            names=concept.names,
            tags=tags,
            style=drawing.style,
            plain_style=drawing.style == PLAIN_STYLE,
        )
        for picture, row in _variants(pixels.astype(np.float32) / 255, subject, rng):
            pictures.append(picture)
            rows.append(row)
    return TrainingSet(pictures=np.stack(pictures), rows=tuple(rows))


def _variants(pixels: Floats, subject: Subject, rng: random.Random) -> list[tuple[NDArray[np.uint8], Row]]:
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    dominant = dominant_colour(rgb, alpha)
    own = dominant.name if dominant else None
    if (subject.label, own) in HELD_OUT_PAIRS:
        return []  # an artist drew it in the very colour that training must not show
    held_out = {colour for label, colour in HELD_OUT_PAIRS if label == subject.label}
    others = [colour for colour in COLOURS if dominant and colour != own and colour not in held_out]
    share = _STYLE_SHARES.get(subject.style, 1.0)
    made: list[tuple[NDArray[np.uint8], Row]] = []

    def add(drawn: Floats, colour: str | None, background: str | None, recoloured: bool, weight: float) -> None:
        said = replace(subject, colour=colour, background=background, recoloured=recoloured)
        made.append((compose(drawn, alpha, background), Row(weight=share * weight, subject=said)))

    add(rgb, own, None, False, _OWN if others else _OWN + _RECOLOURED)
    backed = _OWN_BACKED if others else _OWN_BACKED + _RECOLOURED_BACKED
    for background in BACKGROUNDS:
        if background != own:
            add(rgb, own, background, False, backed / len(BACKGROUNDS))
    for colour in others:
        drawn = recolour(rgb, dominant, colour) if dominant else rgb
        if colour != "white":  # white on white shows little
            add(drawn, colour, None, True, _RECOLOURED / len(others))
        background = rng.choice([name for name in BACKGROUNDS if name != colour])
        add(drawn, colour, background, True, _RECOLOURED_BACKED / len(others))
    return made
