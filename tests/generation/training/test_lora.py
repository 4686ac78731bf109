"""LoRAs of the built-in model: a few steps learn, go on after a stop, and end as a file that the engine draws with."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from generation.catalog import ModelFamily
from generation.diffusion.families.lora_headers import FoundLora, find_loras, tensors_hash, with_loras
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.sources import inspect_model
from generation.loras import LoraUse
from generation.training.__main__ import main
from generation.training.artwork import Collection
from generation.training.concepts import CONCEPTS
from generation.training.lora import LoraRun, LoraSettings
from generation.training.lora_styles import STYLES, in_style
from generation.training.pace import Budget
from generation.training.training_set import Row, TrainingSet, from_artwork


@pytest.fixture
def artwork(collection: Collection) -> TrainingSet:
    return from_artwork(collection, seed=0, concepts=CONCEPTS[:3])


def enlarged(data: TrainingSet) -> TrainingSet:
    """In the built-in model's size."""
    return replace(data, pictures=data.pictures.repeat(4, axis=1).repeat(4, axis=2))


def test_a_style_is_taught_and_the_file_is_drawn_with(artwork: TrainingSet, tmp_path: Path) -> None:
    data = enlarged(artwork)
    few = TrainingSet(pictures=data.pictures[:8], rows=data.rows[:8])
    few.save(tmp_path / "dataset")
    arguments = [
        "lora",
        "--work",
        str(tmp_path),
        "--style",
        "outlined",
        "--rank",
        "2",
        "--batch",
        "2",
        "--device",
        "cpu",
    ]
    for steps in ("1", "3"):  # it goes on where it was
        main([*arguments, "--steps", steps])
    (found,) = find_loras([str(tmp_path / "loras")])
    assert isinstance(found, FoundLora)
    file = found.file
    assert (file.name, file.rank, file.base) == ("outlined", 2, "builtin")
    assert file.sha256 == tensors_hash(Path(file.path))
    spec = with_loras(inspect_model("builtin"), [found])
    model = load_model(spec, device="cpu")
    ((adapter, _),) = model.adapters.read([LoraUse(name="outlined", sha256=file.sha256)])
    assert len(adapter.denoiser) > 10
    assert any(bool(layer.up.any()) for layer in adapter.denoiser.values()), "it has learnt something"
    assert list((tmp_path / "lora/outlined/grids").iterdir())


def test_ones_own_pictures_are_taught_with_their_captions(own_pictures: Path, tmp_path: Path) -> None:
    main(
        ["lora", "--work", str(tmp_path), "--pictures", str(own_pictures), "--name", "discs", "--trigger", "disc",
         "--steps", "1", "--batch", "2", "--rank", "2", "--device", "cpu"]
    )  # fmt: skip
    (found,) = find_loras([str(tmp_path / "loras")])
    assert isinstance(found, FoundLora)
    assert (found.file.name, found.file.triggers) == ("discs", ("disc",))


def test_learning_begins_at_the_model_as_it_is_and_leaves_its_weights_alone(artwork: TrainingSet) -> None:
    spec = inspect_model("builtin")
    pipeline = cast(Any, load_model(spec, device="cpu").family).pipeline
    data = in_style(enlarged(artwork), "night")
    few = TrainingSet(pictures=data.pictures[:4], rows=data.rows[:4])
    before = [parameter.clone() for parameter in pipeline.unet.parameters()]
    run = LoraRun(LoraSettings(budget=Budget(steps=2), batch=2, rank=2), pipeline, spec, few)
    assert not any(bool(layer.up.any()) for layer in run.layers.values())
    assert run.learn() > 0
    assert all(torch.equal(*pair) for pair in zip(before, pipeline.unet.parameters(), strict=True))
    with pytest.raises(ValueError, match="plain Stable Diffusion"):
        LoraRun(run.settings, pipeline, replace(spec, family=ModelFamily.STABLE_DIFFUSION_XL), few)


def test_each_style_draws_the_artwork_anew_and_only_as_it_is(artwork: TrainingSet) -> None:
    for style in STYLES:
        data = in_style(artwork, style)
        assert 0 < len(data.rows) < len(artwork.rows)
        assert all(row.subject and not row.subject.recoloured and not row.subject.background for row in data.rows)
        assert data.pictures.shape[1:] == artwork.pictures.shape[1:]
    lines = STYLES["outlined"](np.full((16, 16, 3), 90, np.uint8))
    assert (lines == 255).all(), "without an edge there is no line"
    sky = STYLES["night"](np.full((16, 16, 3), 255, np.uint8))
    assert sky.max() < 80, "white paper becomes dark"


def test_without_artwork_or_in_a_style_that_there_is_not_nothing_is_taught(artwork: TrainingSet) -> None:
    with pytest.raises(ValueError, match="no style"):
        in_style(artwork, "baroque")
    own = TrainingSet(pictures=artwork.pictures[:1], rows=(Row(weight=1.0, text="a disc"),))
    with pytest.raises(ValueError, match="no artwork"):
        in_style(own, "outlined")
