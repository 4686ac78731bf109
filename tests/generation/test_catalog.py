"""Aspects, sizes and defaults of the models on offer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest, ModelUnavailable
from generation.request import SchedulerName

SD = ModelSpec(name="Dreamlike", source="somebody/dreamlike", native_size=512, min_size=256, max_size=1024)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("1:1", (512, 512)), ("3:2", (640, 448)), ("2:3", (448, 640)), ("16:9", (704, 384)), ("1 : 1", (512, 512))],
)
def test_an_aspect_keeps_the_native_number_of_pixels(aspect: str, size: tuple[int, int]) -> None:
    assert SD.size_of(aspect) == size


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


SMALL = ModelSpec(
    name="small", source="x", examples=("a panda",), vocabulary=("red heart", "heart", "cat", "ice cream")
)


@pytest.mark.parametrize(
    "prompt", ["a cat", "CATS!", "two red hearts", "ice creams", "a photo of an ice cream, please"]
)
def test_a_small_model_recognises_its_words_in_a_prompt(prompt: str) -> None:
    assert SMALL.recognises(prompt)


@pytest.mark.parametrize("prompt", ["a category", "ice", "cream on ice", "the Mona Lisa", "😀", "kočka"])
def test_a_small_model_recognises_nothing_else(prompt: str) -> None:
    assert not SMALL.recognises(prompt)


def test_models_that_know_the_world_recognise_everything() -> None:
    assert SD.recognises("the Mona Lisa")


def test_two_models_of_one_name_cannot_be_told_apart() -> None:
    with pytest.raises(ModelUnavailable, match="same_name"):
        ModelCatalog([SD, ModelSpec(name="dreamlike", source="somewhere/else")])
