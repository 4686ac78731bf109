"""Dispatcher, supervisor and a Ray cluster: whatever of it goes, no picture is lost, and none comes twice."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import DoesNotFit, ModelUnavailable, WorkerLost
from generation.events import ImageReady, JobDone, JobFailed
from generation.job import JobInputs, JobStatus
from generation.journal import MemoryJournal
from generation.result import GenerationResult
from generation.supervisor import Supervisor
from generation.ticket import JobTicket
from generation.workers.base import Worker
from generation.workers.messages import Make
from generation.workers.ray_link import RayCluster, RayLink
from generation.workers.remote import RemoteWorker
from tests.generation.diffusion.conftest import make_job
from tests.generation.dispatching import error_of, job
from tests.generation.test_lost_children import POISONABLE, until
from tests.generation.workers.far_end import FarEnd
from tests.generation.workers.streams import follow
from tests.generation.workers.test_pipe_link import drawn_with_inputs
from tests.ray_nodes import RayNode, RayNodes, needs_ray

pytestmark = [needs_ray, pytest.mark.cluster, pytest.mark.xdist_group("ray"), pytest.mark.timeout(400)]


class Devices:
    """A cluster of two nodes, each a device, under a supervisor."""

    def __init__(self, nodes: RayNodes) -> None:
        self.nodes = nodes
        self.workers: dict[str, RemoteWorker] = {}  #: the newest of each
        self.made = 0
        self.journal = MemoryJournal()
        self.dispatcher = Dispatcher([], self.journal)
        self.cluster = RayCluster(nodes.address, self._make)
        self.supervisor = Supervisor(self.dispatcher, {}, [self.cluster])

    def _make(self, link: RayLink, name: str, gpu: bool) -> Worker:
        self.made += 1
        self.workers[name] = RemoteWorker(link, POISONABLE, name=name, heartbeat=0.2, silence=8.0)
        return self.workers[name]

    def count(self) -> int:
        return sum(worker.room(job().request) > 0 for worker in self.workers.values())

    async def ready(self, devices: int = 2) -> None:
        await until(lambda: self.count() == devices)

    async def busy(self, jobs: int = 6, steps: int = 60) -> list[JobTicket[GenerationResult]]:
        """Have both draw."""
        tickets = [self.dispatcher.submit(job(str(number), steps=steps)) for number in range(jobs)]
        await until(lambda: len(self.dispatcher.running()) == jobs)
        return tickets

    async def drawn(self, *tickets: JobTicket[GenerationResult]) -> None:
        """Wait until all of these are done, once each."""
        await asyncio.gather(*(ticket.result() for ticket in tickets))
        rendered = [job_id for job_id, status in self.journal.history if status is JobStatus.RENDERED]
        assert all(rendered.count(ticket.job.id) == 1 for ticket in tickets)


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    nodes = RayNodes()
    try:
        nodes.add()
        yield nodes
    finally:
        nodes.close()


@asynccontextmanager
async def opened(nodes: RayNodes) -> AsyncGenerator[Devices, None]:
    devices = Devices(nodes)
    await devices.dispatcher.start()
    running = asyncio.create_task(devices.supervisor.run())
    try:
        await devices.ready()
        yield devices
    finally:
        await devices.dispatcher.close()
        await devices.cluster.close()
        running.cancel()
        await asyncio.wait({running})


@pytest.fixture
async def devices(nodes: RayNodes) -> AsyncIterator[Devices]:
    async with opened(nodes) as devices:
        yield devices


@pytest.fixture
async def own_devices() -> AsyncIterator[Devices]:
    """With a cluster that may be broken."""
    nodes = RayNodes()
    try:
        nodes.add()
        async with opened(nodes) as devices:
            yield devices
    finally:
        nodes.close()


@pytest.mark.parametrize("number", [0, 1])
async def test_an_actor_that_is_killed_is_replaced_and_its_jobs_are_drawn_once(devices: Devices, number: int) -> None:
    tickets = await devices.busy()
    (actor,) = devices.nodes.nodes[number].actors()
    os.kill(actor, signal.SIGKILL)
    await devices.drawn(*tickets)
    assert set(devices.journal.crashes.values()) == {1}
    assert 1 <= len(devices.journal.crashes) <= 4, "the other device's jobs were not touched"
    await devices.ready()


async def test_an_actor_that_stands_still_is_replaced_and_no_job_is_blamed(devices: Devices) -> None:
    tickets = await devices.busy()
    (actor,) = devices.nodes.nodes[0].actors()
    os.kill(actor, signal.SIGSTOP)
    await devices.drawn(*tickets)
    assert not devices.journal.crashes
    await devices.ready()
    assert actor not in devices.nodes.nodes[0].actors()


async def test_a_poisoned_job_is_set_aside_and_its_neighbours_are_drawn(devices: Devices) -> None:
    poisoned, *neighbours = [
        devices.dispatcher.submit(job(who, prompt=prompt, steps=30))
        for who, prompt in (("p", "poison"), ("a", "x"), ("b", "x"), ("c", "x"))
    ]
    assert isinstance(await error_of(poisoned), WorkerLost)
    await devices.drawn(*neighbours)
    assert devices.journal.crashes[poisoned.job.id] == 2
    assert all(devices.journal.crashes[ticket.job.id] <= 1 for ticket in neighbours)
    await devices.ready()


async def test_a_device_of_the_cluster_that_is_taken_out_leaves_its_jobs_to_the_other(devices: Devices) -> None:
    tickets = await devices.busy(steps=100)
    await devices.dispatcher.remove(next(iter(devices.workers.values())), 0.1)
    await devices.drawn(*tickets)
    assert not devices.journal.crashes


async def test_actors_are_not_nicer_than_others(devices: Devices) -> None:
    """Ray would have them yield every core."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for node in devices.nodes.nodes:
        assert all(os.getpriority(os.PRIO_PROCESS, actor) <= ours for actor in node.actors())


