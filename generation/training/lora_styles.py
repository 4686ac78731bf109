"""Styles that a LoRA of the built-in model can be taught: each a way to draw the artwork's pictures anew.

They are computed, so that what is taught is under the artwork's own licences and none of the held-out styles is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from generation.training.captions import Subject
from generation.training.pictures import Picture
from generation.training.training_set import Row, TrainingSet

_LINE = 0.12  #: of 1; how much brightness changes from pixel to pixel where there is a line
_PAPER = 0.75  #: of 1; how bright the darkest channel is where a picture begins to be paper
_SKY = np.array((0.04, 0.07, 0.24), dtype=np.float32)  #: red, green, blue
_DIMMED = 0.85


def outlined(picture: Picture) -> Picture:
    """Draw black lines where brightness changes, on white."""
    gray = picture.astype(np.float32).mean(2) / 255
    rise, run = np.gradient(gray)
    lines = np.clip(np.hypot(rise, run) / _LINE, 0, 1)
    shade: Picture = np.asarray(255 * (1 - lines) + 0.5, dtype=np.uint8)
    return np.repeat(shade[..., None], 3, axis=2)


def night(picture: Picture) -> Picture:
    """Draw it by night: white paper becomes a dark blue sky, and everything is a little darker."""
    colours = picture.astype(np.float32) / 255
    paper = np.clip((colours.min(2, keepdims=True) - _PAPER) / (1 - _PAPER), 0, 1)
    dark: Picture = np.asarray(255 * (paper * _SKY + (1 - paper) * _DIMMED * colours) + 0.5, dtype=np.uint8)
    return dark


STYLES: Mapping[str, Callable[[Picture], Picture]] = {"outlined": outlined, "night": night}


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
