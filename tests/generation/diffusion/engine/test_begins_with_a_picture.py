"""Jobs that begin with a picture, in the engine: progress, cost, memory, and what is pasted back."""

import io
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.catalog import DrawingOptions
from generation.diffusion.engine.caps import RowCaps
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.errors import DoesNotFit, InputGone
from generation.events import ImageReady, JobDone, JobFailed, StepDone, WorkerEvent
from generation.inputs import InputPicture
from generation.job import Job, JobInputs
from generation.request import Reframing
from tests.generation.diffusion.conftest import drive, load_tiny, make_job
from tests.generation.diffusion.engine.test_inputs_equal_diffusers import begin_with
from tests.generation.diffusion.tiny_models import make_pipeline
from tests.pictures import png_of

#: Things, their colour, and the one that they get.
PAIRS = (
    ("heart", "red", "blue"),
    ("heart", "blue", "green"),
    ("star", "yellow", "blue"),
    ("star", "red", "green"),
    ("car", "red", "blue"),
    ("car", "blue", "green"),
    ("balloon", "red", "blue"),
    ("balloon", "blue", "green"),
    ("book", "green", "red"),
    ("book", "blue", "red"),
    ("diamond", "blue", "orange"),
    ("apple", "red", "green"),
    ("hat", "blue", "red"),
    ("umbrella", "purple", "green"),
    ("flower", "pink", "blue"),
    ("butterfly", "blue", "orange"),
    ("fish", "blue", "orange"),
    ("bird", "blue", "red"),
    ("trophy", "red", "blue"),
    ("house", "red", "blue"),
)
HUES = {"red": 0, "orange": 28, "yellow": 50, "green": 125, "blue": 215, "purple": 280, "pink": 335}  #: degrees


def pictures_of(events: list[WorkerEvent]) -> dict[Any, Image.Image]:
    return {e.job_id: Image.open(io.BytesIO(e.image.png)).convert("RGB") for e in events if isinstance(e, ImageReady)}


def test_progress_counts_the_steps_that_are_made(tiny_model: LoadedModel) -> None:
    engine = DiffusionEngine(tiny_model)
    events = drive(engine, begin_with(make_job(steps=10, count=2), 0.35, masked=False))
    steps = [(event.step, event.steps) for event in events if isinstance(event, StepDone)]
    assert steps == [(2, 6), (4, 6), (6, 6)]
    assert engine.calls == 3


