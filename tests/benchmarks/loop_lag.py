"""How long generation holds the event loop: the lag of a timer that wants to run every millisecond."""

import asyncio
import statistics
import time
import uuid

from generation.catalog import ModelSpec
from generation.diffusion.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.local import LocalWorker
from tests.benchmarks.figures import Figure

SECONDS = 30.0  #: of measuring; a thousandth of its ticks is still a couple of dozen
TICK = 0.001  #: seconds
JOBS = 8  #: always waiting or running, so that the batch is always full


async def measure_loop_lag(*, seconds: float = SECONDS) -> list[Figure]:
    """The loop's lag, idle and while the engine draws with a full batch."""
    spec = inspect_model(BUILTIN)
    idle = await _lags(seconds / 6)
    dispatcher = Dispatcher([LocalWorker.for_models([spec], device="cpu")], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()
    feeding = asyncio.create_task(_keep_busy(dispatcher, spec))
    await asyncio.sleep(1.0)
    busy = await _lags(seconds)
    drawn = sum(job.request.steps for job in dispatcher.running())
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await dispatcher.close()
    if not drawn:
        raise RuntimeError("nothing was being drawn: the figure would mean nothing")
    note = f"idle {_quantile(idle, 0.999):.1f} ms; busy median {statistics.median(busy):.2f}, max {max(busy):.1f} ms"
    meaning = "event-loop lag while the engine draws, p99.9"
    return [
        Figure(name="loop_lag", meaning=meaning, value=_quantile(busy, 0.999), bar=50.0, unit="ms", note=note),
    ]


async def _keep_busy(dispatcher: Dispatcher, spec: ModelSpec) -> None:
    async def one_after_another(who: int) -> None:
        while True:
            request = spec.request(prompt="a red heart", seed=who)
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
