import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from generation.training.artwork import Collection
from generation.training.captions import Subject, Wording, caption, choose_wording, without_colour
from generation.training.concepts import CONCEPTS
from generation.training.poses import Pose, posed, poses_of
from generation.training.recolouring import (
    COLOURS,
    HELD_OUT_PAIRS,
    HUES,
    dominant_colour,
    name_of,
    recolour,
    to_hsv,
    to_rgb,
)
from generation.training.training_set import Alike, Recoloured, Row, TrainingSet, from_artwork

BANANA = Subject(label="banana", names=("banana", "ripe banana"), colour="yellow")


def many(subject: Subject, count: int = 400, **says: bool) -> list[str]:
    rng = random.Random(0)
    wording = Wording(**{"style": False, "colour": False, **says})
    return [caption(subject, rng, wording) for _ in range(count)]


def test_a_caption_names_the_thing_mostly_by_its_bare_word():
    texts = many(BANANA)
    assert all("banana" in text for text in texts)
    assert texts.count("banana") > 200
    assert len(set(texts)) > 20


def test_a_recoloured_thing_is_never_named_without_its_colour():
    purple = Subject(label="banana", names=("yellow banana", "banana"), colour="purple", recoloured=True)
    rng = random.Random(0)
    assert all(choose_wording(purple, rng).colour for _ in range(50))
    assert all("purple" in text for text in many(purple, colour=True))
    assert not any("yellow" in text for text in many(purple, colour=True))


def test_a_background_is_always_said():
    backed = Subject(label="banana", names=("banana",), background="orange")
    assert all("on an orange background" in text for text in many(backed))


def test_a_style_is_said_where_the_wording_wants_it():
    assert all("3d" in text for text in many(BANANA, style=True))
    assert not any("3d" in text for text in many(BANANA))


def test_a_name_without_its_colour_keeps_a_word():
    assert without_colour("red apple") == "apple"
    assert without_colour("orange") == "orange"


def test_concepts_are_many_and_named_once():
    assert len(CONCEPTS) >= 100
    labels = [concept.label for concept in CONCEPTS]
    names = [concept.name for concept in CONCEPTS]
    assert len(set(labels)) == len(labels)
    assert len(set(names)) == len(names)
    assert {label for label, _ in HELD_OUT_PAIRS} <= set(labels)


def test_colours_survive_the_way_to_hsv_and_back():
    colours = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    assert np.allclose(to_rgb(*to_hsv(colours)), colours, atol=1e-5)


@pytest.mark.parametrize("colour", HUES)
def test_a_recoloured_disc_has_the_colour(colour: str):
    rgb = np.zeros((16, 16, 3), dtype=np.float32) + np.array([0.9, 0.15, 0.2], dtype=np.float32)
    alpha = np.ones((16, 16), dtype=np.float32)
    red = dominant_colour(rgb, alpha)
    assert red is not None
    assert red.name == "red"
    turned = dominant_colour(recolour(rgb, red, colour), alpha)
    assert turned is not None
    assert turned.hue is not None
    assert name_of(turned.hue) == colour


def test_recolouring_leaves_the_other_colours_alone():
    rgb = np.zeros((10, 10, 3), dtype=np.float32) + np.array([0.9, 0.1, 0.1], dtype=np.float32)
    rgb[:2] = [0.1, 0.7, 0.1]
    dominant = dominant_colour(rgb, np.ones((10, 10), dtype=np.float32))
    assert dominant is not None
    assert np.allclose(recolour(rgb, dominant, "blue")[:2], rgb[:2], atol=1e-5)


def test_a_picture_of_many_colours_has_no_dominant_one():
    rgb = np.zeros((12, 12, 3), dtype=np.float32)
    for index, colour in enumerate([(0.9, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.9)]):
        rgb[index * 4 : index * 4 + 4] = colour
    assert dominant_colour(rgb, np.ones((12, 12), dtype=np.float32)) is None


@pytest.fixture(scope="module")
def data(collection: Collection) -> TrainingSet:
    return from_artwork(collection, seed=0)


def test_held_out_pairs_never_occur_in_a_training_set(data: TrainingSet):
    shown = {(row.subject.label, row.subject.colour) for row in data.rows if row.subject}
    assert not shown & HELD_OUT_PAIRS
    rng = random.Random(0)
    name_of_label = {concept.label: concept.names for concept in CONCEPTS}
    forbidden = [rf"\b{colour} {name}\b" for label, colour in HELD_OUT_PAIRS for name in name_of_label[label]]
    captions = [row.caption(rng) for row in data.rows for _ in range(3)]
    assert not [text for text in captions for words in forbidden if re.search(words, text)]


