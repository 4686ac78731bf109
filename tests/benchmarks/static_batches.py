"""P2: P1 with static batches, up to eight waiting jobs of as many steps in one pipeline call, drawn to the end."""

import time
from collections.abc import Sequence
from typing import Any

import torch

from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.loading.model import LoadedModel
from generation.job import Job
from generation.metadata import png_of
from tests.benchmarks.random_models import embeddings_of

BATCH = 8


def draw_batch(model: LoadedModel, jobs: Sequence[Job]) -> list[bytes]:
    """One pipeline call for all of these, which are alike but for their seeds."""
    request, pipeline = jobs[0].request, model.family.pipeline
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(request.scheduler, model.family.scheduler_config)
    words: dict[str, Any] = {
        name: embedding.expand(len(jobs), *embedding.shape[1:])
        for name, embedding in embeddings_of(model, request.guidance_scale, request.width).items()
    }
    pictures = pipeline(
        **words,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=[torch.Generator("cpu").manual_seed(job.request.seed) for job in jobs],
    ).images
    return [
        png_of(picture, job.request, seed=job.request.seed, model_hash=None)
        for picture, job in zip(pictures, jobs, strict=True)
    ]


def draw_all(model: LoadedModel, jobs: Sequence[Job]) -> None:
    """All jobs at once: sorted by steps, which is as kind as it gets to static batches."""
    for steps in sorted({job.request.steps for job in jobs}):
        same = [job for job in jobs if job.request.steps == steps]
        for start in range(0, len(same), BATCH):
            draw_batch(model, same[start : start + BATCH])


def latencies_in_batches(model: LoadedModel, jobs: Sequence[Job], arrivals: Sequence[float]) -> list[float]:
    """Seconds from each job's arrival to its picture: the oldest waiting job goes next, with those like it."""
    start = time.perf_counter()
    coming, waiting = list(zip(jobs, arrivals, strict=True)), list[tuple[Job, float]]()
    latencies: list[float] = []
    while coming or waiting:
        now = time.perf_counter() - start
        while coming and coming[0][1] <= now:
            waiting.append(coming.pop(0))
        if not waiting:
            time.sleep(max(0.0, coming[0][1] - now))
            continue
        steps = waiting[0][0].request.steps
        batch = [entry for entry in waiting if entry[0].request.steps == steps][:BATCH]
        waiting = [entry for entry in waiting if entry not in batch]
        draw_batch(model, [job for job, _ in batch])
        done = time.perf_counter() - start
        latencies += [done - arrival for _, arrival in batch]
    return latencies