async def test_signals_and_the_end_of_the_process_that_joined_reach_no_job_and_not_us(devices: Devices) -> None:
    """Its end is what Ray does to a process whose head is gone."""
    was = signal.getsignal(signal.SIGTERM)
    tickets = await devices.busy()
    driver = devices.cluster.pid or 0
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(driver, number)
    await asyncio.sleep(0.5)
    assert len(devices.dispatcher.running()) == 6
    os.kill(driver, signal.SIGKILL)
    await devices.drawn(*tickets)
    assert not devices.journal.crashes
    await devices.ready()
    assert devices.cluster.pid != driver
    assert signal.getsignal(signal.SIGTERM) is was


async def test_a_node_that_is_added_draws_within_5_seconds_and_one_that_is_killed_costs_no_picture(
    own_devices: Devices,
) -> None:
    devices, loop = own_devices, asyncio.get_running_loop()
    node = await asyncio.to_thread(devices.nodes.add)
    began = loop.time()
    await until(lambda: len(devices.workers) == 3)
    assert loop.time() - began < 5
    await devices.ready(3)
    tickets = await devices.busy(9)
    await asyncio.to_thread(_kill, node, "raylet")
    await devices.drawn(*tickets)
    assert not devices.journal.crashes, "a node that is lost is nobody's fault"
    await until(lambda: devices.count() == 2)


def _kill(node: RayNode, what: str) -> None:
    node.kill(what)


async def test_what_is_drawn_when_the_head_is_killed_comes_and_the_rest_keeps_its_place(own_devices: Devices) -> None:
    devices = own_devices
    tickets = await devices.busy()
    devices.nodes.nodes[0].kill_unseen("gcs_server")
    await devices.drawn(*tickets)
    driver = devices.cluster.pid
    await until(lambda: devices.cluster.pid != driver, within=150)
    waiting = devices.dispatcher.submit(job("late"))
    await asyncio.sleep(0)
    assert devices.dispatcher.ticket(waiting.job.id) is waiting
    assert not devices.journal.crashes


@pytest.fixture
async def one(nodes: RayNodes) -> AsyncIterator[tuple[FarEnd, RemoteWorker]]:
    """A FakeWorker in an actor, not started."""
    far = FarEnd()
    cluster = RayCluster(nodes.address, lambda link, name, gpu: RemoteWorker(link, far.make, name=name, heartbeat=0.2))
    found = cluster.devices()
    worker = next(iter((await anext(found)).values()))()
    assert isinstance(worker, RemoteWorker)
    yield far, worker
    await worker.close()
    await cluster.close()
    far.close()


async def test_an_actor_of_another_version_is_refused(
    one: tuple[FarEnd, RemoteWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.workers.remote.versions", lambda: ("Python 3", "code of yesterday"))
    with pytest.raises(ModelUnavailable, match="other_version"):
        await one[1].start()


async def test_pictures_of_40_mb_come_over_whole_and_a_job_that_does_not_fit_fails_alone(
    one: tuple[FarEnd, RemoteWorker],
) -> None:
    far, worker = one
    await worker.start()
    await asyncio.to_thread(far.ask, "large", str(40_000_000))
    events = await follow(worker.draw(drawn_with_inputs(JobInputs(source=bytes(30_000_000)))))
    (image,) = [event.image for event in events if isinstance(event, ImageReady)]
    assert (len(image.png), image.png[-1]) == (40_000_000, 1)
    assert isinstance(events[-1], JobDone)
    for words in (("large", "0"), ("no_memory",), ("release",)):
        await asyncio.to_thread(far.ask, *words)
    failed, drawn = [(await follow(worker.draw(make_job())))[-1] for _ in range(2)]
    assert isinstance(failed, JobFailed)
    assert isinstance(failed.error, DoesNotFit)
    assert isinstance(drawn, JobDone)


async def test_each_gpu_of_a_node_is_a_device_and_a_node_without_gpu_and_resource_is_none() -> None:
    """Ray takes our word for GPUs."""
    nodes = RayNodes(draws=False)
    make = Make(function=POISONABLE.function, arguments=POISONABLE.arguments)
    cluster = RayCluster(nodes.address, lambda link, name, gpu: RemoteWorker(link, make, name=f"{name} {gpu}"))
    found = cluster.devices()
    assert dict(await anext(found)) == {}
    await asyncio.to_thread(nodes.add, "--num-gpus=2")
    devices = await anext(found)
    workers = [start() for start in devices.values()]
    await asyncio.gather(*(worker.start() for worker in workers))
    assert len(nodes.nodes[1].actors()) == 2
    assert all(isinstance(worker, RemoteWorker) and worker.name.endswith("True") for worker in workers)
    for worker in workers:
        await worker.close()
    await cluster.close()
    nodes.close()


async def test_a_cluster_that_is_not_there_is_named_within_seconds() -> None:
    cluster = RayCluster("127.0.0.2:1", lambda link, name, gpu: RemoteWorker(link, POISONABLE, name=name))
    with pytest.raises(WorkerLost, match="ConnectionRefused"):
        await asyncio.wait_for(anext(cluster.devices()), 20)
    await cluster.close()