def test_a_training_set_has_the_drawn_styles_only_and_every_concept(data: TrainingSet):
    assert {row.subject.style for row in data.rows if row.subject} == {"3d", "flat"}
    plain = {row.subject.label for row in data.rows if row.subject and not row.subject.recoloured}
    # A held-out pair may be an artist's own colour; here the discs are of four colours, so some are left out.
    assert len(plain) >= len(CONCEPTS) - len(HELD_OUT_PAIRS)
    weights = data.weights
    assert weights.sum() == pytest.approx(1)
    recoloured = sum(w for w, row in zip(weights, data.rows, strict=True) if row.subject and row.subject.recoloured)
    assert 0.25 < recoloured < 0.4
    assert {row.subject.colour for row in data.rows if row.subject and row.subject.recoloured} == set(COLOURS)


def test_a_training_set_comes_back_from_disk(data: TrainingSet, tmp_path: Path):
    data.save(tmp_path)
    again = TrainingSet.load(tmp_path)
    assert again.rows == data.rows
    assert (again.pictures == data.pictures).all()


def test_a_users_caption_is_one_of_its_lines():
    row = Row(weight=1, text="a disc\na round thing")
    assert {row.caption(random.Random(seed)) for seed in range(9)} == {"a disc", "a round thing"}


def test_a_posed_drawing_is_mirrored_moved_and_made_smaller():
    rgb = np.zeros((32, 32, 3), dtype=np.float32) + np.array([1, 0, 0], dtype=np.float32)
    alpha = np.zeros((32, 32), dtype=np.float32)
    alpha[8:24, 2:10] = 1  # on the left
    _, mirrored = posed(rgb, alpha, Pose(mirrored=True))
    assert np.allclose(mirrored, alpha[:, ::-1], atol=1e-5)
    _, moved = posed(rgb, alpha, Pose(across=0.25, down=-0.125))
    assert np.allclose(moved, np.roll(alpha, (-4, 8), (0, 1)), atol=1e-5)
    colours, small = posed(rgb, alpha, Pose(scale=0.5))
    assert small.sum() == pytest.approx(alpha.sum() / 4, rel=0.1)
    assert np.allclose(colours[small > 0.1], [1, 0, 0], atol=0.02)
    _, turned = posed(rgb, alpha, Pose(turn=90))
    assert turned[20:31, 8:24].sum() > 0.9 * turned.sum()


def test_every_thing_has_a_few_poses_that_stay():
    assert poses_of("fox", "3d")[0] == Pose()
    assert poses_of("fox", "3d") == poses_of("fox", "3d")
    assert poses_of("fox", "flat") == poses_of("fox", "3d")[1:]
    assert len({poses_of(label, style)[-1] for label in ("fox", "cat") for style in ("3d", "cartoon", "retro")}) == 6


def test_the_same_drawing_in_another_colour_has_the_same_pose(data: TrainingSet):
    recoloured, generator = Recoloured(data.rows), torch.Generator().manual_seed(0)
    rows = [at for at, row in enumerate(data.rows) if row.subject and row.subject.recoloured]
    pairs = [(at, other) for at in rows[::97] if (other := recoloured.other(at, generator)) != at]
    assert pairs
    for at, other in pairs:
        one, two = data.rows[at].subject, data.rows[other].subject
        assert one
        assert two
        assert one.colour != two.colour
        assert (one.label, one.style, one.background) == (two.label, two.style, two.background)
        if one.background is None and "white" not in (one.colour, two.colour):
            inks = [data.pictures[row].min(-1) < 250 for row in (at, other)]
            assert (inks[0] & inks[1]).sum() > 0.9 * max(ink.sum() for ink in inks)


def test_a_picture_of_which_no_colour_is_known_has_no_other():
    rows = (Row(weight=1, text="a red heart"), Row(weight=1, text="a blue heart"))
    assert Recoloured(rows).other(0, torch.Generator().manual_seed(0)) == 0


def test_pictures_that_a_caption_fits_alike_differ_in_what_it_leaves_out(data: TrainingSet):
    alike, generator = Alike(data.rows), torch.Generator().manual_seed(0)
    index = next(at for at, row in enumerate(data.rows) if row.subject and row.subject.style == "flat")
    subject = data.rows[index].subject
    assert subject is not None

    def chosen(**says: bool) -> list[Subject]:
        found = alike.choose(index, Wording(**{"style": False, "colour": False, **says}), 8, generator).tolist()
        return [found for at in found if (found := data.rows[at].subject)]

    assert {one.style for one in chosen()} == {"3d", "flat"}
    assert {one.style for one in chosen(style=True)} == {"flat"}
    assert {(one.label, one.background) for one in chosen()} == {(subject.label, subject.background)}
    assert not any(one.recoloured for one in chosen())
    assert alike.choose(index, None, 3, generator).tolist() == [index] * 3
