"""Styles that a LoRA of the built-in model can be taught: each a way to draw the artwork's pictures anew.

They are computed, so that what is taught is under the artwork's own licences and none of the held-out styles is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.training.captions import Subject
from generation.training.pictures import Picture
from generation.training.training_set import Row, TrainingSet

_LINE = 0.12  #: of 1; how much brightness changes from pixel to pixel where there is a line
_BLOCKS = 16  #: blocks a side


def outlined(picture: Picture) -> Picture:
    """Draw black lines where brightness changes, on white."""
    gray = picture.astype(np.float32).mean(2) / 255
    rise, run = np.gradient(gray)
    lines = np.clip(np.hypot(rise, run) / _LINE, 0, 1)
    shade: Picture = np.asarray(255 * (1 - lines) + 0.5, dtype=np.uint8)
    return np.repeat(shade[..., None], 3, axis=2)


def pixelated(picture: Picture) -> Picture:
    """Draw it in large square blocks."""
    image = Image.fromarray(picture)
    small = image.resize((_BLOCKS, _BLOCKS), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.NEAREST))


STYLES: Mapping[str, Callable[[Picture], Picture]] = {"outlined": outlined, "pixelated": pixelated}


def in_style(data: TrainingSet, style: str) -> TrainingSet:
    """Make a set of the artwork as it is, before no colour, drawn anew. Raises ValueError for a set without
    any, and for another style."""
    if style not in STYLES:
        raise ValueError(f"{style!r} is no style: {', '.join(STYLES)}")
    kept = [index for index, row in enumerate(data.rows) if row.subject is not None and _is_plain(row.subject)]
    if not kept:
        raise ValueError("the training set holds no artwork: make it by the stage dataset, without --pictures")
    pictures: list[NDArray[np.uint8]] = [STYLES[style](data.pictures[index]) for index in kept]
    return TrainingSet(pictures=np.stack(pictures), rows=tuple(_colourless(data.rows[index]) for index in kept))


def _is_plain(subject: Subject) -> bool:
    return subject.background is None and not subject.recoloured


def _colourless(row: Row) -> Row:
    return row if row.subject is None else replace(row, subject=replace(row.subject, colour=None))
