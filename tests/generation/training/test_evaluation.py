from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.reading import Reading, Thing
from generation.training.artwork import Collection
from generation.training.concepts import CONCEPTS
from generation.training.evaluation import (
    Measurement,
    load_measurements,
    of_style,
    on_white,
    pairs_of,
    save_measurements,
    score,
    share_right,
    vae_quality,
)
from generation.training.judge import JudgeRun, colour_of, grayed, guesses
from generation.training.learner import LearnerSettings
from generation.training.model_card import model_card, notice
from generation.training.networks import NetworkSizes, make_scheduler, make_vae
from generation.training.pace import Budget
from generation.training.packages import PACKAGES, Role
from generation.training.painter import EvaluationSettings, Painter
from generation.training.recolouring import HELD_OUT_PAIRS, HUES
from generation.training.sample_grid import GRID_PROMPTS, grid


def test_a_score_counts_first_and_five():
    answers = torch.tensor([[0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [5, 6, 7, 8, 9], [3, 1, 2, 0, 9]])
    result = score(answers, [0, 0, 0, 3])
    assert (result.top1, result.top5, result.n) == (0.5, 0.75, 4)


def test_the_share_of_right_answers_counts_equal_pairs():
    assert share_right(["red", None, "blue", "pink"], ["red", "red", "blue", "blue"]) == 0.5


def test_the_judge_sees_no_colour():
    pictures = torch.rand(1, 3, 8, 8)
    assert torch.allclose(grayed(pictures), grayed(pictures[:, [2, 0, 1]]), atol=1e-6)
    assert grayed(pictures, torch.Generator().manual_seed(0)).shape == (1, 1, 8, 8)


def test_the_judge_learns_to_tell_shapes_apart(collection: Collection):
    discs = np.stack([collection.pictures[0]] * 4).repeat(2, 1).repeat(2, 2)
    halves = discs.copy()
    halves[:, :16] = 0
    settings = LearnerSettings(budget=Budget(steps=30), batch=16, peak_rate=5e-3)
    run = JudgeRun(settings, np.concatenate([discs, halves]), np.array([0] * 4 + [1] * 4), 2)
    while run.progress < 1:
        run.learn()
    answers = guesses(run.judge, on_white(np.stack([discs[0], halves[0]])))
    assert answers[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(("rgb", "name"), [((230, 20, 30), "red"), ((40, 90, 230), "blue"), ((90, 90, 90), None)])
def test_the_colour_of_a_thing_on_white_is_named(rgb: tuple[int, int, int], name: str | None):
    picture = np.full((16, 16, 3), 255, dtype=np.uint8)
    picture[4:12, 4:12] = rgb
    assert colour_of(picture) == name
    assert colour_of(np.full((16, 16, 3), 255, dtype=np.uint8)) is None


def test_real_pairs_show_every_colour(collection: Collection):
    pictures, truth = of_style(collection, "minimal", CONCEPTS)
    assert truth == list(range(len(CONCEPTS)))
    made, colours = pairs_of(pictures, truth)
    assert len(made) == len(colours) == len(HELD_OUT_PAIRS) * len(HUES)
    assert share_right([colour_of(picture) for picture in made], colours) > 0.9


def test_vae_quality_is_taken_of_each_style(collection: Collection):
    torch.manual_seed(0)
    found = vae_quality(make_vae(NetworkSizes(pixels=16, vae_channels=(8, 8))), collection, ["minimal", "3d"])
    assert [m.n for m in found] == [len(CONCEPTS)] * 2
    assert all(0 < m.value < 30 for m in found)


def test_measurements_come_back_and_make_a_card(tmp_path: Path):
    rows = [
        Measurement(name="concept right (top-1)", value=60.0, n=268, ceiling=80.0, ceiling_n=134),
        Measurement(name="VAE", value=26.04, n=9, unit="dB"),
    ]
    save_measurements(tmp_path / "e.json", rows, EvaluationSettings())
    loaded, settings = load_measurements(tmp_path / "e.json")
    assert loaded == rows
    groups = {"animals": ["cat", "dog"], "fruit": ["pear"]}
    card = model_card(loaded, settings, megabytes=11.6, groups=groups, styles=["3d"], story=["It took an hour."])
    assert "| concept right (top-1) | 60.0 % | 268 | 80.0 % (n = 134) | 0.75 |" in card
    assert "pictures of 3 things" in card
    assert "- **animals** (2): cat, dog" in card
    assert "by name: 3d (Microsoft Fluent Emoji)." in card
    assert "Apache-2.0 | seen |" in card
    assert "11.6 MB" in card


def test_a_painter_draws_what_was_read_and_each_text_and_seed_once():
    drawn: list[tuple[str, int]] = []

    def pipeline(prompts: list[str], *, generator: list[torch.Generator], **settings: Any) -> Any:
        drawn.extend((prompt, one.initial_seed()) for prompt, one in zip(prompts, generator, strict=True))
        pictures = [Image.new("RGB", (4, 4), (one.initial_seed(), 0, 0)) for one in generator]
        return SimpleNamespace(images=pictures)

    stand_in: Any = pipeline
    stand_in.set_progress_bar_config = lambda **_: None
    stand_in.scheduler = make_scheduler()
    painter = Painter(stand_in, Reading([Thing(name="cat")]), EvaluationSettings())
    pictures = painter.draw(["Cats!", "a CAT", "cat"], [5, 6, 5])
    assert drawn == [("cat", 5), ("cat", 6)]
    assert pictures[:, 0, 0, 0].tolist() == [5, 6, 5]
    assert len(painter.draw_each(["dog", "dog"])) == 2
    assert drawn[2:] == [("dog", 1000), ("dog", 1001)]


def test_the_notice_names_every_source_of_the_weights():
    text = notice()
    learnt_from, _, measured_with = text.partition("Used for measuring")
    for package in PACKAGES:
        assert package.upstream in (measured_with if package.role is Role.HELD_OUT else learnt_from)
    assert "CC BY 4.0" in text
    assert len(text.splitlines()) > 20


def test_a_grid_has_a_place_for_each_picture():
    assert len(GRID_PROMPTS) == 48
    sheet = grid(np.zeros((5, 4, 4, 3), dtype=np.uint8), columns=3)
    assert sheet.size == (12, 8)
    assert sheet.getpixel((11, 7)) == (255, 255, 255)
