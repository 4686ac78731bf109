"""`python -m tests.benchmarks.fleet [PART ...]`: what it costs that workers are in other processes, on a real device.

Parts are `pipe` (a child of this process), `two` (two children on two cores), and `ray` (an actor of a Ray cluster that
is started for it); all rounds are in turn, so that what else the machine does counts for all. To `.bench/fleet.json`.
"""

import argparse
import asyncio
import os
import platform
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from generation.catalog import DrawingOptions
from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.events import JobDone, StepDone
from generation.job import Job
from generation.journal import MemoryJournal
from generation.result import GenerationResult
from generation.workers.base import Worker
from generation.workers.child import local_worker
from generation.workers.local import LocalWorker
from generation.workers.pipe_link import PipeLink
from generation.workers.ray_link import RayCluster
from generation.workers.remote import RemoteWorker
from tests.benchmarks.figures import Figure, keep, ratio, show
from tests.generation.diffusion.conftest import make_job
from tests.ray_nodes import RayNodes

PARTS = ("pipe", "two", "ray")
EVENTS = 400  #: steps, an event each
JOBS, STEPS, ROUNDS = 24, 10, 6


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


def resident(pid: int) -> float:
    """MiB of a process, shared pages by their share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


async def cpu_an_event(worker: Worker) -> float:
    """Milliseconds of this process' processor for each event of a job, one after the other."""
    spec = inspect_model(BUILTIN)
    plain = make_job(model=BUILTIN, width=spec.native_size, height=spec.native_size, steps=100)
    events, began = 0, time.process_time()
    for number in range(EVENTS // 100):
        stream = worker.draw(Job(id=make_job().id, request=plain.request, requester=str(number)))
        async for event in stream:
            events += isinstance(event, StepDone)
            if isinstance(event, JobDone):
                break
        await stream.aclose()
    return 1000 * (time.process_time() - began) / max(1, events)


@asynccontextmanager
async def actor() -> AsyncIterator[tuple[RemoteWorker, Callable[[], tuple[float, float]]]]:
    """A worker in an actor of a cluster that is started for it; and what tells the MiB of who has joined, and its."""
    nodes = await asyncio.to_thread(RayNodes)
    make = local_worker([inspect_model(BUILTIN)], cache=None, device="cpu")
    cluster = RayCluster(nodes.address, lambda link, name, gpu: RemoteWorker(link, make, name=name))
    try:
        (start,) = (await anext(cluster.devices())).values()
        worker = start()
        assert isinstance(worker, RemoteWorker)
        yield worker, lambda: (resident(cluster.pid or 0), sum(map(resident, nodes.nodes[0].actors())))
    finally:
        await cluster.close()
        await asyncio.to_thread(nodes.close)


async def measure(parts: Sequence[str]) -> list[Figure]:
    """Draw the same jobs here and elsewhere, in turn."""
    times: dict[str, list[float]] = {}
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        workers: dict[str, list[Worker]] = {"here": [local()]}
        memory: Callable[[], tuple[float, float]] | None = None
        if "pipe" in parts or "two" in parts:
            workers["pipe"] = [child()]
        if "two" in parts:
            workers["two"] = [child(), child()]
        if "ray" in parts:
            worker, memory = await stack.enter_async_context(actor())
            workers["ray"] = [worker]
        dispatchers = {}
        for name, some in workers.items():
            began = time.perf_counter()
            dispatchers[name] = await opened(some)
            print(f"start of {name}: {time.perf_counter() - began:.1f} s")
            stack.push_async_callback(dispatchers[name].close)
        for number in range(ROUNDS + 1):
            for name, dispatcher in dispatchers.items():
                took = await draw(dispatcher)
                if number:  # the first one is for warming up
                    times.setdefault(name, []).append(took)
        if memory is not None:
            joined, drawing = memory()
            print(f"memory of the process that has joined: {joined:.0f} MiB, of the actor: {drawing:.0f} MiB")
        cost = {name: await cpu_an_event(workers[name][0]) for name in workers if name in ("pipe", "ray")}
    for name, bar in (("pipe", 1.10), ("ray", 1.10)):
        if name in times and name in parts:
            note = f"{statistics.median(times[name]):.2f} s to {statistics.median(times['here']):.2f}"
            meaning = f"24 jobs of 10 steps, {name} / here"
            figures.append(ratio(f"FL_{name}", meaning, times[name], times["here"], bar, None, note=note))
            meaning = f"processor of the bot for an event, {name}"
            figures.append(Figure(name=f"FL_{name}_cpu", meaning=meaning, value=cost[name], bar=1.0, unit="ms"))
    if "two" in parts:
        figures.append(ratio("FL_two", "24 jobs, two children / one", times["two"], times["pipe"], 1.0, None))
    return figures


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="some of " + ", ".join(PARTS))
    chosen: list[str] = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"{platform.machine()}, {os.cpu_count()} cores")
    figures = asyncio.run(measure(chosen))
    show(figures)
    keep(figures, Path(".bench/fleet.json"), add=chosen != list(PARTS))


if __name__ == "__main__":
    main()
