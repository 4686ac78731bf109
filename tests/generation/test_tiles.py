"""Where tiles lie."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from generation.tiles import boxes

sides = st.integers(1, 512).map(lambda number: 8 * number)


@given(size=st.tuples(sides, sides), tile=st.sampled_from([64, 512, 1024]))
def test_tiles_of_one_size_cover_the_picture_and_overlap_by_a_quarter(size: tuple[int, int], tile: int) -> None:
    found = boxes(size, tile)
    assert {(right - left, bottom - top) for left, top, right, bottom in found} == {
        (min(tile, size[0]), min(tile, size[1]))
    }
    for axis in (0, 1):
        starts = sorted({box[axis] for box in found})
        side = min(tile, size[axis])
        assert (starts[0], starts[-1]) == (0, size[axis] - side)
        assert all(later - start <= side - side // 4 + 1 for start, later in pairwise(starts))
    assert len(set(found)) == len(found)


def test_four_times_as_large_takes_twenty_five_tiles_and_no_larger_one() -> None:
    assert len(boxes((2048, 2048), 512)) == 25
    assert boxes((512, 384), 512) == ((0, 0, 512, 384),)
