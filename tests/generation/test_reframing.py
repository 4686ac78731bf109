"""Drawing more of a picture: which pixels are kept, what the mask covers, sizes, luminance and seams."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from generation.catalog import Canvas, DrawingOptions, ModelSpec
from generation.errors import BadPicture, InvalidRequest
from generation.inputs import pasted_back
from generation.reframing import Reframed, Reframing, finished, offered, reframed
from tests.pictures import png_of

SPEC = ModelSpec(name="any", source="x")  #: 512 px, sides of 256 to 1024 in steps of 64
SMALL = ModelSpec(
    name="small", source="x", native_size=64, size_multiple=16, min_size=16, max_size=192, canvas=Canvas.SQUARE
)
OUTPAINTING = [way for way in Reframing if way not in (Reframing.COLOURISE, Reframing.TILEABLE)]
PANS = {
    Reframing.PAN_LEFT: (slice(None), slice(None, 256)),
    Reframing.PAN_RIGHT: (slice(None), slice(512, None)),
    Reframing.PAN_UP: (slice(None, 256), slice(None)),
    Reframing.PAN_DOWN: (slice(512, None), slice(None)),
}  #: where the new part of a picture of 512x512 is
SIZES = st.tuples(st.integers(1, 700), st.integers(1, 700))


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def ramp(width: int, height: int) -> Image.Image:
    """Red grows across and green downwards, so that every place has a colour of its own."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 99)], axis=-1).astype(np.uint8))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def white(made: Reframed) -> np.ndarray:
    """Where the mask is white; it is nothing but black and white."""
    assert made.mask is not None
    shades = pixels(made.mask.png)
    assert set(np.unique(shades)) <= {0, 255}
    return shades[..., 0] == 255


