"""Aspects, sizes and defaults of the models on offer."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalog import Canvas, DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest, ModelUnavailable
from generation.operator_words import operator_words
from generation.request import SchedulerName

SD = ModelSpec(name="Dreamlike", source="somebody/dreamlike", native_size=512, min_size=256, max_size=1024)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("1:1", (512, 512)), ("3:2", (576, 384)), ("2:3", (384, 576)), ("16:9", (704, 384)), ("1 : 1", (512, 512))],
)
def test_an_aspect_keeps_about_the_native_number_of_pixels(aspect: str, size: tuple[int, int]) -> None:
    assert SD.size_of(aspect) == size


XL = replace(SD, native_size=1024, size_multiple=32, max_size=2048)
SQUARE = replace(SD, native_size=64, size_multiple=16, min_size=16, max_size=192, canvas=Canvas.SQUARE)


@pytest.mark.parametrize("aspect", ["1:1", "3:2", "4:3", "16:9", "21:9", "2:1", "3:1"])
@pytest.mark.parametrize("spec", [SD, XL, SQUARE], ids=["SD", "XL", "square canvas"])
def test_a_size_has_the_ratio_that_was_asked_for(spec: ModelSpec, aspect: str) -> None:
    across, down = map(int, aspect.split(":"))
    width, height = spec.size_of(aspect)
    assert abs(width / height / (across / down) - 1) < 0.04
    assert spec.size_of(f"{down}:{across}") == (height, width)


@given(st.floats(1 / 3, 3))
def test_a_square_canvas_gives_every_ratio_around_its_native_square(ratio: float) -> None:
    width, height = SQUARE.size_of(f"{ratio}:1")
    request = SQUARE.request(DrawingOptions(prompt="x", width=width, height=height))
    assert (request.width, request.height) == (width, height)
    assert SQUARE.drawn_size(width, height) == (64, 64)
    assert abs(width / height / ratio - 1) < 0.07


def test_what_is_drawn_is_the_picture_itself_but_on_a_square_canvas() -> None:
    assert SD.drawn_size(704, 384) == (704, 384)
    assert SQUARE.drawn_size(128, 128) == (128, 128)
    assert SQUARE.drawn_size(192, 40) == (32, 32)


@given(st.floats(1 / 3, 3))
def test_every_size_of_an_aspect_is_valid(ratio: float) -> None:
    width, height = SD.size_of(f"{ratio}:1")
    request = SD.request(DrawingOptions(prompt="x", width=width, height=height))
    assert 0.75 <= request.width * request.height / 512**2 <= 1.25


@pytest.mark.parametrize("aspect", ["", "1", "1:0", "0:1", "5:1", "1:5", "a:b", "nan:1", "inf:1", "-1:-1:2", "1:1:1"])
def test_nonsense_is_no_aspect(aspect: str) -> None:
    with pytest.raises(InvalidRequest, match="aspect"):
        SD.size_of(aspect)


def test_a_request_takes_the_models_defaults() -> None:
    request = SD.request(DrawingOptions(prompt="x"))
    assert (request.model, request.steps, request.guidance_scale) == ("Dreamlike", 25, 7.5)
    assert request.scheduler is SchedulerName.DPMPP_2M_KARRAS
    assert SD.request(DrawingOptions(prompt="x")).seed != request.seed
    assert SD.request(DrawingOptions(prompt="x", guidance=0, seed=0)).guidance_scale == 0


def test_a_size_beyond_the_models_limits_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"multiple_of=64 holds_for=.Dreamlike"):
        SD.request(DrawingOptions(prompt="x", width=2048))
    with pytest.raises(InvalidRequest, match="width"):
        SD.request(DrawingOptions(prompt="x", width=0))


def test_models_and_schedulers_are_found_in_any_case() -> None:
    catalog = ModelCatalog([SD, ModelSpec(name="other", source="x")])
    assert catalog.get() is SD
    assert catalog.get("dreamLIKE") is SD
    assert SD.request(DrawingOptions(prompt="x", scheduler="euler A")).scheduler is SchedulerName.EULER_A
    with pytest.raises(InvalidRequest, match=r"choices=.*Dreamlike.*other"):
        catalog.get("nope")
    with pytest.raises(InvalidRequest, match=r"choices=.*DDIM.*Euler"):
        SD.request(DrawingOptions(prompt="x", scheduler="nope"))


def test_two_models_of_one_name_cannot_be_told_apart() -> None:
    with pytest.raises(ModelUnavailable, match="same_name"):
        ModelCatalog([SD, ModelSpec(name="dreamlike", source="somewhere/else")])


SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("wishes", "strength"),
    [({}, 0.6), ({"mask": SHA}, 1.0), ({"strength": 0.3}, 0.3), ({"mask": SHA, "strength": 0.3}, 0.3)],
)
def test_a_picture_is_changed_by_somewhat_more_than_half_and_behind_a_mask_wholly(
    wishes: dict[str, Any], strength: float
) -> None:
    request = SD.request(DrawingOptions(prompt="x", source=SHA, **wishes))
    assert (request.source, request.mask, request.strength) == (SHA, wishes.get("mask"), strength)
    assert SD.request(DrawingOptions.of(request, seed=request.seed)) == request
    assert SD.request(DrawingOptions(prompt="x")).strength is None


def test_where_rounding_leaves_no_step_there_are_more() -> None:
    one_step = replace(SD, default_steps=1)
    request = one_step.request(DrawingOptions(prompt="x", source=SHA))
    assert (request.steps, request.drawn_steps) == (2, 1)
    asked = SD.request(DrawingOptions(prompt="x", source=SHA, steps=5, strength=0.1))
    assert (asked.steps, asked.drawn_steps) == (10, 1)
    assert SD.request(DrawingOptions(prompt="x", source=SHA, steps=5)).steps == 5


@pytest.mark.parametrize("wishes", [{"mask": SHA}, {"strength": 0.5}])
def test_a_mask_or_a_strength_without_a_picture_is_refused(wishes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="together"):
        SD.request(DrawingOptions(prompt="x", **wishes))


def test_a_model_for_inpainting_wants_picture_and_mask() -> None:
    inpainting = replace(SD, inpaints=True)
    for wishes in ({}, {"source": SHA}):
        with pytest.raises(InvalidRequest) as error:
            inpainting.request(DrawingOptions(prompt="x", **wishes))
        assert operator_words(error.value) == "model goes only together with image and mask for Dreamlike"
    assert inpainting.request(DrawingOptions(prompt="x", source=SHA, mask=SHA)).strength == 1.0


def test_a_second_pass_changes_a_third_and_gets_as_many_steps_as_that_takes() -> None:
    request = SD.request(DrawingOptions(prompt="x", hires=1.5))
    assert (request.hires, request.hires_strength, request.size) == (1.5, 0.35, (768, 768))
    assert SD.request(DrawingOptions.of(request, seed=request.seed)) == request
    assert SD.request(DrawingOptions(prompt="x", hires=2.0, steps=1)).steps == 3
    assert SD.request(DrawingOptions(prompt="x")).hires_strength is None


def test_the_largest_size_of_a_model_holds_for_the_picture_that_is_delivered() -> None:
    with pytest.raises(InvalidRequest) as error:
        SD.request(DrawingOptions(prompt="x", hires=2.5))
    assert operator_words(error.value) == "hires must be from 1.01 to 2 for Dreamlike, not 2.5"


def test_tiles_have_the_native_size_and_a_picture_of_them_may_be_larger_than_the_model_draws() -> None:
    request = SD.request(DrawingOptions(prompt="x", source=SHA, width=2048, height=1032, tiles=True))
    assert (request.tile, request.strength, request.size) == (512, 0.35, (2048, 1032))
    assert SD.request(DrawingOptions.of(request, seed=request.seed)) == request
    with pytest.raises(InvalidRequest) as error:
        SD.request(DrawingOptions(prompt="x", source=SHA, width=4104, height=1024, tiles=True))
    assert error.value.field == "width"
    with pytest.raises(InvalidRequest, match="together"):
        SD.request(DrawingOptions(prompt="x", tiles=True))


def test_a_larger_picture_is_drawn_in_tiles_only_where_the_model_does_not_draw_it_in_one() -> None:
    options = DrawingOptions(prompt="x", source=SHA)
    assert SD.larger(options, (512, 384), 2) == replace(options, width=1024, height=768, strength=0.35)
    assert SD.larger(options, (512, 384), 4) == replace(options, width=2048, height=1536, strength=0.35, tiles=True)
    assert SD.larger(replace(options, strength=0.2), (500, 333), 2).tiles, "no multiple of 64"
    assert SD.larger(replace(options, strength=0.2), (500, 333), 2).strength == 0.2
