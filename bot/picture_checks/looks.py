"""Whether two pictures look the same: a perceptual hash, which survives other sizes and other formats.

Crops, flips and turns escape any such hash, and so does a small change of what is drawn.
"""

import numpy as np
from PIL import Image

from bot.picture_checks.pixels import opened

BITS = 256
_KEPT = 16  #: frequencies a side, the lowest; BITS are their square
_GRID = 64  #: pixels a side, grey

#: The discrete cosine transform of one line (DCT-II, unscaled), of which the lowest frequencies are kept.
_WAVES = np.cos(np.pi / _GRID * np.outer(np.arange(_KEPT), np.arange(_GRID) + 0.5))
_NOISE = 6  #: decimals; what lies below them comes from rounding alone


def look_of(png: bytes) -> str:
    """Return what a PNG looks like, 64 hex digits; for a thread. Raises CheckFault.

    A bit is whether a frequency of the grey picture is above the median, as in the imagehash package's phash.
    """
    grey = opened(png).convert("L").resize((_GRID, _GRID), Image.Resampling.LANCZOS)
    waves = np.round(_WAVES @ np.asarray(grey, dtype=np.float64) @ _WAVES.T, _NOISE)
    return np.packbits(waves > np.median(waves)).tobytes().hex()


def distance(one: str, other: str) -> int:
    """Return how many of BITS differ between two looks."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
