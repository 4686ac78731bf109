"""C1 to C4: throughput, latency, the price of being alone, the time outside the U-Net; each against a plain peer."""

import statistics
import time

import torch

from generation.diffusion.engine.batch import ImageRun
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.engine.previews import Previews
from generation.diffusion.families.base import Conditioning
from generation.diffusion.loading.model import LoadedModel
from tests.benchmarks.beside import ROWS, latencies_beside
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.peers import (
    REPETITIONS,
    draw_alone,
    drive,
    interleaved,
    latencies_alone,
    latencies_together,
    make_jobs,
    p95,
    poisson_arrivals,
    seconds,
)

CROWD = [10, 20, 30, 20] * 4  #: steps of sixteen jobs
ARRIVALS = 24
LOAD = 1.6  #: times what P1 can draw
PREVIEWED_STEPS = 80  #: some seconds


def measure_speed(model: LoadedModel, label: str, *, repetitions: int = REPETITIONS) -> list[Figure]:
    """All four for one model, both sides with the number of threads that the engine chooses: the faster for both."""
    torch.set_num_threads(model.threads)
    return [
        _throughput(model, label, repetitions),
        _latency(model, label, repetitions),
        _alone(model, label),
        _overhead(model, label),
    ]


def _throughput(model: LoadedModel, label: str, repetitions: int) -> Figure:
    jobs = make_jobs(model.spec, steps=CROWD)
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: len(jobs) / seconds(lambda: drive(engine, jobs)),
        lambda: len(jobs) / seconds(lambda: [draw_alone(model, job) for job in jobs]),
        repetitions=repetitions,
    )
    meaning = f"throughput / P1, 16 jobs at once, threads: {model.threads}"
    return ratio(f"C1{label}", meaning, ours, theirs, bar=1.5, stretch=2.0, lower=False)


def _latency(model: LoadedModel, label: str, repetitions: int) -> Figure:
    jobs = make_jobs(model.spec, steps=[10 + 10 * (number % 3) for number in range(ARRIVALS)])
    capacity = len(CROWD) / seconds(lambda: [draw_alone(model, job) for job in jobs[: len(CROWD)]])
    arrivals = poisson_arrivals(ARRIVALS, rate=LOAD * capacity, seed=1)
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: p95(latencies_together(engine, jobs, arrivals)),
        lambda: p95(latencies_alone(model, jobs, arrivals)),
        repetitions=repetitions,
    )
    return ratio(f"C2{label}", "p95 latency / P1, Poisson at 1.6x P1's capacity", ours, theirs, bar=0.6, stretch=0.4)


def _alone(model: LoadedModel, label: str) -> Figure:
    (job,) = make_jobs(model.spec, steps=[20])
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: min(seconds(lambda: drive(engine, [job])) for _ in range(3)),
        lambda: min(seconds(lambda: draw_alone(model, job)) for _ in range(3)),
    )
    return ratio(f"C3{label}", "one job alone, wall time / P1", ours, theirs, bar=1.05, stretch=1.0)


def _overhead(model: LoadedModel, label: str) -> Figure:
    """Everything that is not the U-Net, decoding apart: what P3 does not do.

    Both sides are taken from each step: the U-Net call in it is P3's, so a noisy neighbour meets both.
    """
    engine = DiffusionEngine(model, max_rows=16)
    for job in make_jobs(model.spec, steps=[50] * 8):
        engine.admit(job)
    inside: list[float] = []
    predict = model.predict_noise

    def timed(latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        start = time.perf_counter()
        prediction = predict(latents, timesteps, conditioning)
        inside.append(time.perf_counter() - start)
        return prediction

    model.predict_noise = timed  # type: ignore[method-assign]
    try:
        steps = [seconds(engine.step) for _ in range(45)]
    finally:
        del model.predict_noise
    if len(inside) != len(steps):
        raise RuntimeError("a step was not one U-Net call: the figure would mean nothing")
    pairs = list(zip(steps, inside, strict=True))[5:]
    return ratio(
        f"C4{label}",
        "time outside the U-Net / P3, 8 jobs",
        [step - call for step, call in pairs],
        [call for _, call in pairs],
        bar=0.15,
        stretch=0.08,
    )


def measure_beside(model: LoadedModel) -> Figure:
    """C10: two pictures of 20 steps beside another member's four of 150, which fill the call, over alone."""
    beside, alone = latencies_beside(lambda: DiffusionEngine(model, max_rows=ROWS), model.spec, repetitions=REPETITIONS)
    note = f"{statistics.median(beside):.2f} s to {statistics.median(alone):.2f} s"
    return ratio(
        "C10", "latency beside another member's 4 x 150 / alone", beside, alone, bar=2.0, stretch=1.75, note=note
    )


def measure_previews(model: LoadedModel) -> Figure:
    """The share of the time that previews take while 8 images run, at the interval that members see."""
    engine = DiffusionEngine(model, max_rows=16)
    drive(engine, make_jobs(model.spec, steps=[1]))
    draw, took = Previews.draw, list[float]()

    def timed(previews: Previews, image: ImageRun, prediction: torch.Tensor) -> bytes | None:
        start = time.perf_counter()
        preview = draw(previews, image, prediction)
        took.append(time.perf_counter() - start)
        return preview

    Previews.draw = timed  # type: ignore[method-assign]
    try:
        wall = seconds(lambda: drive(engine, make_jobs(model.spec, steps=[PREVIEWED_STEPS] * 8)))
    finally:
        Previews.draw = draw  # type: ignore[method-assign]
    if len(took) < 8:
        raise RuntimeError("hardly a preview was drawn: the figure would mean nothing")
    # The first one makes the map of colours, once in the model's life.
    each = statistics.mean(took[1:])
    return Figure(
        name="previews",
        meaning="share of the time that previews take, 8 images",
        value=each * len(took) / wall,
        bar=0.02,
        stretch=0.01,
        unit="",
        note=f"{len(took)} of {each * 1000:.1f} ms in {wall:.1f} s, and {took[0] * 1000:.0f} ms once",
    )
