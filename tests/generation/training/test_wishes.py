"""What is measured of a model beyond whether it draws the right thing."""

import numpy as np
import pytest

from generation.diffusion.loading.sources import inspect_model
from generation.training.concepts import CONCEPTS
from generation.training.paraphrases import read_paraphrases
from generation.training.pictures import colour_share, edge_map, edges_apart, ink, ink_overlap, pixels_apart, seam
from generation.training.wishes import measured_concepts, nearest_style


def square(left: int, colour: tuple[int, int, int] = (230, 20, 30), ground: int = 255) -> np.ndarray:
    picture = np.full((64, 64, 3), ground, dtype=np.uint8)
    picture[16:48, left : left + 24] = colour
    return picture


def test_pictures_that_are_the_same_are_not_apart():
    assert pixels_apart([square(8), square(8)]) == 0
    assert edges_apart([square(8), square(8)]) == 0


def test_a_black_and_a_white_picture_are_one_apart_without_an_edge():
    white, black = np.full((64, 64, 3), 255, dtype=np.uint8), np.zeros((64, 64, 3), dtype=np.uint8)
    assert pixels_apart([white, black]) == pytest.approx(1)
    assert edges_apart([white, black]) == 0
    assert pixels_apart([white, black, white]) == pytest.approx(2 / 3)


def test_a_map_of_edges_shows_where_brightness_changes():
    strength = edge_map(square(16))
    assert strength.shape == (16, 16)
    assert strength[8, 4] > 0.05
    assert strength[8, 7] == 0


def test_ink_is_what_is_unlike_the_ground():
    assert ink(square(8)).sum() == 32 * 24
    assert ink(square(8, ground=20)).sum() == 32 * 24
    assert ink_overlap(square(8), square(8, colour=(0, 0, 255))) == 1
    assert ink_overlap(square(8), square(20)) == pytest.approx(12 / 36)


def test_the_share_of_a_colour_is_of_what_is_drawn():
    half = square(8)
    half[16:48, 8:20] = (30, 60, 230)
    assert colour_share(square(8), "red") == 1
    assert colour_share(half, "blue") == pytest.approx(0.5, abs=0.05)


def test_a_seam_is_an_edge_along_the_middle():
    drawn = np.full((64, 64, 3), 255, dtype=np.uint8)
    drawn[8:56, 8:56] = (200, 60, 60)
    assert seam(drawn) < 0.1
    drawn[8:56, 8:32] = (60, 60, 200)
    assert seam(drawn) > 1.5


def test_400_paraphrases_ask_for_60_things_and_half_are_kept_for_measuring():
    paraphrases = read_paraphrases()
    assert len({one.text for one in paraphrases}) == 400
    assert sum(one.seen for one in paraphrases) == 200
    assert len(measured_concepts(paraphrases)) == 60
    assert {one.name for one in paraphrases} <= {concept.name for concept in CONCEPTS}
    assert sum(one.colour is not None for one in paraphrases) > 60


def test_the_builtin_model_reads_the_paraphrases_that_its_reading_was_made_with():
    spec = inspect_model("builtin")
    for one in read_paraphrases():
        if one.seen:
            assert spec.read(one.text).thing == one.name, one.text
            assert one.colour is None or one.colour in spec.read(one.text).text.split(), one.text


def test_the_builtin_model_reads_the_paraphrases_it_was_never_tried_with():
    spec = inspect_model("builtin")
    new = [one for one in read_paraphrases() if not one.seen]
    assert sum(spec.read(one.text).thing == one.name for one in new) >= 0.95 * len(new)


def test_the_style_of_a_picture_is_that_of_the_nearest_drawing():
    fox = next(concept for concept in CONCEPTS if concept.name == "fox")
    red, blue = (
        np.dstack([square(20, colour), ink(square(20)) * np.uint8(255)]) for colour in ((230, 20, 30), (30, 60, 230))
    )
    drawings = {"3d": red, "cartoon": blue}
    assert nearest_style(square(20), drawings, fox) == "3d"
    assert nearest_style(square(20, colour=(40, 60, 200)), drawings, fox) == "cartoon"