def luma(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB")).astype(float) @ [0.299, 0.587, 0.114]


def test_the_stored_names_stay() -> None:
    assert list(Reframing) == [
        *("zoom_out_1.5", "zoom_out_2", "pan_left", "pan_right", "pan_up", "pan_down", "square", "colourise"),
        "tileable",
    ]


@pytest.mark.parametrize("way", Reframing)
@settings(max_examples=30, deadline=None)
@given(size=SIZES, spec=st.sampled_from([SPEC, SMALL]))
def test_whatever_picture_comes_the_request_is_one_that_the_model_takes(
    way: Reframing, size: tuple[int, int], spec: ModelSpec
) -> None:
    picture = png_of(Image.new("RGB", size, "red"))
    assume(way is not Reframing.SQUARE or max(size) > 1.5 * min(size))
    made = reframed(way, picture, spec)
    width, height = made.source.width, made.source.height
    options = DrawingOptions(prompt="x", width=width, height=height, source=made.source.sha256, strength=made.strength)
    assert spec.request(options).drawn_steps >= 1
    assert np.prod(spec.drawn_size(width, height)) <= 2 * spec.native_size**2
    if made.mask is not None:
        assert (made.mask.width, made.mask.height) == (width, height)
        assert 0 < white(made).mean() < 1
    assert (made.mask is None) == (way is Reframing.COLOURISE)


@pytest.mark.parametrize("way", OUTPAINTING)
def test_what_is_not_drawn_anew_comes_back_pixel_by_pixel_and_what_is_new_is_all_drawn(way: Reframing) -> None:
    made = reframed(way, png_of(noise(512, 384)), SPEC)
    drawn = Image.new("RGB", (made.source.width, made.source.height), "lime")
    assert made.mask is not None
    result = np.asarray(pasted_back(drawn, made.source.png, made.mask.png)).astype(int)
    assert (result[white(made)] == (0, 255, 0)).all()
    kept = ~_grown(white(made), 16)  # the edge is soft for some pixels
    assert kept.any()
    assert np.array_equal(result[kept], pixels(made.source.png)[kept])


def _grown(where: np.ndarray, by: int) -> np.ndarray:
    """What is within so many pixels of it, in a square around each."""
    grown = Image.fromarray(where).convert("L").filter(ImageFilter.MaxFilter(2 * by + 1))
    return np.asarray(grown) > 0


@pytest.mark.parametrize(("way", "inner"), [(Reframing.ZOOM_OUT_1_5, 342), (Reframing.ZOOM_OUT_2, 256)])
def test_zooming_out_shrinks_the_picture_into_the_middle_of_its_own_size(way: Reframing, inner: int) -> None:
    picture = ramp(512, 512)
    made = reframed(way, png_of(picture), SPEC)
    assert (made.source.width, made.source.height) == (512, 512)
    border = (512 - inner) // 2
    middle = slice(border, border + inner)
    shrunk = np.asarray(picture.resize((inner, inner), Image.Resampling.LANCZOS))
    assert np.array_equal(pixels(made.source.png)[middle, middle], shrunk)
    kept = np.zeros((512, 512), bool)
    kept[border + 8 : border + inner - 8, border + 8 : border + inner - 8] = True
    assert np.array_equal(white(made), ~kept)


@pytest.mark.parametrize(("way", "new"), PANS.items())
def test_panning_adds_half_of_the_side_and_keeps_all_pixels(way: Reframing, new: tuple[slice, slice]) -> None:
    picture = noise(512, 512)
    made = reframed(way, png_of(picture), SPEC)
    is_new = np.zeros((made.source.height, made.source.width), bool)
    is_new[new] = True
    assert sorted(is_new.shape) == [512, 768]
    assert np.array_equal(pixels(made.source.png)[~is_new].reshape(512, 512, 3), np.asarray(picture))
    covered = white(made)
    assert covered[is_new].all()
    assert covered[~is_new].sum() == 8 * 512, "eight rows or columns of what is kept, where both meet"
    assert np.array_equal(_grown(is_new, 8), covered)


def test_where_a_canvas_cannot_grow_it_goes_along() -> None:
    wide = noise(1024, 512)
    made = reframed(Reframing.PAN_LEFT, png_of(wide), SPEC)
    assert (made.source.width, made.source.height) == (1024, 512)
    assert np.array_equal(pixels(made.source.png)[:, 512:], np.asarray(wide)[:, :512])
    right = reframed(Reframing.PAN_RIGHT, png_of(wide), SPEC)
    assert np.array_equal(pixels(right.source.png)[:, :512], np.asarray(wide)[:, 512:])
    little = noise(64, 64)
    made = reframed(Reframing.PAN_UP, png_of(little), SMALL)
    assert (made.source.width, made.source.height) == (64, 64)
    assert np.array_equal(pixels(made.source.png)[32:], np.asarray(little)[:32])


def test_panning_again_and_again_goes_on() -> None:
    picture = png_of(noise(512, 512))
    sizes = []
    for _ in range(4):
        made = reframed(Reframing.PAN_RIGHT, picture, SPEC)
        picture = made.source.png
        sizes.append((made.source.width, made.source.height))
    assert sizes == [(768, 512), (1024, 512), (1024, 512), (1024, 512)]


def test_a_square_has_the_longer_side_and_the_picture_in_its_middle() -> None:
    picture = noise(640, 448)
    made = reframed(Reframing.SQUARE, png_of(picture), SPEC)
    assert (made.source.width, made.source.height) == (640, 640)
    assert np.array_equal(pixels(made.source.png)[96:544], np.asarray(picture))
    kept = np.zeros((640, 640), bool)
    kept[104:536] = True
    assert np.array_equal(white(made), ~kept)


def test_a_square_that_would_be_too_large_shrinks_with_its_picture() -> None:
    made = reframed(Reframing.SQUARE, png_of(ramp(1024, 384)), SPEC)
    assert (made.source.width, made.source.height) == (704, 704), "twice the native pixels at most, in steps of 64"
    kept = np.flatnonzero(~white(made).all(axis=1))
    assert len(kept) == round(384 * 704 / 1024) - 16


def test_a_square_is_not_made_square() -> None:
    with pytest.raises(InvalidRequest) as error:
        reframed(Reframing.SQUARE, png_of(noise(64, 64)), SMALL)
    assert (error.value.field, error.value.given) == ("image", "64x64")


def test_the_new_part_begins_as_smooth_ground_that_runs_on_from_the_edge() -> None:
    picture = Image.new("RGB", (512, 512), "blue")
    picture.paste("white", (0, 0, 40, 512))
    made = reframed(Reframing.PAN_LEFT, png_of(picture), SPEC)
    assert np.abs(pixels(made.source.png)[:, :200] - 255).max() <= 2
    made = reframed(Reframing.PAN_LEFT, png_of(noise(512, 512)), SPEC)
    new = pixels(made.source.png)[:, :200]
    assert np.abs(np.diff(new, axis=0)).max() <= 8, "of noise no stripes are left"


def test_an_enlarged_picture_is_brought_back_to_a_size_that_the_model_draws() -> None:
    made = reframed(Reframing.ZOOM_OUT_2, png_of(ramp(2048, 2048)), SPEC)
    assert (made.source.width, made.source.height) == (512, 512)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(BadPicture):
        reframed(Reframing.COLOURISE, b"<html>", SPEC)


def test_only_ways_that_lead_somewhere_are_offered() -> None:
    assert offered(SPEC, 512, 384) == tuple(Reframing)
    assert set(Reframing) - set(offered(SPEC, 512, 512)) == {Reframing.SQUARE}
    assert offered(SMALL, 64, 64) == (Reframing.COLOURISE,)


def test_colourising_begins_with_grey_of_the_same_luminance() -> None:
    picture = noise(512, 384)
    made = reframed(Reframing.COLOURISE, png_of(picture), SPEC)
    grey = pixels(made.source.png)
    assert (made.mask, grey.shape) == (None, (384, 512, 3))
    assert np.ptp(grey, axis=-1).max() == 0
    assert np.abs(grey[..., 0] - luma(picture)).max() <= 1


@given(seed=st.integers(0, 10**6), low=st.integers(0, 254), high=st.integers(1, 255))
def test_a_colourised_picture_has_the_luminance_of_its_source(seed: int, low: int, high: int) -> None:
    grey = np.random.default_rng(seed).integers(min(low, high), max(low, high) + 1, (16, 16), dtype=np.uint8)
    source = Image.fromarray(grey).convert("RGB")
    result = finished(Reframing.COLOURISE, noise(16, 16, seed), png_of(source))
    assert np.abs(luma(result) - grey).max() <= 0.75, "but for rounding, in every pixel"


def test_a_colourised_picture_has_the_colours_that_were_drawn() -> None:
    drawn = noise(64, 64).point(lambda value: 96 + value // 4)
    source = Image.new("RGB", (64, 64), (128, 128, 128))
    result = finished(Reframing.COLOURISE, drawn, png_of(source))
    chroma, expected = (np.asarray(one.convert("YCbCr")).astype(int)[..., 1:] for one in (result, drawn))
    assert np.abs(chroma - expected).max() <= 2
    assert finished(Reframing.COLOURISE, drawn, png_of(drawn)).tobytes() == drawn.tobytes()
    black = finished(Reframing.COLOURISE, drawn, png_of(Image.new("RGB", (64, 64))))
    assert black.getextrema() == ((0, 0),) * 3


@given(width=st.integers(6, 11), height=st.integers(6, 11), seed=st.integers(0, 99))
def test_a_tileable_picture_is_rolled_there_and_back(width: int, height: int, seed: int) -> None:
    picture = noise(width * 16, height * 16, seed)
    made = reframed(Reframing.TILEABLE, png_of(picture), replace(SMALL, native_size=128, canvas=Canvas.ANY))
    back = finished(Reframing.TILEABLE, Image.open(io.BytesIO(made.source.png)), made.source.png)
    drawn = np.roll(white(made), (picture.height // 2, picture.width // 2), axis=(0, 1))
    kept = ~_grown(drawn, max(picture.size) // 32 + 1)
    assert kept.any()
    assert np.array_equal(np.asarray(back)[kept], np.asarray(picture)[kept])


def test_the_mask_of_a_tileable_picture_lies_over_its_edges() -> None:
    made = reframed(Reframing.TILEABLE, png_of(noise(512, 384)), SPEC)
    on_the_tile = np.roll(white(made), (192, 256), axis=(0, 1))
    expected = np.ones((384, 512), bool)
    expected[48:-48, 64:-64] = False
    assert np.array_equal(on_the_tile, expected)


def test_a_finished_tile_has_no_seam_whatever_was_drawn_along_its_edges() -> None:
    picture = ramp(512, 512)
    made = reframed(Reframing.TILEABLE, png_of(picture), SPEC)
    assert made.mask is not None
    # Smooth inside, as what a model draws is, and different at both ends of each arm.
    across, down = np.meshgrid(np.arange(512), np.arange(512))
    drawn = np.stack([across // 4, down // 4 + 100, (across + down) // 8], axis=-1).astype(np.uint8)
    back = pasted_back(Image.fromarray(drawn), made.source.png, made.mask.png)
    tile = np.asarray(finished(Reframing.TILEABLE, back, made.source.png)).astype(int)
    for axis in range(2):
        seam = np.abs(tile.take(0, axis) - tile.take(-1, axis))
        assert seam.max() <= 3, "where tiles meet"
        middle = np.abs(tile.take(255, axis) - tile.take(256, axis))
        assert middle.max() <= 3, "where the ends of the arms meet"
    assert np.abs(np.asarray(picture).astype(int)[:, 0] - np.asarray(picture)[:, -1]).max() == 255, "before"


@pytest.mark.parametrize("way", OUTPAINTING)
def test_nothing_else_is_left_to_do_for_the_others(way: Reframing) -> None:
    drawn = noise(64, 64)
    assert finished(way, drawn, png_of(noise(64, 64, 1))) is drawn
