"""`python -m tests.benchmarks.gpu [PART ...] [--smoke]`: H-figures on a CUDA device, written to `.bench/gpu.json`.

Parts can be run alone, so that a short loan of a device is enough for some of them; what is asked for by name is added
to what the file has. Graphs are compiled first, all at once, and kept in `.bench/graph-cache`; the part "graphs" does
only that. A part that would probably not be done within `--seconds` is left out, and said to be: on a device that has
compiled nothing yet, all of them take several commands: `graphs`, then `H5 H12 H7 H8 H1 H2 H6 H11`, `H3 H4 H9 H13`,
`H14 H15 H16`, `H17` and `H10`. `--smoke` runs the same code at toy size on the CPU, with graphs that are the eager
call: it checks the benchmark, its figures mean nothing.
"""

import argparse
import json
import logging
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import generation.diffusion  # noqa: F401 - sets how OpenMP waits, before torch is imported

# ruff: noqa: I001
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from tests.benchmarks import peers
from tests.benchmarks.figures import Figure, keep, ratio, show
from tests.benchmarks.gpu_bench import SD, XL, Bench, ModelFamily, engine_of, kinds_of_calls
from tests.benchmarks.gpu_blocks import repeated_blocks
from tests.benchmarks.gpu_fairness import beside, busy
from tests.benchmarks.gpu_kernels import decoding, idle_share, matmul_share
from tests.benchmarks.gpu_pictures import alone_and_in_a_crowd
from tests.benchmarks.gpu_start import time_start
from tests.benchmarks.loras import rows_with_loras
from tests.benchmarks.static_batches import draw_all, latencies_in_batches

SECONDS = 510.0  #: with the imports before it, under nine minutes


