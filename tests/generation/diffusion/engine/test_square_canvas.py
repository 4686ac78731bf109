"""A model of squares: another shape is the same square on a plain ground, and the request keeps its size."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from generation.catalog import Canvas, DrawingOptions
from generation.diffusion.engine.ground import on_ground
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.events import ImageReady, StepDone, WorkerEvent
from generation.job import Job
from tests.generation.diffusion.conftest import drive, make_job
from tests.png_parameters import parse_parameters


@pytest.fixture
def square_model(tiny_model: LoadedModel) -> LoadedModel:
    tiny_model.family.spec = replace(tiny_model.spec, canvas=Canvas.SQUARE)
    return tiny_model


def events_of(model: LoadedModel, *jobs: Job, clock: object = None) -> list[WorkerEvent]:
    engine = DiffusionEngine(model) if clock is None else DiffusionEngine(model, clock=clock)  # type: ignore[arg-type]
    return drive(engine, *jobs)


def picture_of(model: LoadedModel, job: Job) -> Image.Image:
    (ready,) = (event.image for event in events_of(model, job) if isinstance(event, ImageReady))
    picture = Image.open(io.BytesIO(ready.png))
    assert (ready.width, ready.height) == picture.size
    return picture


@pytest.mark.parametrize("size", [(56, 32), (32, 56), (96, 32), (40, 40)])
def test_another_shape_is_the_same_square_on_a_plain_ground(square_model: LoadedModel, size: tuple[int, int]) -> None:
    width, height = size
    side = min(size)
    square = np.asarray(picture_of(square_model, make_job(width=side, height=side)))
    picture = picture_of(square_model, make_job(width=width, height=height))
    assert picture.size == size
    assert parse_parameters(picture.text["parameters"])["Size"] == f"{width}x{height}"  # type: ignore[attr-defined]
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(picture)
    assert np.abs(pixels[top : top + side, left : left + side].astype(int) - square).max() <= 2
    ground = np.ones((height, width), bool)
    ground[top : top + side, left : left + side] = False
    assert len(np.unique(pixels[ground], axis=0)) <= 1


def test_squares_of_different_shapes_share_their_steps(square_model: LoadedModel) -> None:
    jobs = [make_job(width=56), make_job(height=56), make_job()]
    events = events_of(square_model, *jobs)
    first = [event.job_id for event in events if isinstance(event, StepDone)][:3]
    assert set(first) == {job.id for job in jobs}, "the first call has all of them"


def test_previews_have_the_pictures_size(square_model: LoadedModel) -> None:
    seconds = iter(range(0, 10**6, 10))
    events = events_of(square_model, make_job(width=64), clock=lambda: float(next(seconds)))
    previews = [event.preview for event in events if isinstance(event, StepDone) and event.preview]
    assert previews
    for preview in previews:
        assert Image.open(io.BytesIO(preview)).size == (64, 32)


def test_the_ground_has_the_colour_of_the_pictures_edge() -> None:
    picture = Image.new("RGB", (8, 8), (200, 220, 255))
    picture.paste((255, 0, 0), (2, 2, 6, 6))
    picture.putpixel((0, 0), (0, 0, 0))
    wide = on_ground(picture, (24, 8))
    assert wide.getpixel((0, 4)) == wide.getpixel((23, 7)) == (200, 220, 255)
    assert wide.getpixel((8, 0)) == (0, 0, 0)
    assert on_ground(picture, (8, 8)) is picture


def test_the_builtin_model_draws_a_wide_heart_as_well_as_a_square_one() -> None:
    spec = inspect_model("builtin")
    model = load_model(spec, device="cpu")
    wide, square = (
        spec.request(DrawingOptions(prompt="a red heart", aspect=aspect, seed=1)) for aspect in ("16:9", "1:1")
    )
    assert (wide.width, wide.height) == (128, 72)
    pictures = [np.asarray(picture_of(model, replace(make_job(), request=request))) for request in (wide, square)]
    assert np.abs(pictures[0][4:68, 32:96].astype(int) - pictures[1]).max() <= 2
