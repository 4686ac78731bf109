"""C1 to C4: throughput, latency, the price of being alone, the time outside the U-Net; each against a plain peer."""

import statistics
from collections.abc import Callable, Sequence

import torch

from generation.diffusion.engine import DiffusionEngine
from generation.diffusion.model import LoadedModel
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import (
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


def measure_speed(model: LoadedModel, label: str) -> list[Figure]:
    """All four for one model."""
    return [_throughput(model, label), _latency(model, label), _alone(model, label), _overhead(model, label)]


def _throughput(model: LoadedModel, label: str) -> Figure:
    jobs = make_jobs(model.spec, steps=CROWD)
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: len(jobs) / seconds(lambda: drive(engine, jobs)),
        lambda: len(jobs) / seconds(lambda: [draw_alone(model, job) for job in jobs]),
    )
    return _ratio(f"C1{label}", "throughput / P1, 16 jobs at once", ours, theirs, bar=1.5, stretch=2.0, lower=False)


def _latency(model: LoadedModel, label: str) -> Figure:
    jobs = make_jobs(model.spec, steps=[10 + 10 * (number % 3) for number in range(ARRIVALS)])
    capacity = len(CROWD) / seconds(lambda: [draw_alone(model, job) for job in jobs[: len(CROWD)]])
    arrivals = poisson_arrivals(ARRIVALS, rate=LOAD * capacity, seed=1)
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: p95(latencies_together(engine, jobs, arrivals)),
        lambda: p95(latencies_alone(model, jobs, arrivals)),
    )
    return _ratio(f"C2{label}", "p95 latency / P1, Poisson at 1.6x P1's capacity", ours, theirs, bar=0.6, stretch=0.4)


def _alone(model: LoadedModel, label: str) -> Figure:
    (job,) = make_jobs(model.spec, steps=[20])
    engine = DiffusionEngine(model)
    ours, theirs = interleaved(
        lambda: min(seconds(lambda: drive(engine, [job])) for _ in range(3)),
        lambda: min(seconds(lambda: draw_alone(model, job)) for _ in range(3)),
    )
    return _ratio(f"C3{label}", "one job alone, wall time / P1", ours, theirs, bar=1.05, stretch=1.0)


def _overhead(model: LoadedModel, label: str) -> Figure:
    """Everything that is not the U-Net, decoding apart: what P3 does not do."""
    jobs = make_jobs(model.spec, steps=[60] * 8)
    engine = DiffusionEngine(model, max_rows=16)
    for job in jobs:
        engine.admit(job)
    engine.step()
    call = _recorded_call(model, engine)
    ours, theirs = interleaved(lambda: _one_step(engine), call)
    outside = [mine - bare for mine, bare in zip(ours, theirs, strict=True)]
    return _ratio(f"C4{label}", "time outside the U-Net / P3, 8 jobs", outside, theirs, bar=0.15, stretch=0.08)


def _one_step(engine: DiffusionEngine) -> float:
    return min(seconds(engine.step) for _ in range(4))


def _recorded_call(model: LoadedModel, engine: DiffusionEngine) -> Callable[[], float]:
    """The U-Net call that the engine's next step makes, to be made again bare."""
    predict, calls = model.predict_noise, []

    def record(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(arguments)
        return predict(*arguments)

    model.predict_noise = record  # type: ignore[method-assign]
    engine.step()
    del model.predict_noise
    return lambda: min(seconds(lambda: predict(*calls[0])) for _ in range(4))


def _ratio(
    name: str,
    meaning: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    bar: float,
    stretch: float,
    lower: bool = True,
) -> Figure:
    ratios = sorted(mine / peer for mine, peer in zip(ours, theirs, strict=True))
    return Figure(
        name=name,
        meaning=meaning,
        value=statistics.median(ratios),
        bar=bar,
        stretch=stretch,
        unit="",
        lower_is_better=lower,
        note=f"range {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )
