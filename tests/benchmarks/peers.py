"""What the engine is measured against, on the same weights: P1 and P3 of the peers.

P1 is a plain pipeline call per job in arrival order, what bots in front of a web interface do. P3 is the U-Net called
in a bare loop, the least that any sampler has to pay.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import torch

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.loading.model import LoadedModel
from generation.events import JobDone, WorkerEvent
from generation.job import Job, JobId
from generation.metadata import png_of
from tests.benchmarks.random_models import embeddings_of

REPETITIONS = 5


def make_jobs(spec: ModelSpec, *, steps: Sequence[int], size: int | None = None) -> list[Job]:
    """One job for each number of steps, all of the model's default scheduler and guidance."""
    return [
        Job(
            id=uuid.uuid4(),
            request=spec.request(DrawingOptions(prompt="a red heart", steps=count, seed=seed, width=size, height=size)),
            requester=str(seed),
        )
        for seed, count in enumerate(steps)
    ]


def draw_alone(model: LoadedModel, job: Job) -> bytes:
    """P1: one pipeline call, and the PNG that a bot would post."""
    request = job.request
    pipeline = model.family.pipeline
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(request.scheduler, model.family.scheduler_config)
    words: dict[str, Any] = {"prompt": request.prompt}
    if pipeline.text_encoder is None:
        words = dict(embeddings_of(model, request.guidance_scale, request.width))
    picture = pipeline(
        **words,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
    ).images[0]
    return png_of(picture, request, seed=request.seed, model_hash=None)


def drive(engine: DiffusionEngine, jobs: Sequence[Job]) -> list[WorkerEvent]:
    """All jobs at once, to the last picture. Raises RuntimeError if one of them is not drawn."""
    for job in jobs:
        engine.admit(job)
    events: list[WorkerEvent] = []
    while engine.busy:
        events += engine.step()
    if sum(isinstance(event, JobDone) for event in events) != len(jobs):
        raise RuntimeError("a job was not drawn: the figure would mean nothing")
    return events


def poisson_arrivals(count: int, *, rate: float, seed: int) -> list[float]:
    """Seconds at which jobs arrive: exponential gaps of mean 1 / rate, the same for the same seed."""
    generator = random.Random(seed)
    now, arrivals = 0.0, []
    for _ in range(count):
        now += generator.expovariate(rate)
        arrivals.append(now)
    return arrivals


def latencies_alone(model: LoadedModel, jobs: Sequence[Job], arrivals: Sequence[float]) -> list[float]:
    """P1 under load: seconds from each job's arrival to its picture, one after another."""
    start = time.perf_counter()
    latencies: list[float] = []
    for job, arrival in zip(jobs, arrivals, strict=True):
        time.sleep(max(0.0, start + arrival - time.perf_counter()))
        draw_alone(model, job)
        latencies.append(time.perf_counter() - start - arrival)
    return latencies


def latencies_together(engine: DiffusionEngine, jobs: Sequence[Job], arrivals: Sequence[float]) -> list[float]:
    """The engine under the same load."""
    start = time.perf_counter()
    waiting = list(zip(jobs, arrivals, strict=True))
    arrived: dict[JobId, float] = {}
    latencies: list[float] = []
    while waiting or engine.busy:
        now = time.perf_counter() - start
        while waiting and waiting[0][1] <= now:
            job, arrival = waiting.pop(0)
            arrived[job.id] = arrival
            engine.admit(job)
        if not engine.busy:
            time.sleep(max(0.0, waiting[0][1] - now))
            continue
        for event in engine.step():
            if isinstance(event, JobDone):
                latencies.append(time.perf_counter() - start - arrived[event.job_id])
    return latencies


def p95(values: Sequence[float]) -> float:
    """The 95th percentile: the value that one in twenty exceeds."""
    return sorted(values)[min(int(len(values) * 0.95), len(values) - 1)]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(
    ours: Callable[[], float], theirs: Callable[[], float], *, repetitions: int = REPETITIONS
) -> tuple[list[float], list[float]]:
    """Both sides in turn, so that a noisy neighbour meets both; the first turn of each only warms up."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(repetitions)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
