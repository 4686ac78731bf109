"""Dispatcher, supervisor and real child processes: what dies, stands still or is taken out costs no picture."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import WorkerLost
from generation.job import JobStatus
from generation.journal import MemoryJournal
from generation.result import GenerationResult
from generation.supervisor import Supervisor
from generation.ticket import JobTicket
from generation.workers.messages import Make
from generation.workers.pipe_link import PipeLink
from generation.workers.remote import RemoteWorker
from tests.generation.dispatching import error_of, job

POISONABLE = Make(function="tests.generation.workers.far_end:poisonable", arguments=(("room", 4),))


async def until(condition: Callable[[], bool], within: float = 60) -> None:
    """Wait for what a process does, of which nobody tells, for so many seconds at most."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.01)


class Devices:
    """Two devices, each a child of this process, under a supervisor."""

    def __init__(self) -> None:
        self.links: dict[str, list[PipeLink]] = {"first": [], "second": []}
        self.workers: dict[str, RemoteWorker] = {}  #: the newest of each
        self.journal = MemoryJournal()
        self.dispatcher = Dispatcher([], self.journal)
        self.supervisor = Supervisor(
            self.dispatcher, {"first": lambda: self._make("first"), "second": lambda: self._make("second")}
        )

    def _make(self, device: str) -> RemoteWorker:
        self.links[device].append(PipeLink(device))
        self.workers[device] = RemoteWorker(self.links[device][-1], POISONABLE, name=device, heartbeat=0.1, silence=3.0)
        return self.workers[device]

    async def ready(self) -> None:
        """Wait until both can draw."""
        await until(lambda: len(self.workers) == 2 and all(one.room(job().request) for one in self.workers.values()))

    def signal(self, device: str, number: signal.Signals) -> None:
        """Send a signal to the newest child of a device."""
        os.kill(self.links[device][-1].pid or 0, number)

    async def drawn(self, *tickets: JobTicket[GenerationResult]) -> None:
        """Wait until all of these are done, once each."""
        await asyncio.gather(*(ticket.result() for ticket in tickets))
        rendered = [job_id for job_id, status in self.journal.history if status is JobStatus.RENDERED]
        assert all(rendered.count(ticket.job.id) == 1 for ticket in tickets)


@pytest.fixture
async def devices() -> AsyncIterator[Devices]:
    devices = Devices()
    await devices.dispatcher.start()
    running = asyncio.create_task(devices.supervisor.run())
    await asyncio.sleep(0)
    await devices.ready()
    yield devices
    await devices.dispatcher.close()
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize("device", ["first", "second"])
async def test_a_child_that_is_killed_is_replaced_and_its_jobs_are_drawn_once(devices: Devices, device: str) -> None:
    tickets = [devices.dispatcher.submit(job(str(number), steps=30)) for number in range(6)]
    await until(lambda: len(devices.dispatcher.running()) > 3)
    devices.signal(device, signal.SIGKILL)
    await devices.drawn(*tickets)
    assert set(devices.journal.crashes.values()) == {1}
    assert 1 <= len(devices.journal.crashes) <= 4, "the other device's jobs were not touched"
    await devices.ready()
    assert len(devices.links[device]) == 2


async def test_a_child_that_stands_still_is_replaced_and_no_job_is_blamed(devices: Devices) -> None:
    tickets = [devices.dispatcher.submit(job(str(number), steps=100)) for number in range(6)]
    await until(lambda: len(devices.dispatcher.running()) > 3)  # so that both have some
    devices.signal("first", signal.SIGSTOP)
    await devices.drawn(*tickets)
    assert not devices.journal.crashes
    await devices.ready()


async def test_a_poisoned_job_is_set_aside_and_its_three_neighbours_are_drawn(devices: Devices) -> None:
    devices.signal("second", signal.SIGSTOP)  # all four go to the first
    assert isinstance(await devices.workers["second"].lost(), WorkerLost)
    poisoned, *neighbours = [
        devices.dispatcher.submit(job(who, prompt=prompt, steps=30))
        for who, prompt in (("p", "poison"), ("a", "x"), ("b", "x"), ("c", "x"))
    ]
    assert isinstance(await error_of(poisoned), WorkerLost)
    await devices.drawn(*neighbours)
    assert devices.journal.crashes[poisoned.job.id] == 2
    assert all(devices.journal.crashes[ticket.job.id] <= 1 for ticket in neighbours)
    await devices.ready()


async def test_a_device_that_is_taken_out_leaves_its_jobs_to_the_other(devices: Devices) -> None:
    tickets = [devices.dispatcher.submit(job(str(number), steps=100)) for number in range(6)]
    await until(lambda: len(devices.dispatcher.running()) > 3)
    await devices.dispatcher.remove(devices.workers["first"], 0.1)
    await devices.drawn(*tickets)
    assert not devices.journal.crashes
