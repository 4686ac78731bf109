"""The engine draws what diffusers' own pipelines draw, whatever else runs in the batch."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.loading.model import LoadedModel
from generation.events import ImageReady
from generation.job import Job
from generation.reading import Reading, Thing
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.tiny_models import KINDS

BOUND = {torch.float32: 1e-3, torch.float64: 1e-10}


def crowd() -> list[Job]:
    """Make a job for every scheduler, with different steps, guidance and prompts; every third without guidance."""
    return [
        make_job(
            f"a {colour} heart",
            scheduler=scheduler,
            steps=4 + 2 * number,
            guidance_scale=(7.5, 3.0, 1.0)[number % 3],
            seed=100 + number,
            negative_prompt="blue" if number % 2 else "",
        )
        for number, (scheduler, colour) in enumerate(
            zip(SchedulerName, ("red", "blue", "green", "pink", "black", "white", "yellow"), strict=True)
        )
    ]


def latents_in_a_crowd(
    model: LoadedModel, jobs: list[Job], *, reproducible: bool = False, drawn_on: int | None = None
) -> dict[int, torch.Tensor]:
    """Draw the jobs, which join one by one, a step apart; return the final latents of each image by seed.

    Latents of `drawn_on` a side are those of a first pass, and not final.
    """
    kept: list[torch.Tensor] = []
    seeds: list[int] = []
    decode = model.decode

    def keep_and_decode(latents: torch.Tensor) -> torch.Tensor:
        if len(latents) == 1 and latents.shape[-1] != drawn_on:  # a picture's; previews are fitted to many at once
            kept.append(latents)
        return decode(latents)

    model.decode = keep_and_decode  # type: ignore[method-assign]
    try:
        engine = DiffusionEngine(model, reproducible=reproducible)
        arriving = iter(jobs)
        engine.admit(next(arriving))
        while engine.busy:
            # Pictures are ready in the order in which they were decoded.
            seeds += [event.image.seed for event in engine.step() if isinstance(event, ImageReady)]
            if (job := next(arriving, None)) is not None:
                engine.admit(job)
    finally:
        del model.decode
    return dict(zip(seeds, kept, strict=True))


def latents_alone(model: LoadedModel, job: Job) -> torch.Tensor:
    """Draw the job with the pipeline itself; return its latents [1, C, h, w]."""
    request = job.request
    model.family.pipeline.scheduler = make_scheduler(request.scheduler, model.family.scheduler_config)
    model.family.pipeline.set_progress_bar_config(disable=True)
    return model.family.pipeline(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
    ).images


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_latents_equal_the_pipelines(kind: str, dtype: torch.dtype) -> None:
    model = load_tiny(kind, dtype)
    jobs = crowd()
    ours = latents_in_a_crowd(model, jobs)

    for job in jobs:
        theirs = latents_alone(model, job)
        assert (ours[job.request.seed] - theirs).abs().max().item() <= BOUND[dtype], job.request.scheduler


def test_a_model_that_reads_draws_what_the_pipeline_draws_of_the_text_it_reads() -> None:
    model = load_tiny("epsilon", torch.float64)
    reading = Reading([Thing(name="heart")], colours={"red": (), "blue": ()}, words={"minor": ("please",)})
    model.family.spec = replace(model.spec, reading=reading)
    job = make_job("Please, red HEARTS!", negative_prompt="BLUE hearts", guidance_scale=5.0)
    ours = latents_in_a_crowd(model, [job])[job.request.seed]
    read = replace(job.request, prompt="red heart", negative_prompt="blue heart")
    theirs = latents_alone(model, replace(job, request=read))
    assert (ours - theirs).abs().max().item() <= BOUND[torch.float64]
    assert (ours - latents_alone(model, job)).abs().max().item() > 1e-3


def test_one_shared_timestep_would_not_equal_the_pipelines_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: were all rows at the first row's timestep, the bound above would not hold."""
    model = load_tiny("epsilon", torch.float64)
    predict = model.predict_noise
    monkeypatch.setattr(model, "predict_noise", lambda x, t, c: predict(x, t[:1].expand_as(t), c))
    jobs = crowd()
    ours = latents_in_a_crowd(model, jobs)
    monkeypatch.undo()

    worst = max((ours[job.request.seed] - latents_alone(model, job)).abs().max().item() for job in jobs)
    assert worst > 1e-2


def test_a_picture_equals_the_pipelines(tiny_model: LoadedModel) -> None:
    job = make_job()
    (ready,) = (event for event in events_of(tiny_model, [job]) if isinstance(event, ImageReady))
    tiny_model.family.pipeline.scheduler = make_scheduler(job.request.scheduler, tiny_model.family.scheduler_config)
    theirs = tiny_model.family.pipeline(
        job.request.prompt,
        num_inference_steps=job.request.steps,
        guidance_scale=job.request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(job.request.seed),
        width=32,
        height=32,
    ).images[0]

    assert difference(pixels(ready.image.png), np.asarray(theirs)) <= 1


def test_a_seed_gives_the_same_picture_alone_and_in_a_crowd(tiny_model: LoadedModel) -> None:
    jobs = crowd()
    in_a_crowd = {e.image.seed: e.image.png for e in events_of(tiny_model, jobs) if isinstance(e, ImageReady)}

    for job in jobs:
        (alone,) = (e.image.png for e in events_of(tiny_model, [job]) if isinstance(e, ImageReady))
        assert difference(pixels(alone), pixels(in_a_crowd[job.request.seed])) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_fixed_number_of_rows_pictures_are_bit_equal(kind: str) -> None:
    model = load_tiny(kind)
    jobs = crowd()
    together = latents_in_a_crowd(model, jobs, reproducible=True)
    for job in jobs:
        alone = latents_in_a_crowd(model, [job], reproducible=True)
        assert torch.equal(alone[job.request.seed], together[job.request.seed]), job.request.scheduler


def test_each_image_of_a_job_has_its_own_seed(tiny_model: LoadedModel) -> None:
    several = make_job(seed=2**32 - 2, count=4)
    together = {e.image.index: e.image for e in events_of(tiny_model, [several]) if isinstance(e, ImageReady)}

    assert [together[index].seed for index in range(4)] == [2**32 - 2, 2**32 - 1, 0, 1]
    (third,) = (e.image for e in events_of(tiny_model, [make_job(seed=0)]) if isinstance(e, ImageReady))
    assert difference(pixels(third.png), pixels(together[2].png)) <= 2


def events_of(model: LoadedModel, jobs: list[Job]) -> Iterator[Any]:
    engine = DiffusionEngine(model)
    for job in jobs:
        engine.admit(job)
    while engine.busy:
        yield from engine.step()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())
