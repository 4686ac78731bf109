"""What it costs that a worker is in another process: the same jobs with one here and with one behind a PipeLink."""

import asyncio
import statistics
import time
import uuid
from collections.abc import Sequence

from generation.catalog import DrawingOptions
from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.result import GenerationResult
from generation.workers.base import Worker
from generation.workers.child import local_worker
from generation.workers.local import LocalWorker
from generation.workers.pipe_link import PipeLink
from generation.workers.remote import RemoteWorker
from tests.benchmarks.figures import Figure, ratio

JOBS, STEPS, ROUNDS = 24, 10, 4


def local() -> Worker:
    """The device of this process."""
    return LocalWorker.for_models([inspect_model(BUILTIN)], device="cpu")


def child() -> Worker:
    """The same in a process of its own."""
    return RemoteWorker(
        PipeLink("child"), local_worker([inspect_model(BUILTIN)], cache=None, device="cpu"), name="child"
    )


async def opened(workers: Sequence[Worker]) -> Dispatcher[GenerationResult]:
    """A dispatcher with these workers, ready to draw."""
    dispatcher = Dispatcher([], MemoryJournal())
    await dispatcher.start()
    for worker in workers:
        await dispatcher.add(worker)
    return dispatcher


async def draw(dispatcher: Dispatcher[GenerationResult]) -> float:
    """Seconds for all jobs at once."""
    spec = inspect_model(BUILTIN)
    started = time.perf_counter()
    tickets = [
        dispatcher.submit(
            Job(
                id=uuid.uuid4(),
                request=spec.request(DrawingOptions(prompt="a red heart", steps=STEPS, seed=number)),
                requester=str(number),
            )
        )
        for number in range(JOBS)
    ]
    await asyncio.gather(*(ticket.result() for ticket in tickets))
    return time.perf_counter() - started


async def measure_links() -> list[Figure]:
    """In turn, so that what else the machine does counts for all of them."""
    started = time.perf_counter()
    over_pipe = await opened([child()])
    start = time.perf_counter() - started
    inside = await opened([local()])
    both = await opened([child(), child()])
    times: dict[str, list[float]] = {"inside": [], "pipe": [], "two": []}
    for number in range(ROUNDS + 1):
        for name, dispatcher in (("inside", inside), ("pipe", over_pipe), ("two", both)):
            took = await draw(dispatcher)
            if number:  # the first one is for warming up
                times[name].append(took)
    for dispatcher in (inside, over_pipe, both):
        await dispatcher.close()
    pipe, here = (statistics.median(times[name]) for name in ("pipe", "inside"))
    seconds = f"{pipe:.2f} s to {here:.2f}, start {start:.1f} s"
    return [
        ratio("LINK_pipe", "24 jobs, in a child / here", times["pipe"], times["inside"], 1.10, None, note=seconds),
        ratio("LINK_two", "24 jobs, two children / one", times["two"], times["pipe"], 1.0, None),
    ]
