"""Texts of several lengths share a call, and each image is what it is alone, also where a job has several prompts."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from generation.catalog import DrawingOptions
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.base import Conditioning
from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.loading.model import LoadedModel
from generation.job import Job
from generation.request import WORD_FOR_WORD
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd

LONG = "a red heart on a blue table " * 25
BOUND = 1e-10


def crowd() -> list[Job]:
    return [
        make_job("a red heart", seed=1, steps=6),
        make_job(LONG, negative_prompt="(blue:1.3)", seed=2, steps=5),
        make_job("(red:1.4) [heart]", negative_prompt=LONG[:400], seed=3, steps=4),
        make_job("a BREAK b BREAK c", seed=4, steps=4, guidance_scale=1.0),
    ]


def latents_alone(model: LoadedModel, job: Job) -> torch.Tensor:
    """Draw with the pipeline itself, which is given the embeddings."""
    request = job.request
    size = {"width": request.width, "height": request.height}
    told = model.encode(request.prompt, request.negative_prompt, guidance_scale=request.guidance_scale, **size)
    given: dict[str, Any] = {"prompt_embeds": told.positive.text}
    if told.positive.pooled is not None:
        given["pooled_prompt_embeds"] = told.positive.pooled
    if told.negative is not None:
        given["negative_prompt_embeds"] = told.negative.text
        if told.negative.pooled is not None:
            given["negative_pooled_prompt_embeds"] = told.negative.pooled
    family: Any = model.family
    pipeline = family.pipeline
    pipeline.scheduler = make_scheduler(request.scheduler, family.scheduler_config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
        **size,
        **given,
    ).images


@pytest.mark.parametrize("kind", ["epsilon", "xl"])
def test_each_equals_the_pipeline_alone(kind: str) -> None:
    model = load_tiny(kind, torch.float64)
    ours = latents_in_a_crowd(model, crowd())
    for job in crowd():
        assert (ours[job.request.seed] - latents_alone(model, job)).abs().max().item() <= BOUND


def calls_of(engine: DiffusionEngine, *jobs: Job) -> int:
    for job in jobs:
        engine.admit(job)
    while engine.busy:
        engine.step()
    return engine.calls


def test_they_share_each_call() -> None:
    jobs = (make_job("a red heart"), make_job(LONG), make_job("a BREAK b"))
    assert calls_of(DiffusionEngine(load_tiny("epsilon"), max_rows=6), *jobs) == 4


def test_where_the_last_bit_counts_each_length_has_calls_of_its_own() -> None:
    jobs = (make_job("a red heart"), make_job(LONG), make_job("a BREAK b"))
    assert calls_of(DiffusionEngine(load_tiny("epsilon"), max_rows=6, reproducible=True), *jobs) == 12


def test_the_mask_is_what_keeps_the_shorter_text_as_it_is() -> None:
    model = load_tiny("epsilon", torch.float64)
    size = {"guidance_scale": 1.0, "width": 32, "height": 32}
    parts = [model.encode(prompt, "", **size).positive for prompt in ("a red heart", LONG)]
    together = Conditioning.stack(parts)
    latents, times = torch.randn(2, 4, 16, 16, dtype=torch.float64), torch.tensor([999.0, 300.0])
    alone = model.predict_noise(latents[:1], times[:1], parts[0])
    assert (model.predict_noise(latents, times, together)[:1] - alone).abs().max() < BOUND
    unmasked = replace(together, mask=None)
    assert (model.predict_noise(latents, times, unmasked)[:1] - alone).abs().max() > 1e-4


def test_each_image_has_what_was_drawn_of_the_alternatives_for_its_seed() -> None:
    model = load_tiny("epsilon", torch.float64)
    chosen = DrawingOptions(
        prompt="a {red|blue|(green:1.5)} heart",
        negative_prompt="{|dark}",
        count=4,
        seed=3,
        width=32,
        height=32,
        steps=4,
    )
    request = model.spec.request(chosen)
    assert len(set(request.texts)) > 1
    ours = latents_in_a_crowd(model, [replace(make_job(), request=request)])
    for one in request.alone:
        alone = latents_in_a_crowd(model, [replace(make_job(), request=one)])
        assert (ours[one.seed] - alone[one.seed]).abs().max().item() <= BOUND


def test_a_prompt_of_earlier_days_draws_what_it_drew() -> None:
    model = load_tiny("epsilon", torch.float64)
    drawn = latents_in_a_crowd(model, [make_job("a (red:1.5) {a|b} heart", syntax=WORD_FOR_WORD, seed=1)])[1]
    family: Any = model.family
    pipeline = family.pipeline
    pipeline.scheduler = make_scheduler(make_job().request.scheduler, family.scheduler_config)
    wish = {"num_inference_steps": 4, "guidance_scale": 5.0, "width": 32, "height": 32, "output_type": "latent"}
    theirs = pipeline("a (red:1.5) {a|b} heart", generator=torch.Generator("cpu").manual_seed(1), **wish).images
    assert (drawn - theirs).abs().max().item() <= BOUND