def throughput(
    bench: Bench, name: str, model: LoadedModel, stock: LoadedModel, *, jobs: int, bar: float, stretch: float
) -> Figure:
    """Images a second, all jobs at once, against one plain pipeline call of `stock` after another."""
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(30)] * bench.jobs(jobs))
    few = crowd[: max(1, len(crowd) // 8)]
    engine = engine_of(bench, model)
    ours, theirs = _interleaved(
        bench,
        lambda: len(crowd) / peers.seconds(lambda: peers.drive(engine, crowd)),
        lambda: len(few) / peers.seconds(lambda: [peers.draw_alone(stock, job) for job in few]),
    )
    speeds = f"{statistics.median(ours):.2f} to {statistics.median(theirs):.2f} images/s"
    meaning = f"{model.spec.family} throughput / P1, {len(crowd)} jobs"
    return ratio(name, meaning, ours, theirs, bar, stretch, False, f"{speeds}; {kinds_of_calls(model)}")


def h3(bench: Bench) -> list[Figure]:
    """What batching alone brings: the same eager model on both sides."""
    with bench.eager(SD) as model:
        return [throughput(bench, "H3", model, model, jobs=32, bar=2.3, stretch=3.5)]


def h4(bench: Bench) -> list[Figure]:
    """Against static batches of same-step jobs: throughput of mixed steps, and latency at a lighter load."""
    model, stock = bench.model(SD), bench.stock(SD)
    kinds = [bench.steps(20), bench.steps(25), bench.steps(30)]
    crowd = peers.make_jobs(model.spec, steps=[kinds[number % 3] for number in range(bench.jobs(24))])
    engine = engine_of(bench, model)
    ours, theirs = _interleaved(
        bench,
        lambda: 1 / peers.seconds(lambda: peers.drive(engine, crowd)),
        lambda: 1 / peers.seconds(lambda: draw_all(stock, crowd)),
    )
    capacity = 3 / peers.seconds(lambda: [peers.draw_alone(stock, job) for job in crowd[:3]])
    arrivals = peers.poisson_arrivals(len(crowd), rate=0.9 * capacity, seed=1)
    waits = [
        statistics.mean(peers.latencies_together(engine, crowd, arrivals)),
        statistics.mean(latencies_in_batches(stock, crowd, arrivals)),
    ]
    note = f"{waits[0]:.2f} s to {waits[1]:.2f} s"
    return [
        ratio("H4", "throughput / P2, mixed steps", ours, theirs, 1.0, 1.2, False),
        ratio("H4_latency", "mean latency / P2, 0.9x P1's capacity", waits[:1], waits[1:], 0.7, 0.6, True, note),
    ]


def one_job(bench: Bench, name: str, family: ModelFamily, *, bar: float, stretch: float) -> Figure:
    """One job by compiled graphs against P1."""
    model, stock = bench.model(family), bench.stock(family)
    (job,) = peers.make_jobs(model.spec, steps=[bench.steps(30)])
    engine = engine_of(bench, model)
    called = 0 if model.graphs is None else model.graphs.called
    ours, theirs = _interleaved(
        bench,
        lambda: peers.seconds(lambda: peers.drive(engine, [job])),
        lambda: peers.seconds(lambda: peers.draw_alone(stock, job)),
    )
    calls = 0 if model.graphs is None else model.graphs.called - called
    times = f"{statistics.median(ours):.2f} s to {statistics.median(theirs):.2f} s"
    note = f"{times}, {calls} calls by graphs; {kinds_of_calls(model)}"
    return ratio(name, f"{family}, one job compiled / P1 eager", ours, theirs, bar, stretch, True, note)


def h6(bench: Bench) -> list[Figure]:
    """The price of batching for one who is alone: room for many rows against room for two."""
    model = bench.model(SD)
    (job,) = peers.make_jobs(model.spec, steps=[bench.steps(30)])
    wide, narrow = engine_of(bench, model), DiffusionEngine(model, max_rows=2)
    ours, theirs = _interleaved(
        bench,
        lambda: peers.seconds(lambda: peers.drive(wide, [job])),
        lambda: peers.seconds(lambda: peers.drive(narrow, [job])),
    )
    return [ratio("H6", "one job, batching on / off", ours, theirs, 1.03, 1.0)]


def h9(bench: Bench) -> list[Figure]:
    """Poisson arrivals at one and a half times what P1 can draw: the 95th percentile of waiting."""
    model, stock = bench.model(SD), bench.stock(SD)
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(30)] * bench.jobs(200))
    peers.draw_alone(stock, crowd[0])
    capacity = 2 / peers.seconds(lambda: [peers.draw_alone(stock, job) for job in crowd[:2]])
    arrivals = peers.poisson_arrivals(len(crowd), rate=1.5 * capacity, seed=1)
    ours = peers.p95(peers.latencies_together(engine_of(bench, model), crowd, arrivals))
    theirs = peers.p95(peers.latencies_alone(stock, crowd, arrivals))
    note = f"{len(crowd)} jobs, {ours:.2f} s to {theirs:.2f} s"
    return [ratio("H9", "p95 latency / P1, Poisson at 1.5x P1's capacity", [ours], [theirs], 0.2, 0.05, True, note)]


def h10(bench: Bench) -> list[Figure]:
    """Whole processes from a cold start, with no graph made: the first picture at once, or after compiling."""
    ours, theirs = (time_start(mode, smoke=bench.smoke) for mode in ("eager", "compiled"))
    note = f"{ours:.0f} s to {theirs:.0f} s"
    return [ratio("H10", "cold start to a picture, eager / compile first", [ours], [theirs], 0.5, 0.2, True, note)]


def h11(bench: Bench) -> list[Figure]:
    """Pictures alone and in a crowd: bit by bit at a fixed row count, and closely enough with graphs of buckets."""
    crowd = peers.make_jobs(bench.model(SD).spec, steps=[bench.steps(10)] * 3)
    with bench.eager(SD) as model:
        noise = alone_and_in_a_crowd(lambda: DiffusionEngine(model, max_rows=8, reproducible=True), crowd)
    bucket_noise = alone_and_in_a_crowd(lambda: engine_of(bench, bench.model(SD)), crowd)
    equal = [float(math.isinf(ratio)) for ratio in noise]
    worst = min(99.0, *bucket_noise)
    return [
        ratio("H11", "share of pictures bit-equal, fixed rows", [sum(equal)], [len(equal)], 1.0, None, False),
        ratio("H11_buckets", "dB, alone against in a crowd, graphs", [worst], [1.0], 40.0, 50.0, False),
    ]


