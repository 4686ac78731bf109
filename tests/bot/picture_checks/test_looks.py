"""What a picture looks like, as far as a hash can say."""

import io
import re
from itertools import combinations

import pytest
from PIL import Image

from bot.errors import CheckFault
from bot.picture_checks.looks import BITS, distance, look_of
from tests.bot.picture_checks.known_pictures import GRID
from tests.pictures import file_of, png_of

NEAR = 12  #: bits; what is no farther apart counts as the same picture


def look(picture):
    return look_of(png_of(picture))


def test_a_look_is_256_bits_in_hex():
    assert re.fullmatch(r"[0-9a-f]{64}", look(GRID[0]))
    assert distance("0" * 64, "f" * 64) == BITS
    assert distance("0" * 63 + "3", "0" * 63 + "1") == 1


def test_other_sizes_and_formats_of_a_picture_look_the_same():
    for picture in GRID:
        own = look(picture)
        jpeg = Image.open(io.BytesIO(file_of(picture, "JPEG", quality=75)))
        others = [picture.resize((256, 256), Image.Resampling.BICUBIC), picture.resize((96, 96)), jpeg]
        assert max(distance(own, look(other)) for other in others) <= NEAR


def test_pictures_of_different_things_look_different():
    looks = [look(picture) for picture in GRID]
    assert min(distance(one, other) for one, other in combinations(looks, 2)) > NEAR


def test_a_crop_and_a_flip_escape_it():
    """What the documentation says of it, so that nobody takes it for more than it is."""
    for picture in GRID[:8]:
        cropped = picture.crop((3, 3, 61, 61))
        flipped = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert distance(look(picture), look(cropped)) > NEAR
        assert distance(look(picture), look(flipped)) > NEAR


@pytest.mark.parametrize("colour", ["white", "teal", "#8d5524"])
def test_a_plain_colour_has_one_look_at_every_size(colour):
    """There is nothing to tell but rounding, which must not count."""
    assert len({look(Image.new("RGB", (side, side), colour)) for side in (64, 100, 512)}) == 1


@pytest.mark.parametrize("file", [b"", b"no picture", png_of(GRID[0])[:200], file_of(GRID[0], "GIF")])
def test_what_is_no_whole_png_has_no_look(file):
    with pytest.raises(CheckFault):
        look_of(file)
