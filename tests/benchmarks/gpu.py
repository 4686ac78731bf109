"""`python -m tests.benchmarks.gpu [PART ...] [--smoke]`: H-figures on a CUDA device, written to `.bench/gpu.json`.

Parts can be run alone, so that a short loan of a device is enough for some of them. `--smoke` runs the same code at toy
size on the CPU: it checks the benchmark, its figures mean nothing. H5 and H10 need compiled graphs, which the engine
does not have yet; they are not measured.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import generation.diffusion  # noqa: F401 - sets how OpenMP waits, before torch is imported

# ruff: noqa: I001
import torch

from generation.catalog import ModelFamily
from generation.diffusion.engine import DiffusionEngine
from generation.diffusion.model import LoadedModel
from generation.events import ImageReady
from generation.job import Job
from tests.benchmarks import peers
from tests.benchmarks.figures import Figure, keep, show
from tests.benchmarks.random_models import random_model

TFLOP_A_ROW = {ModelFamily.STABLE_DIFFUSION: 0.803, ModelFamily.STABLE_DIFFUSION_XL: 6.761}
SD, XL = ModelFamily.STABLE_DIFFUSION, ModelFamily.STABLE_DIFFUSION_XL


class Bench:
    """The device, and the models on it, each made when it is first needed."""

    def __init__(self, *, smoke: bool) -> None:
        self.smoke = smoke
        self.device = "cpu" if smoke else "cuda"
        self.dtype = torch.float32 if smoke else torch.bfloat16
        self.name = "CPU, toy size" if smoke else torch.cuda.get_device_name()
        self._model: LoadedModel | None = None

    def model(self, family: ModelFamily) -> LoadedModel:
        """The model of that family; only one is kept at a time."""
        if self._model is None or self._model.spec.family is not family:
            self._model = None
            self._model = random_model(family, device=self.device, dtype=self.dtype, toy=self.smoke)
        return self._model

    def steps(self, number: int) -> int:
        return 2 if self.smoke else number

    def jobs(self, number: int) -> int:
        return min(number, 3) if self.smoke else number


def throughput(bench: Bench, name: str, family: ModelFamily, *, jobs: int, bar: float, stretch: float) -> Figure:
    """Images a second, all jobs at once, against one pipeline call after another."""
    model = bench.model(family)
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(30)] * bench.jobs(jobs))
    few = crowd[: max(1, len(crowd) // 8)]
    engine = DiffusionEngine(model, max_rows=16)
    ours, theirs = _interleaved(
        bench,
        lambda: len(crowd) / peers.seconds(lambda: peers.drive(engine, crowd)),
        lambda: len(few) / peers.seconds(lambda: [peers.draw_alone(model, job) for job in few]),
    )
    note = f"{statistics.median(ours):.2f} to {statistics.median(theirs):.2f} images/s"
    ratios = [mine / peer for mine, peer in zip(ours, theirs, strict=True)]
    return _figure(
        name, f"{family} throughput / P1 eager, {len(crowd)} jobs", ratios, bar, stretch, lower=False, note=note
    )


def h4(bench: Bench) -> list[Figure]:
    """Against static batches of same-step jobs, mixed steps."""
    model = bench.model(SD)
    kinds = [bench.steps(20), bench.steps(25), bench.steps(30)]
    crowd = peers.make_jobs(model.spec, steps=[kinds[number % 3] for number in range(bench.jobs(24))])
    engine = DiffusionEngine(model, max_rows=16)

    def static() -> None:
        for steps in sorted(set(kinds)):
            same = [job for job in crowd if job.request.steps == steps]
            for start in range(0, len(same), 8):
                peers.drive(DiffusionEngine(model, max_rows=16), same[start : start + 8])

    ours, theirs = _interleaved(
        bench, lambda: 1 / peers.seconds(lambda: peers.drive(engine, crowd)), lambda: 1 / peers.seconds(static)
    )
    ratios = [mine / peer for mine, peer in zip(ours, theirs, strict=True)]
    return [_figure("H4", "throughput / P2, mixed steps", ratios, 1.0, 1.2, lower=False)]


def h6(bench: Bench) -> list[Figure]:
    """The price of batching for one who is alone: room for sixteen rows against room for two."""
    model = bench.model(SD)
    (job,) = peers.make_jobs(model.spec, steps=[bench.steps(30)])
    wide, narrow = DiffusionEngine(model, max_rows=16), DiffusionEngine(model, max_rows=2)
    ours, theirs = _interleaved(
        bench,
        lambda: peers.seconds(lambda: peers.drive(wide, [job])),
        lambda: peers.seconds(lambda: peers.drive(narrow, [job])),
    )
    ratios = [mine / peer for mine, peer in zip(ours, theirs, strict=True)]
    return [_figure("H6", "one job, batching on / off", ratios, 1.03, 1.0)]


def matmul_share(bench: Bench, name: str, family: ModelFamily, *, bar: float) -> list[Figure]:
    """The U-Net's TFLOP/s at its best row count, against a large matrix product in the same run."""
    model = bench.model(family)
    side = 64 if bench.smoke else 8192
    matrix = torch.randn(side, side, device=bench.device, dtype=bench.dtype)
    matmul = 2 * side**3 / 1e12 / _best(bench, lambda: matrix @ matrix)
    shape = model.latent_shape(model.spec.native_size, model.spec.native_size)
    size = model.spec.native_size
    row = model.encode("", "", guidance_scale=1.0, width=size, height=size).positive
    rates: dict[int, float] = {}
    for rows in (2, 4) if bench.smoke else (2, 4, 8, 16, 32):
        latents = torch.randn(rows, *shape, device=bench.device, dtype=bench.dtype)
        timesteps = torch.full((rows,), 500.0, device=bench.device)
        many = type(row).stack([row] * rows)
        took = _best(bench, lambda x=latents, t=timesteps, c=many: model.predict_noise(x, t, c))
        rates[rows] = rows * TFLOP_A_ROW[family] / took
    knee = max(rates, key=lambda rows: rates[rows])
    note = f"matmul {matmul:.0f} TFLOP/s; rows: " + ", ".join(f"{rows}: {rate:.0f}" for rows, rate in rates.items())
    share = rates[knee] / matmul
    return [_figure(name, f"{family} U-Net TFLOP/s / matmul, {knee} rows", [share], bar, 0.6, lower=False, note=note)]


