"""How prompts are read by a model that knows few words; the words themselves are the built-in model's."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.catalog import ModelSpec
from generation.diffusion.loading.sources import BUILTIN_FOLDER, inspect_model
from generation.errors import ModelUnavailable
from generation.reading import FILE, Reading, Thing, Understood
from generation.spelling import fold, is_slip, slips

READING = Reading.load(BUILTIN_FOLDER / FILE)
NAMES = [thing.name for thing in READING.things]


def read(prompt: str) -> str:
    return READING.read(prompt).text


@pytest.mark.parametrize("name", NAMES)
def test_the_bare_name_of_a_thing_passes_unchanged(name: str) -> None:
    assert READING.read(name) == Understood(text=name, thing=name)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("red heart.", "red heart"),
        ("red heart!!!", "red heart"),
        ("RED HEART", "red heart"),
        ("an image of a red heart", "red heart"),
        ("Please draw me a red heart", "red heart"),
        ("heart --ar 16:9", "heart"),
        ("heart --v 6 --style raw", "heart"),
        ("(red heart:1.3), masterpiece <lora:shiny:0.8>", "red heart"),
        ("a heart that is blue", "blue heart"),
        ("heart in blue", "blue heart"),
        ("a golden star", "yellow star"),
        ("a very cute little panda, highly detailed, 4k", "panda"),
    ],
)
def test_what_people_write_around_a_thing_is_left_out(prompt: str, text: str) -> None:
    assert read(prompt) == text
    assert not READING.read(prompt).unknown


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("cats", "cat"),
        ("a kitten", "cat"),
        ("wolves", "wolf"),
        ("a grape", "grapes"),
        ("slices of pizza", "pizza"),
        ("icecream", "ice cream"),
        ("T shirts", "t-shirt"),
        ("an orange", "orange fruit"),
        ("an orange cat", "orange cat"),
        ("a glass of milk", "milk"),
        ("a face", "smiley"),
        ("the face of a cat", "cat"),
    ],
)
def test_other_names_plurals_and_compounds_mean_the_thing(prompt: str, text: str) -> None:
    assert read(prompt) == text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("❤️", "heart"),
        ("💚", "green heart"),
        ("🐱🐱🐱", "cat"),
        ("👍🏽🍏", "green apple"),
        ("<3", "heart"),
        (":pizza:", "pizza"),
    ],
)
def test_emoji_and_signs_mean_what_they_show(prompt: str, text: str) -> None:
    assert read(prompt) == text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("haert", "heart"),
        ("strawbery", "strawberry"),
        ("a bannana", "banana"),
        ("unicron", "unicorn"),
        ("a blue penguine", "blue penguin"),
        ("choclate", "chocolate"),
    ],
)
def test_a_slip_of_the_pen_means_the_nearest_thing(prompt: str, text: str) -> None:
    assert read(prompt) == text


@pytest.mark.parametrize("word", ["brain", "beard", "hearth", "boot", "stark", "horn", "cord", "lisa"])
def test_another_word_is_not_taken_for_a_slip(word: str) -> None:
    assert read(f"a {word}") == f"a {word}"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("ein rotes Herz auf blauem Hintergrund", "red heart on a blue background"),
        ("un chat noir", "black cat"),
        ("el corazón azul", "blue heart"),
        ("cœur rouge", "red heart"),
        ("die Katze", "cat"),
        ("赤い猫", "red cat"),
    ],
)
def test_other_languages_words_are_read(prompt: str, text: str) -> None:
    assert read(prompt) == text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a fox on a blue background", "fox on a blue background"),
        ("blue background, a red heart", "red heart on a blue background"),
        ("pizza on black", "pizza on a black background"),
        ("a star on an orange backdrop", "star on an orange background"),
        ("a cat on a white background", "cat"),
        ("a snowman on a red background with a blue hat", "snowman on a red background"),
        ("a house with a red roof", "house"),
        ("a green house with a red door", "green house"),
        ("a red heart, not blue", "red heart"),
        ("a heart, no red", "heart"),
        ("flat style green dinosaur", "flat green dinosaur"),
    ],
)
def test_a_colour_goes_to_what_it_stands_beside(prompt: str, text: str) -> None:
    assert read(prompt) == text


@given(
    st.sampled_from(NAMES),
    st.sampled_from(["", "red ", "purple ", "white "]),
    st.sampled_from(["", "flat ", "3d "]),
    st.sampled_from(["", " on a blue background", " on an orange background"]),
)
def test_what_was_read_reads_as_itself(name: str, colour: str, style: str, ground: str) -> None:
    text = read(f"{style}{colour}{name}{ground}")
    assert READING.read(text).text == text
    assert READING.read(text).thing == name


@given(st.text(max_size=80))
def test_any_text_can_be_read_and_read_again(prompt: str) -> None:
    understood = READING.read(prompt)
    assert READING.read(understood.text).text == understood.text


def test_of_two_things_the_first_is_drawn_and_the_other_named() -> None:
    assert READING.read("a cat and a dog") == Understood(text="cat", thing="cat", left_out=("dog",))
    assert READING.read("two cats").left_out == ("two",)
    assert READING.read("a bear beside a teddy bear").left_out == ("teddy bear",)


def test_words_that_are_not_known_are_named_as_written_with_the_nearest_things() -> None:
    understood = READING.read("a kitten in a Hearth")
    assert understood.text == "cat"
    assert understood.unknown == ("Hearth",)
    assert understood.nearest[:2] == ("heart", "earth")
    assert len(understood.nearest) == 3


def test_a_prompt_without_a_thing_is_left_alone() -> None:
    for prompt in ("the Mona Lisa", "a red drawing", "…!?"):
        assert READING.read(prompt).text == prompt
        assert READING.read(prompt).thing is None
    assert READING.read("a red  drawing").unknown == ("a red drawing",)
    assert READING.read("the Mona Lisa's cat, Mona").unknown == ("Mona", "Lisa")


def test_a_model_without_the_file_reads_prompts_as_they_are() -> None:
    spec = ModelSpec(name="world", source="x")
    assert spec.read("Two cats!") == Understood(text="Two cats!")


def test_a_very_long_prompt_is_read_in_no_time() -> None:
    began = time.perf_counter()
    READING.read("zwxq vhrtz elephamt " * 300)
    assert time.perf_counter() - began < 0.5


def test_a_folder_may_ship_the_file_and_a_broken_one_is_named(tmp_path: Path) -> None:
    for path in BUILTIN_FOLDER.iterdir():
        if path.is_dir() or path.name == "model_index.json":
            (tmp_path / path.name).symlink_to(path)
    assert inspect_model(str(tmp_path)).read("cats").text == "cats"
    (tmp_path / FILE).write_text(json.dumps({"things": [{"name": "cat"}]}), "utf-8")
    assert inspect_model(str(tmp_path)).read("Cats!").text == "cat"
    for broken in ("[]", "{", '{"things": [{"nom": "cat"}]}', '{"things": [], "words": {"verb": ["go"]}}'):
        (tmp_path / FILE).write_text(broken, "utf-8")
        with pytest.raises(ModelUnavailable, match="broken_config"):
            inspect_model(str(tmp_path))


def test_a_thing_has_another_name_beside_a_colour_where_the_file_says_so() -> None:
    small = Reading([Thing(name="orange fruit", coloured="fruit")], colours={"red": ()})
    assert small.read("red orange fruit").text == "red fruit"
    assert small.read("orange fruit").text == "orange fruit"


def test_slips_are_counted_as_single_letters() -> None:
    assert [slips("cat", "cat"), slips("cat", "act"), slips("cat", "cart"), slips("cat", "cut")] == [0, 1, 1, 1]
    assert is_slip("elephnat", "elephant")
    assert not is_slip("train", "brain")
    assert fold("LÖWE") == "lowe"
