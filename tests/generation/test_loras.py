"""LoRAs as people name them, and what a model has on offer for these names."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest, LoraRefused
from generation.loras import LoraFile, LoraOffer, LoraUse, parse_lora, parse_loras
from generation.operator_words import operator_words
from generation.request import GenerationRequest


def file(name: str, **settings: Any) -> LoraFile:
    values = {"path": f"{name}.safetensors", "sha256": name[:1] * 64, "rank": 16, "size": 1, "modified": 1}
    return LoraFile(name=name, **values | settings)


BROKEN = LoraRefused("crayon", "dora")
OFFER = LoraOffer(files=(file("chalk"), file("chalkboard"), file("Pen"), file("ink", rank=250)), refused=(BROKEN,))
SD = ModelSpec(name="SD", source="sd", loras=OFFER)


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("chalk", [("chalk", 1.0)]),
        ("chalk:0.8", [("chalk", 0.8)]),
        (" chalk : -0.5 , pen and ink:2,", [("chalk", -0.5), ("pen and ink", 2.0)]),
        ("a:b:1", [("a:b", 1.0)]),
        ("", []),
    ],
)
def test_names_and_weights_are_read(text: str, uses: list[tuple[str, float]]) -> None:
    assert [(use.name, use.weight) for use in parse_loras(text)] == uses


@pytest.mark.parametrize(
    ("text", "field"), [("chalk:much", "lora_weight"), (":0.5", "lora"), ("chalk:", "lora_weight")]
)
def test_what_is_no_weight_or_no_name_is_refused_by_name(text: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_lora(text)
    assert refusal.value.field == field
    assert operator_words(refusal.value)


def asked(text: str) -> GenerationRequest:
    return SD.request(DrawingOptions(prompt="a heart", loras=parse_loras(text)))


def test_a_request_holds_the_files_own_names_and_hashes() -> None:
    assert asked("PEN:0.5, chalk").loras == (
        LoraUse(name="Pen", weight=0.5, sha256="P" * 64),
        LoraUse(name="chalk", weight=1.0, sha256="c" * 64),
    )


def test_the_same_lora_twice_is_one_with_both_weights() -> None:
    assert [use.weight for use in asked("pen:0.5, Pen:0.25").loras] == [0.75]


@pytest.mark.parametrize(
    ("text", "field"),
    [("pen:2.1", "lora_weight"), ("pen:nan", "lora_weight"), ("pen:1.5,pen:1.5", "lora_weight")],
)
def test_a_weight_is_from_minus_two_to_two(text: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        asked(text)
    assert (refusal.value.field, refusal.value.least, refusal.value.most) == (field, -2, 2)


def test_there_are_at_most_five() -> None:
    request = asked("pen")
    six = tuple(LoraUse(name=str(number)) for number in range(6))
    with pytest.raises(InvalidRequest) as refusal:
        replace(request, loras=six)
    assert (refusal.value.field, refusal.value.given, refusal.value.most) == ("number_of_loras", 6, 5)
    with pytest.raises(InvalidRequest):
        replace(request, loras=(LoraUse(name="pen"), LoraUse(name="pen")))


@pytest.mark.parametrize(
    ("name", "reason", "nearest"),
    [
        ("chlk", "not_on_offer", ("chalk",)),
        ("chal", "not_on_offer", ("chalk", "chalkboard")),
        ("crayon", "dora", ()),
        ("", "not_on_offer", ()),
    ],
)
def test_what_is_not_on_offer_is_refused_with_the_reason(name: str, reason: str, nearest: tuple[str, ...]) -> None:
    with pytest.raises(LoraRefused) as refusal:
        OFFER.get(name)
    assert (refusal.value.reason, refusal.value.nearest) == (reason, nearest)


def test_a_beginning_that_only_one_name_has_is_enough() -> None:
    assert OFFER.get("chalkb").name == "chalkboard"
    assert OFFER.get("chalk").name == "chalk"
    for one in OFFER.files:
        assert OFFER.get(OFFER.shortest(one.name)) == one
    assert [OFFER.shortest(one.name) for one in OFFER.files] == ["chalk", "chalkb", "P", "i"]


def test_more_ranks_than_columns_are_refused_with_the_number() -> None:
    with pytest.raises(LoraRefused) as refusal:
        asked("ink, pen")
    assert (refusal.value.reason, refusal.value.given, refusal.value.most) == ("ranks", 266, 256)
    assert "266" in operator_words(refusal.value)


def test_a_rerun_of_a_file_that_was_replaced_or_removed_says_so() -> None:
    first = asked("pen:0.5")
    again = DrawingOptions.of(first, seed=2)
    assert SD.request(again).loras == first.loras
    replaced = replace(SD, loras=LoraOffer(files=(file("Pen", sha256="f" * 64),)))
    for spec, reason in ((replaced, "replaced"), (replace(SD, loras=LoraOffer()), "not_on_offer")):
        with pytest.raises(LoraRefused) as refusal:
            spec.request(again)
        assert (refusal.value.name, refusal.value.reason) == ("Pen", reason)
        with pytest.raises(LoraRefused):
            ModelCatalog([spec]).require(first)
    ModelCatalog([SD]).require(first)


def test_a_stored_request_is_read_with_its_loras_and_one_of_before_has_none() -> None:
    request = asked("pen:0.5, chalk:-1")
    values = {name: getattr(request, name) for name in GenerationRequest.__slots__}
    plain = values | {"loras": [asdict(use) | {"of_a_later_version": 1} for use in request.loras]}
    assert GenerationRequest.stored(plain) == request
    assert GenerationRequest.stored({name: value for name, value in values.items() if name != "loras"}).loras == ()
