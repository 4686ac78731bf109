"""A picture that is drawn in tiles: each is what diffusers draws of it alone, and together they have no seam."""

import io
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generation.diffusion.engine.blending import blended
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from generation.events import ImageReady, JobDone, JobFailed, StepDone
from generation.inputs import InputPicture, fitted
from generation.job import Job, JobInputs
from generation.request import SchedulerName
from generation.tiles import boxes
from tests.generation.diffusion.conftest import SIZE, drive, make_job
from tests.generation.diffusion.engine.test_begins_with_a_picture import pictures_of
from tests.generation.diffusion.engine.test_inputs_equal_diffusers import BOUND, load, pipeline_of
from tests.pictures import png_of

sides = st.integers(2, 40).map(lambda number: 8 * number)


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def smooth() -> InputPicture:
    return InputPicture.decode(png_of(noise((5, 4)).resize((40, 32), Image.Resampling.BICUBIC)))


def in_tiles(size: tuple[int, int] = (80, 64), **wishes: Any) -> Job:
    source = smooth()
    given = {"width": size[0], "height": size[1], "tile": SIZE, "source": source.sha256, "strength": 0.6}
    return replace(make_job(**given | wishes), inputs=lambda: JobInputs(source=source.png))


@given(size=st.tuples(sides, sides), tile=st.sampled_from([16, 32, 64]))
def test_tiles_that_show_the_picture_blend_to_it_without_a_seam(size: tuple[int, int], tile: int) -> None:
    picture = noise(size)
    tiles = [(box, picture.crop(box)) for box in boxes(size, tile)]
    assert np.array_equal(np.asarray(blended(tiles, size)), np.asarray(picture))


def test_a_tile_fades_linearly_from_its_neighbours() -> None:
    size = (56, 32)  # two tiles with eight pixels of both
    colours = [Image.new("RGB", (32, 32), colour) for colour in ("black", "white")]
    picture = blended(list(zip(boxes(size, 32), colours, strict=True)), size)
    row = np.asarray(picture)[16, :, 0].astype(int)
    assert set(row[:24]) == {0}
    assert set(row[32:]) == {255}
    assert np.ptp(np.diff(row[24:32])) <= 1


def test_the_order_in_which_tiles_are_done_makes_no_difference() -> None:
    tiles = [(box, noise((32, 32), number)) for number, box in enumerate(boxes((80, 80), 32))]
    one, other = blended(tiles, (80, 80)), blended(tiles[::-1], (80, 80))
    assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


@pytest.mark.parametrize("kind", ["epsilon", "xl"])
def test_each_tile_equals_the_pipelines_picture_of_it(kind: str) -> None:
    model, job = load(kind), in_tiles(scheduler=SchedulerName.EULER_A)
    request = job.request
    kept: list[torch.Tensor] = []
    decode = model.decode

    def keep(latents: torch.Tensor) -> torch.Tensor:
        if len(latents) == 1:
            kept.append(latents)
        return decode(latents)

    model.decode = keep  # type: ignore[method-assign]
    drive(DiffusionEngine(model), make_job(width=40, steps=2), job)
    del model.decode
    ours = [latents for latents in kept if latents.shape[-2:] == (16, 16)]
    whole = fitted(job.inputs().source or b"", request.size, request.size)
    found = boxes(request.size, SIZE)
    assert len(ours) == len(found) == 9
    pipeline = pipeline_of(model, request.scheduler, pictures=True, masked=False)
    for number, box in enumerate(found):
        theirs = pipeline(
            request.prompt,
            image=whole.crop(box),
            strength=request.strength,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(request.seed + 4 * number),
            output_type="latent",
        ).images
        assert min((one - theirs).abs().max().item() for one in ours) <= BOUND


def test_one_picture_is_delivered_at_its_whole_size_and_all_steps_are_told(tiny_model: LoadedModel) -> None:
    engine = DiffusionEngine(tiny_model, max_rows=8)
    job = in_tiles(steps=5, count=2)
    events = drive(engine, job)
    ready = [event.image for event in events if isinstance(event, ImageReady)]
    assert sorted((image.index, image.seed, image.width, image.height) for image in ready) == [
        (0, 7, 80, 64),
        (1, 8, 80, 64),
    ]
    assert {Image.open(io.BytesIO(image.png)).size for image in ready} == {(80, 64)}
    steps = [(event.step, event.steps) for event in events if isinstance(event, StepDone)]
    assert steps[-1] == (2 * 9 * 3, 2 * 9 * 3)
    assert engine.rows == 2 * (2 * 9 * 3)
    assert isinstance(events[-1], JobDone)


def test_tiles_are_rows_of_the_batch_beside_other_jobs_and_no_larger_than_theirs(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, ...]] = []
    predict, look = tiny_model.predict_noise, tiny_model.look
    looked: list[tuple[int, int]] = []

    def counted(latents: torch.Tensor, *given: Any) -> Any:
        calls.append(tuple(latents.shape))
        return predict(latents, *given)

    monkeypatch.setattr(tiny_model, "predict_noise", counted)
    monkeypatch.setattr(tiny_model, "look", lambda source, mask: (looked.append(source.size), look(source, mask))[1])
    drive(DiffusionEngine(tiny_model), make_job(steps=3), in_tiles())
    assert {shape[1:] for shape in calls} == {(4, 16, 16)}
    assert Counter(shape[0] for shape in calls)[8] >= 3
    assert calls[0][0] == 8, "the other job's two rows and three tiles"
    assert looked == [(SIZE, SIZE)] * 9


def test_previews_show_the_tiles_in_their_picture(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.diffusion.engine.loop.PREVIEW_INTERVAL", 0.0)
    events = drive(DiffusionEngine(tiny_model), in_tiles())
    previews = [event.preview for event in events if isinstance(event, StepDone) and event.preview]
    assert {Image.open(io.BytesIO(jpeg)).size for jpeg in previews} == {(80, 64)}
    assert previews[0] != previews[-1]


def test_a_tile_that_fails_ends_its_job_once(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, decoded = tiny_model.decode, [0]

    def breaking(latents: torch.Tensor) -> torch.Tensor:
        decoded[0] += 1
        return decode(latents) * (float("nan") if decoded[0] == 3 else 1.0)

    monkeypatch.setattr(tiny_model, "decode", breaking)
    other = make_job(steps=30)
    events = drive(DiffusionEngine(tiny_model), in_tiles(), other)
    assert [type(event) for event in events if isinstance(event, JobFailed | ImageReady)] == [JobFailed, ImageReady]
    assert set(pictures_of(events)) == {other.id}
