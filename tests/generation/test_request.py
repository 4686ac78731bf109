"""A constructed request is valid, and a refused one says which field it was and what it may be."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.errors import InvalidRequest
from generation.operator_words import demand
from generation.request import WORD_FOR_WORD, GenerationRequest, SchedulerName, clean_text, fewest_steps

VALID: dict[str, Any] = {
    "prompt": "a red heart",
    "model": "builtin",
    "width": 64,
    "height": 64,
    "steps": 20,
    "guidance_scale": 4.0,
    "scheduler": SchedulerName.DDIM,
    "seed": 1,
}


@pytest.mark.parametrize(
    ("field", "value", "named", "limits"),
    [
        ("prompt", "   ", "prompt", "something to see"),
        ("prompt", "\u200b\u202e\n", "prompt", "something to see"),
        ("prompt", "x" * 6001, "prompt", "6000 characters"),
        ("negative_prompt", "x" * 6001, "negative_prompt", "6000 characters"),
        ("width", 63, "width", "multiple of 8"),
        ("width", 0, "width", "from 8 to 4096"),
        ("height", 4104, "height", "from 8 to 4096"),
        ("steps", 0, "steps", "from 1 to 150"),
        ("steps", 151, "steps", "from 1 to 150"),
        ("guidance_scale", -0.1, "guidance", "from 0 to 30"),
        ("guidance_scale", 30.5, "guidance", "from 0 to 30"),
        ("guidance_scale", float("nan"), "guidance", "from 0 to 30"),
        ("seed", -1, "seed", "from 0 to 4294967295"),
        ("seed", 2**32, "seed", "from 0 to 4294967295"),
        ("count", 0, "count", "from 1 to 4"),
        ("count", 5, "count", "from 1 to 4"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any, named: str, limits: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        GenerationRequest(**VALID | {field: value})
    assert refusal.value.field == named
    assert limits in demand(refusal.value)


def test_text_is_cleaned_of_what_nobody_types() -> None:
    assert clean_text("a\x00 red\x1b[31m\u202eheart\n\ttwo") == "a red[31mheart\n\ttwo"
    family = "👩\u200d👩\u200d👧 ❤️"
    assert clean_text(family) == family


@pytest.mark.parametrize(
    "text",
    ["\u3164", "\u2800", "\ufe0f", "\u115f\u1160", "\uffa0", "\u034f", "\u180b", "\U000e0100", "\U000e0041 \u2800\n"],
    ids=ascii,
)
def test_what_no_font_draws_is_nothing_to_see(text: str) -> None:
    with pytest.raises(InvalidRequest, match="visible"):
        GenerationRequest(**VALID | {"prompt": text})


@pytest.mark.parametrize("text", ["❤\ufe0f", "\u3164x", "가", "⠁", "\U0001fae9"], ids=ascii)
def test_letters_and_emoji_beside_it_are_something_to_see(text: str) -> None:
    assert GenerationRequest(**VALID | {"prompt": text}).prompt == text


def test_lcm_takes_no_more_steps_than_it_was_distilled_at() -> None:
    with pytest.raises(InvalidRequest, match=r"most=50 holds_for=.*LCM"):
        GenerationRequest(**VALID | {"scheduler": SchedulerName.LCM, "steps": 51})


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
def test_seeds_count_up_and_wrap_around(seed: int, count: int) -> None:
    seeds = GenerationRequest(**VALID | {"seed": seed, "count": count}).seeds
    assert seeds == tuple((seed + index) % 2**32 for index in range(count))


def test_a_request_is_frozen() -> None:
    request = GenerationRequest(**VALID)
    with pytest.raises(FrozenInstanceError):
        request.seed = 2  # type: ignore[misc]
    assert replace(request, seed=2).seed == 2


SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("steps", "strength", "made"),
    [(50, 0.58, 28), (100, 0.29, 28), (20, 0.6, 12), (4, 1.0, 4), (2, 0.6, 1), (150, 0.02, 3)],
)
def test_strength_is_rounded_as_diffusers_rounds_it(steps: int, strength: float, made: int) -> None:
    request = GenerationRequest(**VALID | {"steps": steps, "source": SHA, "strength": strength})
    assert request.drawn_steps == made


def test_without_a_picture_all_steps_are_made() -> None:
    assert GenerationRequest(**VALID).drawn_steps == 20


def test_a_second_pass_enlarges_the_picture_and_makes_as_many_of_its_steps_as_its_strength_says() -> None:
    request = GenerationRequest(**VALID | {"width": 72, "hires": 1.5, "hires_strength": 0.35, "count": 2})
    assert request.size == (112, 96), "multiples of eight"
    first, second = request.passes
    assert (first.width, first.height, first.drawn_steps) == (72, 64, 20)
    assert (second.width, second.height, second.drawn_steps) == (112, 96, 7)
    assert request.drawn_steps == 27


def test_each_tile_takes_all_steps() -> None:
    wishes = {"width": 256, "height": 160, "source": SHA, "strength": 0.35, "tile": 64}
    request = GenerationRequest(**VALID | wishes)
    (only,) = request.passes
    assert (only.width, only.height, only.tiles, only.drawn_steps) == (64, 64, 15, 7)
    assert (request.size, request.drawn_steps) == ((256, 160), 15 * 7)


def test_a_record_of_the_days_before_passes_and_tiles_says_that_there_is_one_pass() -> None:
    request = GenerationRequest.stored(VALID)
    assert request == GenerationRequest(**VALID, syntax=WORD_FOR_WORD)
    assert (request.size, len(request.passes), request.drawn_steps) == ((64, 64), 1, 20)


@pytest.mark.parametrize(
    ("wishes", "field", "said"),
    [
        ({"hires": 1.0, "hires_strength": 0.3}, "hires", "must be from 1.01 to 4"),
        ({"hires": 4.1, "hires_strength": 0.3}, "hires", "must be from 1.01 to 4"),
        ({"hires": float("nan"), "hires_strength": 0.3}, "hires", "must be from 1.01 to 4"),
        ({"hires": 2.5, "hires_strength": 0.3, "width": 2048}, "hires", "must be from 1.01 to 2"),
        ({"hires": 2.0}, "hires_strength", "must be from 0.02 to 1"),
        ({"hires_strength": 0.3}, "hires_strength", "goes only together with hires"),
        ({"hires": 2.0, "hires_strength": 0.3, "steps": 3}, "steps", "must be from 4 to 150 for hires_strength 0.3"),
        ({"tile": 64}, "tiles", "goes only together with image"),
        ({"tile": 64, "source": SHA, "strength": 0.5, "mask": SHA}, "tiles", "does not go together with mask"),
        (
            {"tile": 64, "source": SHA, "strength": 0.5, "hires": 2.0, "hires_strength": 0.5},
            "tiles",
            "does not go together with hires",
        ),
    ],
)
def test_a_second_pass_and_tiles_are_refused_by_name(wishes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        GenerationRequest(**VALID | wishes)
    assert (refusal.value.field, demand(refusal.value)) == (field, said)


@pytest.mark.parametrize(
    ("wishes", "field", "said"),
    [
        ({"mask": SHA}, "mask", "goes only together with image"),
        ({"strength": 0.5}, "strength", "goes only together with image"),
        ({"source": SHA}, "strength", "must be from 0.02 to 1"),
        ({"source": SHA, "strength": 0.0}, "strength", "must be from 0.02 to 1"),
        ({"source": SHA, "strength": 1.1}, "strength", "must be from 0.02 to 1"),
        ({"source": SHA, "strength": float("nan")}, "strength", "must be from 0.02 to 1"),
        ({"source": "no hash", "strength": 0.5}, "image", "must be one of sha256"),
        ({"source": SHA.upper(), "strength": 0.5}, "image", "must be one of sha256"),
        ({"source": SHA, "mask": "../etc", "strength": 0.5}, "mask", "must be one of sha256"),
        ({"source": SHA, "strength": 0.6, "steps": 1}, "steps", "must be from 2 to 150 for strength 0.6"),
    ],
)
def test_pictures_masks_and_strength_go_together(wishes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        GenerationRequest(**VALID | wishes)
    assert (refusal.value.field, demand(refusal.value)) == (field, said)


@given(st.floats(0.02, 1))
def test_the_fewest_steps_leave_one(strength: float) -> None:
    steps = fewest_steps(strength)
    assert GenerationRequest(**VALID | {"steps": steps, "source": SHA, "strength": strength}).drawn_steps >= 1
    assert steps <= 50, "as many as LCM has"
    assert int((steps - 1) * strength) == 0
