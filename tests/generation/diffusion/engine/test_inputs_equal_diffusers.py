"""Rows that begin with a picture are what diffusers' own pipelines draw alone, beside any others in the batch."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
)
from PIL import Image

from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.families.schedules import Schedules
from generation.diffusion.families.stable_diffusion import StableDiffusion
from generation.diffusion.loading.model import LoadedModel
from generation.inputs import InputPicture, fitted
from generation.job import Job, JobInputs
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import SIZE, load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_alone, latents_in_a_crowd
from tests.generation.diffusion.tiny_models import KINDS, make_pipeline
from tests.pictures import png_of

BOUND = 1e-10
PIPELINES = {
    (False, False): StableDiffusionImg2ImgPipeline,
    (False, True): StableDiffusionInpaintPipeline,
    (True, False): StableDiffusionXLImg2ImgPipeline,
    (True, True): StableDiffusionXLInpaintPipeline,
}


@cache
def pictures() -> tuple[InputPicture, InputPicture]:
    """A picture of noise, and a mask with edges, lines and greys on both sides of the half."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    shades = np.zeros((SIZE, SIZE), np.uint8)
    shades[5:21, 9:27], shades[22:25], shades[26:29] = 255, 130, 120
    return (InputPicture.decode(png_of(Image.fromarray(noise))), InputPicture.decode(png_of(Image.fromarray(shades))))


def begin_with(job: Job, strength: float, *, masked: bool) -> Job:
    source, mask = pictures()
    hashes = {"source": source.sha256, "mask": mask.sha256 if masked else None}
    inputs = JobInputs(source=source.png, mask=mask.png if masked else None)
    return replace(job, request=replace(job.request, strength=strength, **hashes), inputs=lambda: inputs)


def crowd(*, inpaints: bool = False) -> list[Job]:
    """Jobs of every kind for every scheduler, of many lengths, in an order that mixes them."""
    kinds = [(None, False), (0.6, False), (1.0, False), (0.75, True), (1.0, True), (0.55, True)]
    jobs: list[Job] = []
    for scheduler in SchedulerName:
        for strength, masked in kinds if not inpaints else kinds[3:]:
            number = len(jobs)
            job = make_job(
                f"a {('red', 'blue', 'green')[number % 3]} heart",
                scheduler=scheduler,
                steps=4 + number % 5,
                guidance_scale=(7.5, 3.0, 1.0)[number % 3],
                seed=100 + number,
                negative_prompt="blue" if number % 2 else "",
            )
            jobs.append(job if strength is None else begin_with(job, strength, masked=masked))
    random.Random(1).shuffle(jobs)
    return jobs


def alone(model: LoadedModel, job: Job) -> torch.Tensor:
    """Draw the job with diffusers' own pipeline; return its latents [1, C, h, w]."""
    request = job.request
    if request.source is None:
        return latents_alone(model, job)
    pipeline = pipeline_of(model, request.scheduler, pictures=True, masked=request.mask is not None)
    size = (request.width, request.height)
    masked = {} if job.inputs().mask is None else {"mask_image": fitted(job.inputs().mask, size, size)}
    masked |= {"width": request.width, "height": request.height} if masked else {}
    return pipeline(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        image=fitted(job.inputs().source or b"", size, size),
        strength=request.strength,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
        **masked,
    ).images


def pipeline_of(model: LoadedModel, scheduler: str, *, pictures: bool, masked: bool) -> Any:
    """Make diffusers' own pipeline for image to image, for inpainting, or from text, of the model's parts."""
    parts: dict[str, Any] = dict(model.family.pipeline.components)
    parts["scheduler"] = make_scheduler(scheduler, model.family.scheduler_config)
    is_xl = parts.get("text_encoder_2") is not None
    further = {"requires_safety_checker": False} if not is_xl else {"requires_aesthetics_score": False}
    if pictures:
        pipeline = PIPELINES[is_xl, masked](**parts, **further)
    else:
        pipeline = type(model.family.pipeline)(**parts, **({} if is_xl else further))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load(kind: str, *, inpaints: bool = False, upcast: bool = False) -> LoadedModel:
    pipeline = make_pipeline(kind, vae={"force_upcast": upcast}, unet={"in_channels": 9} if inpaints else None)
    model = load_tiny(kind, torch.float64, pipeline=pipeline)
    model.family.spec = replace(model.spec, inpaints=inpaints)
    return model


