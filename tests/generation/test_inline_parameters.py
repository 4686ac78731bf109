"""Parameters inside a prompt, as Midjourney's users type them, over sense and nonsense."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest
from generation.inline_parameters import NAMES, applied, nearest, read
from generation.loras import LoraFile, LoraOffer, LoraUse
from generation.prompt_hints import prompt_hint
from generation.request import WORD_FOR_WORD, GenerationRequest

SHINY = LoraFile(name="Shiny", path="/x", sha256="0" * 64, rank=4, size=1, modified=1, triggers=("glitter", "gloss"))
MODEL = ModelSpec(name="tiny", source="x", native_size=64, size_multiple=8, min_size=32, max_size=128)
CATALOG = ModelCatalog([MODEL, ModelSpec(name="shop", source="y", loras=LoraOffer(files=(SHINY,)))])
TYPED = "-- —ar --ar 16:9 --no --steps x , <lora: a:1> --lora : --seed= --scheduler Euler a --cfg nan --tile --stlye -1"
MORE = "( {a|b} --model --count é — [x] 99999999999999999999999999999999"
PIECES = [*TYPED.split(), *MORE.split(), "\n"]
NONSENSE = st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join)


@pytest.mark.parametrize(
    ("typed", "prompt", "values"),
    [
        ("a cat --ar 16:9", "a cat", {"aspect": "16:9"}),
        ("a cat —ar 3:2 on a mat", "a cat on a mat", {"aspect": "3:2"}),
        ("a cat –steps 9", "a cat", {"steps": 9}),
        ("a cat --no x, y --seed 5", "a cat", {"negative_prompt": "x, y", "seed": 5}),
        ("a cat --no x --no y,", "a cat", {"negative_prompt": "x, y"}),
        ("--steps=30, --cfg 7,5; a cat", "a cat", {"steps": 30, "guidance": 7.5}),
        ("a cat --repeat 2 --count 3", "a cat", {"count": 3}),
        ("a cat --scheduler dpm++ 2m karras by night", "a cat by night", {"scheduler": "DPM++ 2M Karras"}),
        ("a cat --sampler Euler a --model shop", "a cat", {"scheduler": "Euler a", "model": "shop"}),
        ("a cat --strength .4", "a cat", {"strength": 0.4}),
        ("a cat --seed -1", "a cat", {}),
        ("a <lora:shiny:0.8> cat", "a cat", {"loras": (LoraUse(name="shiny", weight=0.8),)}),
        ("a cat --lora b:9, c", "a cat", {"loras": (LoraUse(name="b", weight=2.0), LoraUse(name="c"))}),
    ],
)
def test_a_parameter_is_taken_out_and_other_words_stay(typed: str, prompt: str, values: dict[str, Any]) -> None:
    inline = read(typed)
    assert (inline.prompt, dict(inline.values), inline.ignored) == (prompt, values, ())


@pytest.mark.parametrize(
    "prompt",
    ["a cat", "a cat—asleep", "a cat — asleep", "well-known -- x --", "a--b", r"\<lora:x:1>", "  a\n cat ", "--9"],
)
def test_what_is_no_parameter_stays_as_it_is(prompt: str) -> None:
    inline = read(prompt)
    assert (inline.prompt, dict(inline.values), inline.ignored) == (prompt, {}, ())


@pytest.mark.parametrize(
    ("typed", "prompt", "ignored", "near"),
    [
        ("a cat --stepps 30", "a cat", "--stepps 30", "--steps"),
        ("a cat --sead 30 by night", "a cat by night", "--sead 30", "--seed"),
        ("a cat --modle by night", "a cat by night", "--modle", "--model"),
        ("a cat --v 6", "a cat", "--v 6", None),
        ("a cat --steps many", "a cat", "--steps many", None),
        ("a cat --ar wide", "a cat", "--ar wide", None),
        ("a cat --seed", "a cat", "--seed", None),
        ("a cat --tile", "a cat", "--tile", None),
        ("a cat --scheduler magic by night", "a cat by night", "--scheduler magic", None),
        ("a cat <lora:x:y>", "a cat", "--lora x:y", None),
    ],
)
def test_what_makes_no_sense_is_left_out_and_named(typed: str, prompt: str, ignored: str, near: str | None) -> None:
    inline = read(typed)
    assert (inline.prompt, dict(inline.values), inline.ignored) == (prompt, {}, (ignored,))
    assert nearest(ignored) == near


@given(NONSENSE)
def test_no_text_raises_anything(typed: str) -> None:
    inline = read(typed)
    assert set(inline.values) <= set(NAMES.values())
    assert set(inline.written) == set(inline.values)
    for ignored in inline.ignored:
        nearest(ignored)


@given(NONSENSE)
def test_what_is_asked_for_is_drawn_or_refused_by_name(typed: str) -> None:
    refused: InvalidRequest | None = None
    try:
        request = CATALOG.request(applied(DrawingOptions(prompt=typed), CATALOG))
        prompt_hint(CATALOG.get(request.model), request, shown=str)
    except InvalidRequest as refusal:
        refused = refusal
    assert refused is None or refused.field in {*NAMES, "prompt", "image", "number_of_loras"}


def test_an_option_in_its_own_field_wins() -> None:
    chosen = applied(DrawingOptions(prompt="a cat --steps 5 --seed 6 --ar 2:1", steps=7), CATALOG)
    assert (chosen.steps, chosen.seed, chosen.aspect) == (7, 6, "2:1")
    assert chosen.understood == ("--seed 6", "--ar 2:1")


def test_no_joins_the_negative_prompt() -> None:
    assert applied(DrawingOptions(prompt="a --no b", negative_prompt="c"), CATALOG).negative_prompt == "c, b"


def test_an_aspect_goes_before_the_size_that_was() -> None:
    before = DrawingOptions(prompt="a cat --ar 2:1", width=64, height=64, steps=9)
    chosen = applied(before, CATALOG, own=())
    assert (chosen.width, chosen.height, chosen.aspect) == (None, None, "2:1")


def hint_of(typed: str, **chosen: Any) -> str | None:
    request = CATALOG.request(applied(DrawingOptions(prompt=typed, **chosen), CATALOG))
    return prompt_hint(CATALOG.get(request.model), request, shown=str)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("a cat", None),
        ("a cat --steps 5 --no x", "Understood: --steps 5 --no x."),
        ("a cat --stepps 5", "I do not know --stepps 5; nearest is --steps."),
        ("a cat --zzzz", "I make nothing of --zzzz."),
        ("a cat --seed x", "I make nothing of --seed x."),
        ("a cat <lora:none:1>", "There is no LoRA none for the model tiny."),
        ("a (cat:9)", "A weight is at least 0 and at most 2, not 9."),
        ("a __cat__", "There is no list cat."),
        ("a cat --model shop --lora shin:.5", "The LoRA Shiny listens to: glitter, gloss."),
        ("a Glossy cat --model shop --lora shiny", "Understood: --model shop --lora Shiny:1."),
    ],
)
def test_what_was_understood_and_what_not_is_said_in_words(typed: str, said: str | None) -> None:
    hint = hint_of(typed)
    assert hint == said if said is None else said in (hint or "")
    assert ("listens" in (hint or "")) == ("listens" in (said or ""))


def test_a_prompt_of_earlier_days_is_told_nothing_about_its_brackets() -> None:
    request = CATALOG.request(DrawingOptions(prompt="a (cat:9) __x__", syntax=WORD_FOR_WORD))
    assert isinstance(request, GenerationRequest)
    assert prompt_hint(MODEL, request, shown=str) is None
