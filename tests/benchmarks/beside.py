"""C10 and H14: how much longer a short job takes beside another member's long one than alone.

Through the dispatcher and a worker's thread, as in the bot.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.local import LocalWorker

ROWS = 8  #: of a U-Net call: four pictures with guidance, so the long job alone fills it
SHORT, LONG = (2, 20), (4, 150)  #: pictures, steps


def latencies_beside(
    build: Callable[[], DiffusionEngine],
    spec: ModelSpec,
    *,
    repetitions: int,
    short: tuple[int, int] = SHORT,
    long: tuple[int, int] = LONG,
) -> tuple[list[float], list[float]]:
    """Return the seconds of the short job, beside the long one and alone, in turn. `build` makes an engine of ROWS."""
    return asyncio.run(_latencies(build, spec, repetitions, short, long))


async def _latencies(
    build: Callable[[], DiffusionEngine],
    spec: ModelSpec,
    repetitions: int,
    short: tuple[int, int],
    long: tuple[int, int],
) -> tuple[list[float], list[float]]:
    dispatcher = Dispatcher([LocalWorker(build)], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()

    def job(who: str, size: Sequence[int]) -> Job:
        options = DrawingOptions(prompt="a red heart", count=size[0], steps=size[1], seed=1)
        return Job(id=uuid.uuid4(), request=spec.request(options), requester=who)

    async def latency() -> float:
        started = time.perf_counter()
        await dispatcher.submit(job("a", short)).result()
        return time.perf_counter() - started

    beside: list[float] = []
    alone: list[float] = []
    for repetition in range(repetitions + 1):  # the first turn of each only warms up
        without = await latency()
        other = dispatcher.submit(job("b", long))
        while not other.progress.step:
            await other.wait(0.001)
        with_it = await latency()
        if other.done:
            raise RuntimeError("the long job was done first: the figure would mean nothing")
        await dispatcher.cancel(other.job.id)
        await asyncio.gather(other.result(), return_exceptions=True)
        if repetition:
            beside.append(with_it)
            alone.append(without)
    await dispatcher.close()
    return beside, alone