def differences(model: LoadedModel, jobs: list[Job]) -> dict[tuple[Any, ...], float]:
    """The largest difference of each kind of job: scheduler, strength, whether there is a mask."""
    ours = latents_in_a_crowd(model, jobs)
    worst: dict[tuple[Any, ...], float] = {}
    for job in jobs:
        request = job.request
        kind = (request.scheduler, request.strength, request.mask is not None)
        difference = (ours[request.seed] - alone(model, job)).abs().max().item()
        worst[kind] = max(worst.get(kind, 0.0), difference)
    return worst


@pytest.mark.parametrize(("kind", "upcast"), [*((kind, False) for kind in KINDS), ("xl", True)])
def test_pictures_and_masks_equal_the_pipelines_beside_rows_from_noise(kind: str, upcast: bool) -> None:
    worst = differences(load(kind, upcast=upcast), crowd())
    assert len(worst) == 6 * len(SchedulerName)
    assert {key: value for key, value in worst.items() if not value <= BOUND} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_inpainting_models_equal_the_pipelines(kind: str) -> None:
    worst = differences(load(kind, inpaints=True), crowd(inpaints=True))
    assert {key: value for key, value in worst.items() if not value <= BOUND} == {}


def test_images_of_a_job_are_each_what_a_job_of_its_own_would_be() -> None:
    model = load("epsilon")
    for strength, masked in ((0.6, False), (0.8, True)):
        several = begin_with(make_job(seed=5, count=3), strength, masked=masked)
        together = latents_in_a_crowd(model, [several])
        for seed in (5, 6, 7):
            one = replace(several, request=replace(several.request, seed=seed, count=1))
            assert (together[seed] - alone(model, one)).abs().max() <= BOUND


def test_with_a_fixed_number_of_rows_images_are_bit_equal_alone_and_in_a_crowd() -> None:
    model = load_tiny("epsilon")
    jobs = crowd()[:14]
    together = latents_in_a_crowd(model, jobs, reproducible=True)
    for job in jobs:
        by_itself = latents_in_a_crowd(model, [job], reproducible=True)
        assert torch.equal(by_itself[job.request.seed], together[job.request.seed]), job.request


# Negative controls: each of these was got wrong once, and the bound above tells


def test_one_shared_timestep_would_not_equal_the_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("epsilon")
    predict = model.predict_noise
    monkeypatch.setattr(model, "predict_noise", lambda x, t, c: predict(x, t[:1].expand_as(t), c))
    jobs = [job for job in crowd() if job.request.source is not None][:6]
    ours = latents_in_a_crowd(model, jobs)
    monkeypatch.undo()
    assert max((ours[job.request.seed] - alone(model, job)).abs().max().item() for job in jobs) > 1e-2


def test_a_scheduler_that_is_not_told_where_it_begins_would_not_equal_the_pipelines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make = Schedules.make
    monkeypatch.setattr(Schedules, "make", lambda self, name, steps, g, *, first=0: make(self, name, steps, g))
    wrong = wrong_schedulers(lambda strength, masked: strength == 0.6)
    assert wrong >= set(SchedulerName) - {SchedulerName.DDIM}


def test_without_the_draw_of_the_unused_picture_ancestral_schedulers_would_not_equal_the_pipelines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = StableDiffusion.start
    randn = torch.randn

    def skipping(self: Any, request: Any, generator: torch.Generator, looked: Any = None) -> Any:
        draws: list[torch.Tensor] = []

        def twice(*args: Any, **settings: Any) -> torch.Tensor:
            """Draw the picture's latents and the noise, and nothing after them."""
            if len(draws) < 2:
                draws.append(randn(*args, **settings))
            return draws[-1]

        monkeypatch.setattr(torch, "randn", twice)
        try:
            return start(self, request, generator, looked)
        finally:
            monkeypatch.setattr(torch, "randn", randn)

    monkeypatch.setattr(StableDiffusion, "start", skipping)
    wrong = wrong_schedulers(lambda strength, masked: masked)
    assert wrong == {SchedulerName.EULER_A, SchedulerName.LCM}


def wrong_schedulers(among: Callable[[float, bool], bool]) -> set[str]:
    jobs = [
        job
        for job in crowd()
        if job.request.strength is not None and among(job.request.strength, job.request.mask is not None)
    ]
    worst = differences(load("epsilon"), jobs)
    return {scheduler for (scheduler, _, _), value in worst.items() if value > 1e-2}
