"""What the device itself does: TFLOP/s of the U-Net, decoding, and the time in which it waits for the next kernel."""

import statistics
import time
from collections.abc import Callable

import torch

from generation.request import SYNTAX
from tests.benchmarks import peers
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.gpu_bench import SD, XL, Bench, ModelFamily, engine_of, kinds_of_calls

TFLOP_A_ROW = {SD: 0.803, XL: 6.761}


def matmul_share(bench: Bench, name: str, family: ModelFamily, *, bar: float) -> list[Figure]:
    """The U-Net's TFLOP/s at its best row count, against a large matrix product in the same run."""
    model = bench.model(family)
    side = 64 if bench.smoke else 8192
    matrix = torch.randn(side, side, device=bench.device, dtype=bench.dtype)
    works: list[Callable[[], object]] = [lambda: matrix @ matrix]
    size = model.spec.native_size
    shape = model.latent_shape(size, size)
    row = model.encode("", "", syntax=SYNTAX, guidance_scale=1.0, width=size, height=size).positive
    for rows in bench.rows[family]:
        latents = torch.randn(rows, *shape, device=bench.device, dtype=bench.dtype)
        timesteps = torch.full((rows,), 500.0, device=bench.device)
        many = type(row).stack([row] * rows)
        works.append(lambda x=latents, t=timesteps, c=many: model.predict_noise(x, t, c))
    took = _in_turn(bench, *works)
    matmul = [2 * side**3 / 1e12 / seconds for seconds in took[0]]
    rates = {
        rows: [rows * TFLOP_A_ROW[family] / seconds for seconds in each]
        for rows, each in zip(bench.rows[family], took[1:], strict=True)
    }
    medians = {rows: statistics.median(each) for rows, each in rates.items()}
    knee = max(medians, key=lambda rows: medians[rows])
    note = ", ".join(f"{rows}: {rate:.0f}" for rows, rate in medians.items())
    note = f"matmul {statistics.median(matmul):.0f} TFLOP/s; rows: {note}; {kinds_of_calls(model)}"
    return [ratio(name, f"{family} U-Net TFLOP/s / matmul, {knee} rows", rates[knee], matmul, bar, 0.6, False, note)]


def decoding(bench: Bench, name: str, family: ModelFamily) -> Figure:
    """Decoding as the engine does it, against the VAE as a plain pipeline has it."""
    model, stock = bench.model(family), bench.stock(family)
    shape = model.latent_shape(model.spec.native_size, model.spec.native_size)
    latents = torch.randn(1, *shape, device=bench.device, dtype=bench.dtype)
    vae = stock.family.parts.vae
    with torch.inference_mode():
        ours, theirs = _in_turn(
            bench,
            lambda: model.decode(latents),
            lambda: vae.decode(latents / vae.config.scaling_factor, return_dict=False),
        )
    note = f"{1000 * statistics.median(ours):.1f} ms to {1000 * statistics.median(theirs):.1f} ms"
    return ratio(name, f"{family} VAE decode / stock", ours, theirs, 0.5, 0.3, True, note)


def idle_share(bench: Bench) -> list[Figure]:
    """The share of time in which no kernel runs, over ticks with a full batch."""
    model = bench.model(SD)
    engine = engine_of(bench, model)
    for job in peers.make_jobs(model.spec, steps=[bench.steps(60)] * (bench.rows[SD][-1] // 2)):
        engine.admit(job)
    started = time.perf_counter()
    engine.step()
    if bench.smoke:
        return []
    # The first preview, half a second later, fits its map of colours, once in a model's life: that is not the usual.
    while time.perf_counter() - started < 1.0:
        engine.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        wall = peers.seconds(lambda: [engine.step() for _ in range(20)])
    waits = ("Sync", "Wait Event")  # what a newer profiler says of streams that wait for each other
    events = [event for event in profile.key_averages() if not any(word in event.key for word in waits)]
    busy = sum(event.self_device_time_total for event in events) / 1e6
    return [ratio("H13", "GPU idle share between ticks, full load", [wall - busy], [wall], 0.05, 0.02)]


def _in_turn(bench: Bench, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of several runs of each, the device waited for; they take turns, and the first only warms up."""

    def once(work: Callable[[], object]) -> float:
        return peers.seconds(lambda: (work(), torch.cuda.synchronize() if bench.device == "cuda" else None))

    rounds = [[once(work) for work in works] for _ in range(3 if bench.smoke else 9)]
    return [list(each) for each in zip(*rounds[1:], strict=True)]