def h9(bench: Bench) -> list[Figure]:
    """Poisson arrivals at one and a half times what P1 can draw: the 95th percentile of waiting."""
    model = bench.model(SD)
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(30)] * bench.jobs(100))
    capacity = 2 / peers.seconds(lambda: [peers.draw_alone(model, job) for job in crowd[:2]])
    arrivals = peers.poisson_arrivals(len(crowd), rate=1.5 * capacity, seed=1)
    ours = peers.latencies_together(DiffusionEngine(model, max_rows=16), crowd, arrivals)
    theirs = peers.latencies_alone(model, crowd, arrivals)
    return [
        _figure(
            "H9", "p95 latency / P1, Poisson at 1.5x P1's capacity", [peers.p95(ours) / peers.p95(theirs)], 0.2, 0.05
        )
    ]


def h11(bench: Bench) -> list[Figure]:
    """Pictures alone and in a crowd at a fixed row count, bit by bit."""
    model = bench.model(SD)
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(10)] * 3)
    together = _pictures(model, crowd)
    equal = [_pictures(model, [job])[job.request.seed] == together[job.request.seed] for job in crowd]
    return [
        _figure("H11", "share of pictures bit-equal, fixed rows", [sum(equal) / len(equal)], 1.0, None, lower=False)
    ]


