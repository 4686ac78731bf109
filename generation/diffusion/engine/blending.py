"""Overlapping tiles -> one picture."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generation.tiles import Box

_Span: TypeAlias = tuple[int, int]


def blended(tiles: Sequence[tuple[Box, Image.Image]], size: tuple[int, int]) -> Image.Image:
    """Blend RGB tiles, which together cover a picture of this size, where each lies in it.

    A tile fades linearly into its neighbours, from nothing at its edge: at each pixel the weights add up to one.
    """
    width, height = size
    across = _weights(((left, right) for (left, _, right, _), _ in tiles), width)
    down = _weights(((top, bottom) for (_, top, _, bottom), _ in tiles), height)
    canvas = np.zeros((height, width, 3), np.float32)
    for (left, top, right, bottom), picture in tiles:
        weights = down[top, bottom][:, None, None] * across[left, right][None, :, None]
        canvas[top:bottom, left:right] += weights * np.asarray(picture, np.float32)
    return Image.fromarray(canvas.round().clip(0, 255).astype(np.uint8))


def _weights(spans: Iterable[_Span], side: int) -> dict[_Span, NDArray[np.float32]]:
    """Weigh each pixel of a span by its distance to the nearer end that is not the picture's own."""
    tents: dict[_Span, NDArray[np.float32]] = {}
    total = np.zeros(side, np.float32)
    for start, end in set(spans):
        places = np.arange(start, end, dtype=np.float32) + 0.5
        rise = places - start if start > 0 else np.full_like(places, side)
        fall = end - places if end < side else np.full_like(places, side)
        tents[start, end] = np.minimum(rise, fall)
        total[start:end] += tents[start, end]
    return {(start, end): tent / total[start:end] for (start, end), tent in tents.items()}
