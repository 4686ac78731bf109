"""Where the tiles of a picture lie that is drawn in parts."""

from itertools import product
from typing import TypeAlias

Box: TypeAlias = tuple[int, int, int, int]  #: left, top, right, bottom, in pixels, as Pillow has it

_OVERLAP = 1 / 4  #: of a tile, at least, that its neighbour draws too


def boxes(size: tuple[int, int], tile: int) -> tuple[Box, ...]:
    """Cover a picture of this size with as few tiles as overlap by a quarter, evenly, row by row.

    All have the same size: `tile` pixels a side, or less where the picture is narrower than that.
    """
    across, down = (_starts(side, min(tile, side)) for side in size)
    width, height = (min(tile, side) for side in size)
    return tuple((left, top, left + width, top + height) for top, left in product(down, across))


def _starts(side: int, tile: int) -> list[int]:
    gaps = -(-(side - tile) // (tile - int(tile * _OVERLAP)))
    return [round(number * (side - tile) / gaps) for number in range(gaps + 1)] if gaps else [0]