def h12(bench: Bench) -> list[Figure]:
    """Decoding as the engine does it, against the stock VAE."""
    model = bench.model(SD)
    shape = model.latent_shape(model.spec.native_size, model.spec.native_size)
    latents = torch.randn(1, *shape, device=bench.device, dtype=bench.dtype)
    stock = _best(bench, lambda: model.vae.decode(latents / model.vae.config.scaling_factor, return_dict=False))
    return [_figure("H12", "VAE decode / stock", [_best(bench, lambda: model.decode(latents)) / stock], 0.5, 0.3)]


def h13(bench: Bench) -> list[Figure]:
    """The share of time in which no kernel runs, over ticks with a full batch."""
    model = bench.model(SD)
    engine = DiffusionEngine(model, max_rows=16)
    for job in peers.make_jobs(model.spec, steps=[bench.steps(40)] * 8):
        engine.admit(job)
    engine.step()
    if bench.smoke:
        return []
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        wall = peers.seconds(lambda: [engine.step() for _ in range(20)])
    busy = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    return [_figure("H13", "GPU idle share between ticks, full load", [1 - busy / wall], 0.05, 0.02)]


PARTS: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    "H1": lambda bench: [throughput(bench, "H1", SD, jobs=32, bar=3.2, stretch=4.5)],
    "H3": lambda bench: [throughput(bench, "H3", SD, jobs=32, bar=2.3, stretch=3.5)],
    "H4": h4,
    "H6": h6,
    "H7": lambda bench: matmul_share(bench, "H7", SD, bar=0.45),
    "H9": h9,
    "H11": h11,
    "H12": h12,
    "H13": h13,
    "H2": lambda bench: [throughput(bench, "H2", XL, jobs=16, bar=1.5, stretch=1.9)],
    "H8": lambda bench: matmul_share(bench, "H8", XL, bar=0.42),
}


def main() -> int:
    """Measure the parts that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="some of " + ", ".join(PARTS))
    parser.add_argument("--smoke", action="store_true", help="toy size on the CPU: checks the benchmark only")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.smoke and not torch.cuda.is_available():
        print("no CUDA device here; --smoke checks the benchmark itself on the CPU", file=sys.stderr)
        return 1
    bench = Bench(smoke=options.smoke)
    print(f"{bench.name}, torch {torch.__version__}, {bench.dtype}")
    figures: list[Figure] = []
    for name in options.parts or PARTS:
        found = PARTS[name](bench)
        show(found)
        figures += found
    path = Path(".bench/gpu-smoke.json" if options.smoke else ".bench/gpu.json")
    keep(figures, path)
    path.write_text(json.dumps({"device": bench.name, **json.loads(path.read_text())}, indent=2) + "\n", "utf-8")
    return 0


def _pictures(model: LoadedModel, jobs: Sequence[Job]) -> dict[int, bytes]:
    engine = DiffusionEngine(model, max_rows=8, reproducible=True)
    return {event.image.seed: event.image.png for event in peers.drive(engine, jobs) if isinstance(event, ImageReady)}


def _interleaved(
    bench: Bench, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[list[float], list[float]]:
    return peers.interleaved(ours, theirs, repetitions=1 if bench.smoke else 3)


def _best(bench: Bench, work: Callable[[], object]) -> float:
    """Seconds of the best of several runs, the device waited for."""

    def once() -> float:
        return peers.seconds(lambda: (work(), torch.cuda.synchronize() if bench.device == "cuda" else None))

    once()
    return min(once() for _ in range(2 if bench.smoke else 8))


def _figure(
    name: str,
    meaning: str,
    values: Sequence[float],
    bar: float,
    stretch: float | None,
    *,
    lower: bool = True,
    note: str = "",
) -> Figure:
    spread = f"range {min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
    return Figure(
        name=name,
        meaning=meaning,
        value=statistics.median(values),
        bar=bar,
        stretch=stretch,
        unit="",
        lower_is_better=lower,
        note=", ".join(part for part in (spread, note) if part),
    )


if __name__ == "__main__":
    sys.exit(main())
