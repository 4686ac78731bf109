"""How long generation holds the event loop: the lag of a timer that wants to run every millisecond."""

import asyncio
import statistics
import time
import uuid
from typing import Any

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.local import Engine, LocalWorker
from tests.benchmarks.figures import Figure

SECONDS = 20.0  #: of measuring; a thousandth of its ticks is still a dozen
TICK = 0.001  #: seconds
JOBS = 8  #: of one image each, always running


async def measure_loop_lag(*, seconds: float = SECONDS) -> list[Figure]:
    """The loop's lag, idle and while the engine draws eight images at once."""
    spec = inspect_model(BUILTIN)
    idle = await _lags(seconds / 6)
    rows: list[int] = []
    worker = LocalWorker(lambda: _engine(spec, rows))
    dispatcher = Dispatcher([worker], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()
    feeding = asyncio.create_task(_keep_busy(dispatcher, spec))
    await asyncio.sleep(1.0)
    rows.clear()
    busy = await _lags(seconds)
    together = statistics.median(rows) / 2
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await dispatcher.close()
    # A job that is done is handed over before the next one comes in.
    if not JOBS - 1 <= together <= JOBS:
        raise RuntimeError(f"{together:g} images were being drawn: the figure would mean something else")
    note = f"idle {_quantile(idle, 0.999):.1f} ms; busy median {statistics.median(busy):.2f}, max {max(busy):.1f} ms"
    meaning = f"event-loop lag while {JOBS} images are being drawn, p99.9"
    return [
        Figure(name="loop_lag", meaning=meaning, value=_quantile(busy, 0.999), bar=50.0, unit="ms", note=note),
    ]


def _engine(spec: ModelSpec, rows: list[int]) -> Engine:
    """In the worker's thread: room for all, and the rows of each U-Net call are noted."""
    from generation.diffusion.engine.loop import DiffusionEngine
    from generation.diffusion.loading.loading import load_model

    model: Any = load_model(spec, device="cpu")
    predict = model.predict_noise

    def noted(latents: Any, timesteps: Any, conditioning: Any) -> Any:
        rows.append(len(latents))
        return predict(latents, timesteps, conditioning)

    model.predict_noise = noted
    return DiffusionEngine(model, max_rows=2 * JOBS)


async def _keep_busy(dispatcher: Dispatcher, spec: ModelSpec) -> None:
    async def one_after_another(who: int) -> None:
        while True:
            request = spec.request(DrawingOptions(prompt="a red heart", seed=who))
            await dispatcher.submit(Job(id=uuid.uuid4(), request=request, requester=str(who))).result()

    await asyncio.gather(*(one_after_another(who) for who in range(JOBS)))


async def _lags(seconds: float) -> list[float]:
    """Milliseconds that each tick came late."""
    lags: list[float] = []
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        await asyncio.sleep(TICK)
        lags.append((time.perf_counter() - before - TICK) * 1000)
    return lags


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