def test_pictures_are_looked_at_once_for_all_images_of_a_job(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    look = tiny_model.look

    def counting(source: Image.Image, mask: Image.Image | None) -> Any:
        looked.append(mask is not None)
        return look(source, mask)

    monkeypatch.setattr(tiny_model, "look", counting)
    drive(DiffusionEngine(tiny_model), begin_with(make_job(count=3), 0.5, masked=True), make_job())
    assert looked == [True]


def test_looking_is_charged_to_its_own_job(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    look = tiny_model.look

    def slow(source: Image.Image, mask: Image.Image | None) -> Any:
        now[0] += 100.0
        return look(source, mask)

    monkeypatch.setattr(tiny_model, "look", slow)
    edit, plain = begin_with(make_job(), 0.5, masked=False), make_job()
    events = drive(DiffusionEngine(tiny_model, clock=lambda: now[0]), edit, plain)
    assert {e.job_id: e.device_seconds for e in events if isinstance(e, JobDone)} == {edit.id: 100.0, plain.id: 0.0}


def test_a_job_whose_picture_is_gone_fails_and_the_others_are_drawn(tiny_model: LoadedModel) -> None:
    gone = replace(begin_with(make_job(), 0.5, masked=True), inputs=JobInputs)
    plain = make_job()
    events = drive(DiffusionEngine(tiny_model), gone, plain)
    (failed,) = (event for event in events if isinstance(event, JobFailed))
    assert (failed.job_id, type(failed.error)) == (gone.id, InputGone)
    assert [event.job_id for event in events if isinstance(event, JobDone)] == [plain.id]


def test_looking_without_memory_goes_on_in_tiles(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    look = tiny_model.family.look

    def tight(*given: Any) -> Any:
        if not tiny_model.family.parts.vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(*given)

    monkeypatch.setattr(tiny_model.family, "look", tight)
    events = drive(DiffusionEngine(tiny_model), begin_with(make_job(), 0.5, masked=False))
    assert isinstance(events[-1], JobDone)


def test_a_picture_that_does_not_fit_even_in_tiles_fails_kindly(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiny_model.family, "look", full)
    (failed,) = drive(DiffusionEngine(tiny_model), begin_with(make_job(), 0.5, masked=False))
    assert isinstance(failed, JobFailed)
    assert isinstance(failed.error, DoesNotFit)


@pytest.mark.parametrize("inpaints", [False, True])
def test_what_the_mask_does_not_cover_is_the_sources_own(inpaints: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.diffusion.engine.loop.PREVIEW_INTERVAL", 0.0)
    model = load_tiny("epsilon") if not inpaints else load_inpainting()
    size = (64, 64)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, 32, 64))
    source = InputPicture.decode(png_of(Image.fromarray(noise)))
    cover = InputPicture.decode(png_of(mask))
    job = make_job(width=64, height=64)
    wishes = {"source": source.sha256, "mask": cover.sha256, "strength": 1.0}
    job = replace(
        job, request=replace(job.request, **wishes), inputs=lambda: JobInputs(source=source.png, mask=cover.png)
    )
    events = drive(DiffusionEngine(model), job)
    drawn = np.asarray(pictures_of(events)[job.id])
    assert np.array_equal(drawn[:, 36:], noise[:, 36:])
    assert np.abs(drawn[:, :30].astype(int) - noise[:, :30]).mean() > 20
    assert any(event.preview for event in events if isinstance(event, StepDone))


def load_inpainting() -> LoadedModel:
    model = load_tiny("epsilon", pipeline=make_pipeline("epsilon", unet={"in_channels": 9}))
    model.family.spec = replace(model.spec, inpaints=True)
    return model


def test_the_knee_of_an_inpainting_model_is_measured_with_all_that_it_sees() -> None:
    caps = RowCaps(load_inpainting(), most=8)
    while caps.measure():
        pass
    assert caps.cap(((4, 16, 16), 77)) in (2, 4, 8)


def test_on_a_square_canvas_the_middle_of_the_picture_is_drawn_anew() -> None:
    """Another shape is drawn as the square in it: that is what of the picture goes into the model."""
    model = load_model(inspect_model("builtin"), device="cpu")
    wide = Image.new("RGB", (96, 64), "white")
    wide.paste("red", (32, 16, 64, 48))
    job = job_with(model, "a red square", png_of(wide), strength=0.1)
    (picture,) = pictures_of(drive(DiffusionEngine(model), job)).values()
    assert picture.size == (96, 64)
    drawn, given = ink(picture), ink(wide)
    assert (drawn & given).sum() > 0.9 * given.sum(), "it is where it was"
    assert not drawn[:, :16].any()
    assert not drawn[:, 80:].any()


def job_with(model: LoadedModel, prompt: str, picture: bytes, **wishes: Any) -> Job:
    source = InputPicture.decode(picture)
    options = DrawingOptions(prompt=prompt, seed=1, source=source.sha256, aspect=source.aspect, **wishes)
    request = model.spec.request(options)
    return Job(id=uuid.uuid4(), request=request, requester="ada", inputs=lambda: JobInputs(source=source.png))


def test_the_builtin_model_gives_things_another_colour_and_leaves_their_shape() -> None:
    model = load_model(inspect_model("builtin"), device="cpu")
    firsts = [
        Job(
            id=uuid.uuid4(),
            request=model.spec.request(DrawingOptions(prompt=f"a {colour} {thing}", seed=number)),
            requester="ada",
        )
        for number, (thing, colour, _) in enumerate(PAIRS)
    ]
    before = pictures_of(drive(DiffusionEngine(model), *firsts))
    seconds = [
        job_with(model, f"a {other} {thing}", png_of(before[first.id]))
        for first, (thing, _, other) in zip(firsts, PAIRS, strict=True)
    ]
    after = pictures_of(drive(DiffusionEngine(model), *seconds))
    good = 0
    for first, second, (_, _, colour) in zip(firsts, seconds, PAIRS, strict=True):
        one, other = ink(before[first.id]), ink(after[second.id])
        overlap = (one & other).sum() / (one | other).sum()
        good += overlap >= 0.6 and share_of(colour, after[second.id], other) >= 0.6
    assert good >= 18


def ink(picture: Image.Image) -> np.ndarray:
    """Where a picture is not its ground, which is the colour of its edge."""
    pixels = np.asarray(picture).astype(int)
    edge = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    return np.abs(pixels - edge).max(axis=-1) > 40


def share_of(colour: str, picture: Image.Image, where: np.ndarray) -> float:
    """The share of the coloured pixels there whose hue is within 45 degrees of the colour's."""
    hue, saturation, _ = (channel.astype(float) for channel in np.moveaxis(np.asarray(picture.convert("HSV")), -1, 0))
    coloured = where & (saturation > 64)
    away = np.abs((hue[coloured] * 360 / 255 - HUES[colour] + 180) % 360 - 180)
    return float((away < 45).mean()) if away.size else 0.0


def test_a_picture_that_is_coloured_keeps_its_light_and_dark(tiny_model: LoadedModel) -> None:
    noise = np.random.default_rng(1).integers(40, 216, (64, 64, 3), dtype=np.uint8)
    source = InputPicture.decode(png_of(Image.fromarray(noise).convert("L").convert("RGB")))
    job = make_job(width=64, height=64)
    wishes = {"source": source.sha256, "strength": 0.7, "reframing": Reframing.COLOURISE}
    job = replace(job, request=replace(job.request, **wishes), inputs=lambda: JobInputs(source=source.png))
    picture = pictures_of(drive(DiffusionEngine(tiny_model), job))[job.id]
    light, before = (np.asarray(one.convert("L")).astype(int) for one in (picture, Image.open(io.BytesIO(source.png))))
    assert np.abs(light - before).max() <= 2
    assert np.ptp(np.asarray(picture.convert("RGB")).astype(int), axis=2).max() > 10, "and it has colours"
