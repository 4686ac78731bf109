"""What pictures are compared by: how far apart they are, where their ink is, and how much of it has a colour.

Pictures are [height, width, 3], 0 to 255. Nothing is aligned before they are compared.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from generation.training.recolouring import HUES, between, to_hsv

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

_INK = 0.15  #: of 1; how far from the ground's colour a pixel has to be to count as drawn
_MAP = 16  #: places a side of a map of edges
_NEAR = 28  #: degrees to either side of a colour


def _unit(picture: Picture) -> Floats:
    return np.divide(picture, 255, dtype=np.float32)


def edge_map(picture: Picture) -> Floats:
    """Return where brightness changes, and how much: [16, 16]."""
    gray = _unit(picture).mean(2)
    rise, run = np.gradient(gray)
    strength = np.hypot(rise, run)
    size = strength.shape[0] // _MAP
    return strength[: size * _MAP, : size * _MAP].reshape(_MAP, size, _MAP, size).mean((1, 3)).astype(np.float32)


def apart(pictures: Sequence[Floats]) -> float:
    """Return the mean root-mean-square difference of every two."""
    pairs = itertools.combinations(pictures, 2)
    return float(np.mean([np.sqrt(np.square(a - b).mean()) for a, b in pairs]))


def pixels_apart(pictures: Sequence[Picture]) -> float:
    """Return `apart` of the pixels, 0 to 1."""
    return apart([_unit(picture) for picture in pictures])


def edges_apart(pictures: Sequence[Picture]) -> float:
    """Return `apart` of the maps of edges."""
    return apart([edge_map(picture) for picture in pictures])


def ink(picture: Picture) -> NDArray[np.bool_]:
    """Return which pixels are drawn: those unlike the ground, whose colour is that of the corners."""
    pixels = _unit(picture)
    ground = np.median(np.stack([pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]]), axis=0)
    return np.abs(pixels - ground).max(-1) > _INK


def ink_overlap(a: Picture, b: Picture) -> float:
    """Return the share of pixels drawn in both, of those drawn in either."""
    one, other = ink(a), ink(b)
    return float((one & other).sum() / max(1, (one | other).sum()))


def colour_share(picture: Picture, colour: str) -> float:
    """Return how much of what is drawn in colour is drawn in that one, by saturation and value."""
    hue, saturation, value = to_hsv(_unit(picture))
    weight = ink(picture) * saturation * value * (saturation > 0.2)
    near = np.abs(between(hue, HUES[colour])) < _NEAR
    return float(weight[near].sum() / max(1e-6, weight.sum()))


def seam(picture: Picture) -> float:
    """Return the mean edge along the middle column over the mean one elsewhere, where something is drawn."""
    pixels = _unit(picture)
    across = np.abs(np.diff(pixels, axis=1)).mean(2)  # [h, w - 1]
    drawn = ink(picture)
    drawn = drawn[:, 1:] | drawn[:, :-1]
    middle = pixels.shape[1] // 2 - 1
    border = across[:, middle][drawn[:, middle]]
    elsewhere = np.delete(across, middle, axis=1)[np.delete(drawn, middle, axis=1)]
    return float(border.mean() / max(1e-6, elsewhere.mean())) if border.size and elsewhere.size else 1.0
