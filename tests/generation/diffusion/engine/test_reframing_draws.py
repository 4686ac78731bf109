"""From a picture through `reframed`, the engine with the model that ships, and `finished`."""

import io
import uuid
from functools import partial

import numpy as np
import pytest
from PIL import Image

from generation.catalog import DrawingOptions
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.job import Job, JobInputs
from generation.reframing import Reframing, finished, reframed
from tests.generation.diffusion.engine.test_begins_with_a_picture import PAIRS, drive, ink, pictures_of, share_of
from tests.pictures import png_of

TRIED = PAIRS[::2]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(inspect_model("builtin"), device="cpu")


@pytest.fixture(scope="module")
def firsts(model: LoadedModel) -> list[Image.Image]:
    options = [DrawingOptions(prompt=f"a {colour} {thing}", seed=n) for n, (thing, colour, _) in enumerate(TRIED)]
    return draw(model, [(one, JobInputs()) for one in options])


def _same(inputs: JobInputs) -> JobInputs:
    return inputs


def draw(model: LoadedModel, wishes: list[tuple[DrawingOptions, JobInputs]]) -> list[Image.Image]:
    jobs = [
        Job(id=uuid.uuid4(), request=model.spec.request(options), requester="ada", inputs=partial(_same, inputs))
        for options, inputs in wishes
    ]
    drawn = pictures_of(drive(DiffusionEngine(model), *jobs))
    return [drawn[job.id] for job in jobs]


def more_of(
    model: LoadedModel, way: Reframing, prompts: list[str], given: list[Image.Image]
) -> list[tuple[Image.Image, Image.Image]]:
    """Pairs of the source and what became of it."""
    made = [reframed(way, png_of(picture), model.spec) for picture in given]
    wishes = [
        (
            DrawingOptions(
                prompt=prompt,
                width=one.source.width,
                height=one.source.height,
                source=one.source.sha256,
                mask=one.mask and one.mask.sha256,
                strength=one.strength,
                seed=number,
            ),
            JobInputs(source=one.source.png, mask=one.mask and one.mask.png),
        )
        for number, (prompt, one) in enumerate(zip(prompts, made, strict=True))
    ]
    return [
        (Image.open(io.BytesIO(one.source.png)), finished(way, picture, one.source.png))
        for one, picture in zip(made, draw(model, wishes), strict=True)
    ]


def test_pictures_in_grey_get_the_colours_of_the_prompt_and_keep_their_luminance(
    model: LoadedModel, firsts: list[Image.Image]
) -> None:
    prompts = [f"a {other} {thing}" for thing, _, other in TRIED]
    good = 0
    for (grey, result), first, (_, _, colour) in zip(
        more_of(model, Reframing.COLOURISE, prompts, firsts), firsts, TRIED, strict=True
    ):
        luma = np.asarray(result).astype(float) @ [0.299, 0.587, 0.114]
        assert np.abs(luma - np.asarray(grey)[..., 0]).max() <= 0.75
        good += share_of(colour, result, ink(first)) >= 0.6
    assert good >= 8


def test_tiles_meet_as_smoothly_as_they_are_inside(model: LoadedModel, firsts: list[Image.Image]) -> None:
    prompts = [f"a {colour} {thing}" for thing, colour, _ in TRIED]
    across, inside = [], []
    for _, tile in more_of(model, Reframing.TILEABLE, prompts, firsts):
        pixels = np.asarray(tile).astype(int)
        for axis in range(2):
            across.append(np.abs(pixels.take(0, axis) - pixels.take(-1, axis)).mean())
            inside.append(np.abs(np.diff(pixels, axis=axis)).mean())
    assert np.mean(across) <= 1.5 * np.mean(inside)
