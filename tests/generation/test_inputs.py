"""Pictures from outside: what is taken, what is refused and why, and the shape that they are brought to."""

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generation.errors import BadPicture, InvalidRequest
from generation.inputs import FORMATS, MOST_BYTES, InputPicture, fitted, pasted_back, require_same_ratio
from generation.operator_words import operator_words
from tests.pictures import file_of, png_of

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def halves(width: int = 40, height: int = 20) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png))).astype(int)


def refusal(data: bytes) -> BadPicture:
    with pytest.raises(BadPicture) as error:
        InputPicture.decode(data)
    return error.value


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read(kind: str) -> None:
    settings: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    taken = InputPicture.decode(file_of(halves(), kind, **settings))
    assert (taken.width, taken.height) == (40, 20)
    assert np.abs(pixels(taken.png)[:, 2] - RED).max() <= 4
    assert np.abs(pixels(taken.png)[:, -3] - BLUE).max() <= 4
    assert Image.open(io.BytesIO(taken.png)).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "I", "F", "CMYK", "YCbCr", "LA", "RGBA"])
def test_every_kind_of_pixel_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    elif mode in ("I", "F"):
        picture = Image.new(mode, (8, 8), 65535 if mode == "I" else 255.0)
    else:
        picture = Image.new("RGB", (8, 8), WHITE).convert(mode)
    taken = InputPicture.decode(file_of(picture, "TIFF"))
    assert np.array_equal(pixels(taken.png)[0, 0], WHITE)


def test_what_is_transparent_is_set_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    clear.putpixel((0, 0), (255, 0, 0, 255))
    clear.putpixel((1, 0), (255, 0, 0, 128))
    for kind, settings in (("PNG", {}), ("WEBP", {"lossless": True})):
        found = pixels(InputPicture.decode(file_of(clear, kind, **settings)).png)
        assert [found[0, 0].tolist(), found[5, 5].tolist()] == [list(RED), list(WHITE)]
        assert np.abs(found[0, 1] - (255, 127, 127)).max() <= 1
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert pixels(InputPicture.decode(file_of(palette, "GIF", transparency=1)).png)[0, 0].tolist() == list(WHITE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright_and_its_exif_data_are_dropped(orientation: int) -> None:
    upright = halves()
    turned = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = upright
    for turn in turned:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    taken = InputPicture.decode(file_of(stored, "PNG", exif=exif))
    assert np.array_equal(pixels(taken.png), np.asarray(upright))
    again = Image.open(io.BytesIO(taken.png))
    assert (dict(again.getexif()), again.info) == ({}, {})


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        taken = InputPicture.decode(file_of(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert np.abs(pixels(taken.png)[0, 0] - RED).max() <= 4, kind


def test_the_same_pixels_have_the_same_name() -> None:
    one, other = (InputPicture.decode(file_of(halves(), kind)) for kind in ("PNG", "BMP"))
    assert one.sha256 == other.sha256
    assert one.sha256 != InputPicture.decode(png_of(Image.new("RGB", (40, 20)))).sha256
    assert len(one.sha256) == 64


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refusal(data).reason == "format"


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "JPEG2000", "EPS"])
def test_other_formats_are_refused(kind: str) -> None:
    error = refusal(file_of(halves(), kind))
    assert error.reason == "format"
    assert "PNG, JPEG, WEBP, GIF, BMP, TIFF" in operator_words(error)


def test_a_file_of_too_many_bytes_is_refused_unread() -> None:
    error = refusal(bytes(MOST_BYTES + 1))
    assert (error.reason, operator_words(error)) == ("bytes", "The image must be a file of at most 40 MB")


@pytest.mark.parametrize("side", [4001, 20_000, 60_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    """A PNG of a few bytes that says of itself how large it is: nothing of that size is ever made."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    error = refusal(b"\x89PNG\r\n\x1a\n" + chunk + b"\x00\x00\x00\x00IDAT")
    assert (error.reason, operator_words(error)) == ("pixels", "The image must have at most 16 megapixels")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_ends_too_early_is_broken(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = file_of(noise, kind)
    assert refusal(whole[: len(whole) // 2]).reason in ("broken", "format")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    progressive = file_of(halves(), "JPEG", progressive=True)
    InputPicture.decode(progressive)
    end = progressive.rindex(b"\xff\xda")
    assert refusal(progressive[:end] + progressive[end:-2] * 100 + progressive[-2:]).reason == "broken"


@given(data=st.binary(max_size=200), kind=st.sampled_from(FORMATS), at=st.integers(0, 400))
def test_whatever_comes_is_a_picture_or_a_refusal(data: bytes, kind: str, at: int) -> None:
    whole = file_of(halves(8, 8), kind)
    with suppress(BadPicture):
        assert InputPicture.decode(whole[:at] + data + whole[at:]).width > 0


@pytest.mark.parametrize(
    ("size", "aspect"), [((640, 480), "640:480"), ((10, 10), "10:10"), ((1000, 100), "3:1"), ((100, 1000), "1:3")]
)
def test_a_picture_has_the_aspect_that_it_has_as_far_as_models_go(size: tuple[int, int], aspect: str) -> None:
    assert InputPicture.decode(png_of(Image.new("RGB", size))).aspect == aspect


def test_a_mask_of_another_shape_is_refused() -> None:
    source = InputPicture.decode(png_of(Image.new("RGB", (100, 50))))
    for size in ((200, 100), (100, 50), (50, 25)):
        require_same_ratio(source, InputPicture.decode(png_of(Image.new("L", size))))
    for size in ((50, 100), (100, 52), (100, 100)):
        with pytest.raises(InvalidRequest) as error:
            require_same_ratio(source, InputPicture.decode(png_of(Image.new("L", size))))
        assert operator_words(error.value).startswith("mask must be of the same shape as 100x50, not '")


def test_the_middle_is_cut_out_and_resized() -> None:
    wide = png_of(halves(80, 20))
    cut = np.asarray(fitted(wide, (32, 16), (32, 16))).astype(int)
    assert cut.shape == (16, 32, 3)
    assert np.abs(cut[:, 4] - RED).max() <= 4
    assert np.abs(cut[:, 27] - BLUE).max() <= 4
    assert np.array_equal(
        np.asarray(fitted(wide, (32, 16), (16, 16))), np.asarray(fitted(wide, (32, 16), (32, 16)))[:, 8:24]
    )


def test_untouched_pixels_are_the_sources_own_and_drawn_ones_are_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    source, drawn = (Image.fromarray(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)) for _ in range(2))
    shades = np.zeros((128, 128), np.uint8)
    shades[32:96, 32:96] = 255
    shades[10, 5:120] = 255  # a line of one pixel
    result = np.asarray(pasted_back(drawn, png_of(source), png_of(Image.fromarray(shades))))
    assert np.array_equal(result[shades == 255], np.asarray(drawn)[shades == 255])
    far = np.ones((128, 128), bool)
    far[26:102, 26:102] = far[4:17] = False
    assert np.array_equal(result[far], np.asarray(source)[far])


def test_the_edge_of_what_was_drawn_is_soft() -> None:
    shades = Image.new("L", (256, 256))
    shades.paste(255, (0, 0, 128, 256))
    result = np.asarray(
        pasted_back(Image.new("RGB", (256, 256), "white"), png_of(Image.new("RGB", (256, 256))), png_of(shades))
    )
    row = result[100, 120:140, 0].astype(int)
    assert row[0] == 255
    assert row[-1] == 0
    assert row.tolist() == sorted(row.tolist(), reverse=True)
    assert len(set(row.tolist())) > 4
