"""What the device itself does: TFLOP/s of the U-Net, decoding, and the time in which it waits for the next kernel."""

from collections.abc import Callable

import torch

from tests.benchmarks import peers
from tests.benchmarks.figures import Figure
from tests.benchmarks.gpu_bench import SD, XL, Bench, ModelFamily, engine_of, ratio

TFLOP_A_ROW = {SD: 0.803, XL: 6.761}


def matmul_share(bench: Bench, name: str, family: ModelFamily, *, bar: float) -> list[Figure]:
    """The U-Net's TFLOP/s at its best row count, against a large matrix product in the same run."""
    model = bench.model(family)
    side = 64 if bench.smoke else 8192
    matrix = torch.randn(side, side, device=bench.device, dtype=bench.dtype)
    matmul = 2 * side**3 / 1e12 / _best(bench, lambda: matrix @ matrix)
    size = model.spec.native_size
    shape = model.latent_shape(size, size)
    row = model.encode("", "", guidance_scale=1.0, width=size, height=size).positive
    rates: dict[int, float] = {}
    for rows in bench.rows[family]:
        latents = torch.randn(rows, *shape, device=bench.device, dtype=bench.dtype)
        timesteps = torch.full((rows,), 500.0, device=bench.device)
        many = type(row).stack([row] * rows)
        took = _best(bench, lambda x=latents, t=timesteps, c=many: model.predict_noise(x, t, c))
        rates[rows] = rows * TFLOP_A_ROW[family] / took
    knee = max(rates, key=lambda rows: rates[rows])
    note = f"matmul {matmul:.0f} TFLOP/s; rows: " + ", ".join(f"{rows}: {rate:.0f}" for rows, rate in rates.items())
    meaning = f"{family} U-Net TFLOP/s / matmul, {knee} rows"
    return [ratio(name, meaning, [rates[knee]], [matmul], bar, 0.6, False, note)]


def decoding(bench: Bench, name: str, family: ModelFamily) -> Figure:
    """Decoding as the engine does it, against the VAE as a plain pipeline has it."""
    model, stock = bench.model(family), bench.stock(family)
    shape = model.latent_shape(model.spec.native_size, model.spec.native_size)
    latents = torch.randn(1, *shape, device=bench.device, dtype=bench.dtype)
    ours = _best(bench, lambda: model.decode(latents))
    with torch.inference_mode():
        theirs = _best(bench, lambda: stock.vae.decode(latents / stock.vae.config.scaling_factor, return_dict=False))
    note = f"{1000 * ours:.1f} ms to {1000 * theirs:.1f} ms"
    return ratio(name, f"{family} VAE decode / stock", [ours], [theirs], 0.5, 0.3, True, note)


def idle_share(bench: Bench) -> list[Figure]:
    """The share of time in which no kernel runs, over ticks with a full batch."""
    model = bench.model(SD)
    engine = engine_of(bench, model)
    for job in peers.make_jobs(model.spec, steps=[bench.steps(40)] * (bench.rows[SD][-1] // 2)):
        engine.admit(job)
    engine.step()
    if bench.smoke:
        return []
    engine.step(), engine.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        wall = peers.seconds(lambda: [engine.step() for _ in range(20)])
    busy = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    return [ratio("H13", "GPU idle share between ticks, full load", [wall - busy], [wall], 0.05, 0.02)]


def _best(bench: Bench, work: Callable[[], object]) -> float:
    """Seconds of the best of several runs, the device waited for."""

    def once() -> float:
        return peers.seconds(lambda: (work(), torch.cuda.synchronize() if bench.device == "cuda" else None))

    once()
    return min(once() for _ in range(2 if bench.smoke else 8))