#: In this order: those that say most first; H13 last of those in one process, for a profiler may slow what follows.
PARTS: dict[str, Callable[[Bench], Sequence[Figure]]] = {
    "H1": lambda bench: [throughput(bench, "H1", bench.model(SD), bench.stock(SD), jobs=32, bar=3.2, stretch=4.5)],
    "H5": lambda bench: [
        one_job(bench, "H5", SD, bar=0.7, stretch=0.52),
        one_job(bench, "H5_XL", XL, bar=0.8, stretch=0.6),
    ],
    "H12": lambda bench: [decoding(bench, "H12", SD), decoding(bench, "H12_XL", XL)],
    "H7": lambda bench: matmul_share(bench, "H7", SD, bar=0.45),
    "H8": lambda bench: matmul_share(bench, "H8", XL, bar=0.42),
    "H2": lambda bench: [throughput(bench, "H2", bench.model(XL), bench.stock(XL), jobs=16, bar=1.5, stretch=1.9)],
    "H6": h6,
    "H11": h11,
    "H3": h3,
    "H4": h4,
    "H9": h9,
    "H17": repeated_blocks,
    "H14": beside,
    "H15": busy,
    "H16": rows_with_loras,
    "H13": idle_share,
    "H10": h10,
}
NEED_NO_GRAPHS = {"H3", "H10", "H16"}
#: Seconds on an H100 with the graphs made, reckoned from published rates: no device has run this yet.
EXPECTED = {"H1": 30, "H5": 20, "H12": 5, "H7": 5, "H8": 10, "H2": 95, "H6": 5, "H11": 10, "H3": 35, "H4": 75}
EXPECTED |= {"H9": 220, "H14": 30, "H15": 250, "H16": 40, "H17": 240, "H13": 15, "H10": 330}


def main() -> int:
    """Measure the parts that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="graphs, or some of " + ", ".join(PARTS))
    parser.add_argument("--smoke", action="store_true", help="toy size on the CPU: checks the benchmark only")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time to be done in")
    options = parser.parse_args()
    if unknown := set(options.parts) - {"graphs", *PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.smoke and not torch.cuda.is_available():
        print("no CUDA device here; --smoke checks the benchmark itself on the CPU", file=sys.stderr)
        return 1
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    started = time.perf_counter()
    bench = Bench(smoke=options.smoke)
    print(f"{bench.name}, torch {torch.__version__}, {bench.dtype}", flush=True)
    chosen = [name for name in options.parts or PARTS if name in PARTS]
    if set(chosen) - NEED_NO_GRAPHS or "graphs" in options.parts:
        print(f"graphs are ready after {bench.prepare(bench.rows):.0f} s", flush=True)
    path = Path(".bench/gpu-smoke.json" if options.smoke else ".bench/gpu.json")
    figures: list[Figure] = []
    for name in chosen:
        if not options.smoke and time.perf_counter() - started + EXPECTED[name] > options.seconds:
            print(f"{name}: left out, it would take about {EXPECTED[name]} s", flush=True)
            continue
        try:
            found = PARTS[name](bench)
        except Exception as error:  # the other parts may still be worth the loan of the device
            if options.smoke:
                raise
            print(f"{name}: failed, {error!r}", flush=True)
            continue
        show(found)
        figures += found
        _keep(figures, path, bench.name)
    return 0


def _keep(figures: Sequence[Figure], path: Path, device: str) -> None:
    """Beside what the file already has of the same device."""
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    keep(figures, path)
    found = json.loads(path.read_text("utf-8"))
    known = known if known.get("device") == device else {}
    path.write_text(json.dumps({**known, "device": device, **found}, indent=2) + "\n", "utf-8")


def _interleaved(
    bench: Bench, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[list[float], list[float]]:
    return peers.interleaved(ours, theirs, repetitions=1 if bench.smoke else 3)


if __name__ == "__main__":
    sys.exit(main())
