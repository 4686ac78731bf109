"""The model that ships, as other people would load it: with diffusers' own pipelines."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image

from generation.diffusion.loading.sources import BUILTIN_FOLDER, inspect_model


@pytest.fixture(scope="module")
def pipeline() -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(BUILTIN_FOLDER, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def heart(pipeline: Any) -> Image.Image:
    generator = torch.Generator("cpu").manual_seed(1)
    return pipeline("a red heart", num_inference_steps=20, guidance_scale=4.0, generator=generator).images[0]


def test_the_builtin_model_draws_at_its_native_size_by_default(pipeline: Any) -> None:
    side = inspect_model("builtin").native_size
    assert heart(pipeline).size == (side, side)


def test_image_to_image_changes_the_colour(pipeline: Any) -> None:
    drawn = heart(pipeline)
    other = StableDiffusionImg2ImgPipeline.from_pipe(pipeline, dtype=torch.float32)
    green = other("a green heart", image=drawn, strength=0.8, num_inference_steps=20, guidance_scale=4.0).images[0]
    assert green.size == drawn.size
    red_before, red_after = (np.asarray(picture.convert("RGB"))[..., 0].mean() for picture in (drawn, green))
    assert red_after < red_before


def test_inpainting_changes_the_masked_half_only(pipeline: Any) -> None:
    drawn = heart(pipeline)
    width, height = drawn.size
    mask = Image.new("L", drawn.size, 0)
    mask.paste(255, (0, 0, width // 2, height))
    other = StableDiffusionInpaintPipeline.from_pipe(pipeline, dtype=torch.float32)
    changed = other(
        "a blue heart", image=drawn, mask_image=mask, width=width, height=height, strength=0.95, num_inference_steps=20
    ).images[0]
    difference = np.abs(np.asarray(changed, int) - np.asarray(drawn.convert("RGB"), int)).mean(axis=(0, 2))
    assert difference[: width // 2 - 8].mean() > 2 * difference[width // 2 + 8 :].mean()


def test_each_concept_of_the_builtin_model_is_listed_once() -> None:
    spec = inspect_model("builtin")
    assert spec.reading is not None
    names = [thing.name for thing in spec.reading.things]
    assert len(set(names)) == len(names)
    assert str(len(names)) in spec.description
    assert all(spec.read(example).thing for example in spec.examples)
    assert not any(spec.read(example).unknown for example in spec.examples)


def test_the_builtin_models_folder_has_no_pickle_and_no_path() -> None:
    for path in BUILTIN_FOLDER.rglob("*"):
        assert path.is_dir() or path.suffix in {".json", ".safetensors", ".txt", ".md", ".png", ""}, path
    assert "_name_or_path" not in (BUILTIN_FOLDER / "model_index.json").read_text("utf-8")
    size = sum(path.stat().st_size for path in BUILTIN_FOLDER.rglob("*.safetensors"))
    assert size <= 25 * 10**6
