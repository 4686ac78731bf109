"""Devices whose workers are lost or do not start: what is tried again, after how long, and when it is given up."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import KnownError, ModelUnavailable, Postponed, WorkerLost
from generation.journal import MemoryJournal
from generation.supervisor import LONGEST_PAUSE, STEADY, Devices, Supervisor
from generation.workers.base import Drawing, told_nobody
from generation.workers.fake import FakeWorker
from tests.generation.dispatching import error_of, job, soon

NO_MEMORY = ModelUnavailable("m", detail="out of memory")
DIED = WorkerLost(detail="its process ended with 1")


class Child(FakeWorker):
    """A worker in another process, which may not start."""

    def __init__(self, error: KnownError | None, *, hangs: bool = False) -> None:
        super().__init__()
        self.in_this_process = False
        self.is_closed = False
        self._error = error
        self._hangs = hangs

    async def close(self) -> None:
        self.is_closed = True
        await super().close()

    async def start(self, drawing: Drawing = told_nobody) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        await super().start(drawing)
        if self._error is not None:
            raise self._error


class Cluster:
    """Where devices come and go as the test says."""

    name = "the cluster"

    def __init__(self) -> None:
        self.says: asyncio.Queue[Devices | WorkerLost] = asyncio.Queue()
        self.asked = 0

    async def devices(self) -> AsyncIterator[Devices]:
        self.asked += 1
        while not isinstance(said := await self.says.get(), WorkerLost):
            yield said
        raise said


class World:
    """Devices, time that stands still until somebody waits, and a bot."""

    def __init__(self, *devices: str, clustered: bool = False) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.made: defaultdict[str, list[Child]] = defaultdict(list)
        self.errors: defaultdict[str, list[KnownError]] = defaultdict(list)  #: of the next starts
        self.hangs = False  #: whether the next workers hang in their start
        self.fault: Exception | None = None  #: what goes wrong when the next worker is made
        self.sleeps: asyncio.Event | None = None  #: what a pause lasts until; None: pauses are over at once
        self.dispatcher = Dispatcher([], MemoryJournal())
        self.cluster = Cluster()
        self.supervisor = Supervisor(
            self.dispatcher,
            {device: self.maker(device) for device in devices},
            [self.cluster] if clustered else (),
            pause=self._wait,
            clock=lambda: self.now,
        )

    def maker(self, device: str) -> Callable[[], Child]:
        def make() -> Child:
            if self.fault is not None:
                raise self.fault
            errors = self.errors[device]
            self.made[device].append(Child(errors.pop(0) if errors else None, hangs=self.hangs))
            return self.made[device][-1]

        return make

    async def _wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        await (self.sleeps.wait() if self.sleeps is not None else asyncio.sleep(0))

    async def begin(self) -> asyncio.Task[None]:
        await self.dispatcher.start()
        running = asyncio.create_task(self.supervisor.run())
        await soon()
        return running

    async def end(self, running: asyncio.Task[None]) -> None:
        await self.dispatcher.close()
        running.cancel()
        await asyncio.wait({running})


async def test_every_device_gets_a_worker_and_a_lost_one_another_at_once() -> None:
    world = World("a", "b")
    running = await world.begin()
    assert {device: len(made) for device, made in world.made.items()} == {"a": 1, "b": 1}
    world.made["a"][0].lose()
    await soon()
    assert {device: len(made) for device, made in world.made.items()} == {"a": 2, "b": 1}
    assert world.pauses == []
    await world.dispatcher.submit(job()).result()
    await world.end(running)


async def test_pauses_grow_while_workers_die_young_and_not_for_ever() -> None:
    world = World("a", "b")
    running = await world.begin()
    for _ in range(12):
        world.made["a"][-1].lose()
        await soon()
    assert world.pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE, LONGEST_PAUSE]
    world.now += STEADY
    world.made["a"][-1].lose()
    await soon()
    assert len(world.pauses) == 11, "one that has drawn for long is replaced at once"
    assert len(world.made["a"]) == 14
    await world.end(running)


async def test_a_device_that_does_not_start_is_tried_again_while_another_one_draws() -> None:
    world = World("a", "b")
    world.errors["a"] = [NO_MEMORY, DIED, NO_MEMORY]
    running = await world.begin()
    await soon()
    assert len(world.made["a"]) == 4
    assert world.pauses == [1, 2]
    assert not running.done()
    await world.end(running)


async def test_without_any_device_left_that_can_be_started_the_worker_is_lost() -> None:
    world = World("a", "b")
    running = await world.begin()
    world.errors |= {"a": [NO_MEMORY] * 1000, "b": [DIED] * 1000}
    world.made["a"][0].lose()
    await soon()
    assert not running.done(), "the other one draws"
    world.made["b"][0].lose()
    waiting = world.dispatcher.submit(job())
    with pytest.raises(WorkerLost, match="no device is left"):
        await running
    assert len(world.made["b"]) >= 3
    assert not waiting.done
    await world.dispatcher.close()
    assert isinstance(await error_of(waiting), Postponed)


async def test_devices_of_which_none_ever_starts_are_a_mistake_that_is_told() -> None:
    world = World("a", "b")
    world.errors = {"a": [NO_MEMORY] * 1000, "b": [NO_MEMORY] * 1000}
    running = await world.begin()
    with pytest.raises(ModelUnavailable, match="out of memory"):
        await world.dispatcher.ready()
    assert not running.done()
    await world.end(running)


async def test_nothing_is_started_any_more_when_the_bot_stops() -> None:
    world = World("a")
    running = await world.begin()
    await world.dispatcher.close()
    world.made["a"][0].lose()
    await soon()
    assert len(world.made["a"]) == 2
    assert world.pauses == []
    await world.end(running)


async def test_devices_of_a_cluster_come_and_go_while_others_draw() -> None:
    world = World("a", clustered=True)
    running = await world.begin()
    far = {"x": world.maker("x"), "y": world.maker("y")}
    world.cluster.says.put_nowait(far)
    await soon()
    assert {device: len(made) for device, made in world.made.items()} == {"a": 1, "x": 1, "y": 1}
    world.made["x"][0].lose()
    await soon()
    assert len(world.made["x"]) == 2
    world.cluster.says.put_nowait({"y": far["y"]})
    await soon()
    world.made["x"][1].lose()
    await soon()
    assert len(world.made["x"]) == 2, "it is not there any more"
    world.cluster.says.put_nowait(far)
    await soon()
    assert {device: len(made) for device, made in world.made.items()} == {"a": 1, "x": 3, "y": 1}
    await world.end(running)


async def test_a_cluster_that_is_lost_is_joined_again_and_its_devices_with_it() -> None:
    world = World(clustered=True)
    running = await world.begin()
    world.cluster.says.put_nowait({"x": world.maker("x")})
    await soon()
    world.made["x"][0].lose()
    world.cluster.says.put_nowait(DIED)
    await soon()
    assert world.cluster.asked == 2
    waiting = world.dispatcher.submit(job())
    world.cluster.says.put_nowait({"x": world.maker("x")})
    await soon()
    await waiting.result()
    await world.end(running)


async def test_a_cluster_without_devices_is_waited_for_and_one_that_cannot_be_reached_is_given_up() -> None:
    world = World(clustered=True)
    running = await world.begin()
    world.cluster.says.put_nowait({})
    await soon()
    assert not running.done()
    for _ in range(3):
        world.cluster.says.put_nowait(DIED)
        await soon()
    with pytest.raises(WorkerLost):
        await world.dispatcher.ready()
    await world.end(running)


def states(world: World) -> dict[str, str]:
    return {device.name: device.state.value for device in world.supervisor.devices}


async def test_a_device_that_is_drained_gives_its_jobs_to_the_others_and_draws_again_when_it_is_taken_back() -> None:
    world = World("a", "b")
    running = await world.begin()
    for made in world.made.values():
        made[0].hold = True
    tickets = [world.dispatcher.submit(job(count=4)) for _ in range(4)]
    await soon()
    world.supervisor.drain("a")
    await soon()
    assert states(world) == {"a": "leaving", "b": "ready"}, "what it draws may be finished"
    world.made["a"][0].release()
    await soon()
    assert states(world) == {"a": "drained", "b": "ready"}
    assert len(world.made["a"]) == 1
    world.made["b"][0].release()
    for ticket in tickets:
        await ticket.result()
    waiting = world.dispatcher.submit(job())
    await waiting.result()
    assert waiting.job in world.made["b"][0].drawn
    world.supervisor.take_back("a")
    await soon()
    assert states(world) == {"a": "ready", "b": "ready"}
    assert len(world.made["a"]) == 2
    await world.end(running)


async def test_a_drained_device_is_taken_back_though_others_still_draw_what_it_had() -> None:
    world = World("a", "b")
    running = await world.begin()
    first, other = world.made["a"][0], world.made["b"][0]
    for worker in (first, other):
        worker.hold = worker.stands = True
    for number in range(4):
        world.dispatcher.submit(job(str(number)))
    await soon()
    had = len(first.drawn)
    assert had > 0
    world.supervisor.drain("a")
    await soon()
    assert len(other.drawn) == 4, "they have moved"
    world.supervisor.take_back("a")
    await soon()
    assert len(world.made["a"]) == 2
    await world.end(running)


async def test_a_device_that_is_lost_while_it_is_drained_may_be_taken_back_at_once() -> None:
    world = World("a", "b")
    running = await world.begin()
    for made in world.made.values():
        made[0].hold = True
    world.dispatcher.submit(job())
    await soon()
    name = next(device for device, made in world.made.items() if made[0].drawn)
    world.supervisor.drain(name)
    await soon()
    world.made[name][0].lose()
    await soon()
    world.supervisor.take_back(name)
    await soon()
    assert len(world.made[name]) == 2
    await world.end(running)


async def test_what_goes_wrong_with_keeping_a_device_is_not_silent() -> None:
    world = World("a", "b")
    running = await world.begin()
    world.fault = OSError("no more files")
    world.made["a"][0].lose()
    with pytest.raises(OSError, match="no more files"):
        await asyncio.wait_for(running, 5)
    await world.dispatcher.close()


async def test_a_drained_device_is_no_lost_one_and_jobs_wait_for_the_last_one_to_be_taken_back() -> None:
    world = World("a", "b")
    running = await world.begin()
    for name in ("a", "b"):
        world.supervisor.drain(name)
    await soon()
    assert states(world) == {"a": "drained", "b": "drained"}
    assert not world.dispatcher.can_draw
    waiting = world.dispatcher.submit(job())
    await soon()
    assert not waiting.done
    assert (waiting.progress.place, waiting.progress.loading) == (1, False), "no model is loaded for it"
    assert not running.done()
    assert [device.losses for device in world.supervisor.devices] == [0, 0]
    world.now += 90
    (first, _) = world.supervisor.devices
    assert world.supervisor.seconds_in_state(first) == 90
    world.supervisor.take_back("b")
    await waiting.result()
    await world.end(running)


async def test_a_device_that_is_drained_while_it_pauses_is_not_started_until_it_is_taken_back() -> None:
    world = World("a", "b")
    world.errors["a"] = [NO_MEMORY]
    running = await world.begin()
    world.errors["a"] = [NO_MEMORY] * 1000
    world.made["a"][-1].lose()
    for _ in range(3):
        await soon()
    world.supervisor.drain("a")
    await soon()
    world.errors["a"].clear()
    tried = len(world.made["a"])
    await soon()
    assert states(world)["a"] == "drained"
    assert len(world.made["a"]) == tried
    world.supervisor.take_back("a")
    await soon()
    assert states(world)["a"] == "ready"
    await world.end(running)


async def test_a_device_that_is_drained_while_it_pauses_is_started_as_soon_as_it_is_taken_back() -> None:
    world = World("a", "b")
    world.errors["a"] = [NO_MEMORY, NO_MEMORY]
    world.sleeps = asyncio.Event()  # nobody sets it
    running = await world.begin()
    assert (len(world.made["a"]), states(world)["a"]) == (2, "lost")
    world.supervisor.drain("a")
    await soon()
    world.supervisor.take_back("a")
    await soon()
    assert (len(world.made["a"]), states(world)["a"]) == (3, "ready")
    await world.end(running)


async def test_a_device_that_cannot_be_started_and_is_drained_keeps_the_bot_up() -> None:
    world = World("a", "b")
    world.errors["a"] = [NO_MEMORY] * 10
    world.sleeps = asyncio.Event()  # nobody sets it
    running = await world.begin()
    world.supervisor.drain("a")
    world.errors["b"] = [NO_MEMORY] * 10
    world.made["b"][0].lose()
    for _ in range(3):
        await soon()
    assert len(world.made["b"]) == 2
    assert states(world) == {"a": "drained", "b": "lost"}
    assert not running.done()
    await world.end(running)


async def test_a_device_that_hangs_in_its_start_is_drained_at_once_and_may_be_taken_back() -> None:
    world = World("a", "b")
    world.hangs = True
    running = await world.begin()
    assert states(world) == {"a": "starting", "b": "starting"}
    world.supervisor.drain("a")
    await soon()
    assert states(world)["a"] == "drained"
    assert world.made["a"][0].is_closed
    assert [device.losses for device in world.supervisor.devices] == [0, 0]
    world.hangs = False
    world.supervisor.take_back("a")
    await world.dispatcher.submit(job()).result()
    await soon()
    assert states(world) == {"a": "ready", "b": "starting"}
    await world.end(running)


async def test_losses_of_a_device_are_counted() -> None:
    world = World("a", "b")
    world.errors["b"] = [NO_MEMORY]
    running = await world.begin()
    for _ in range(2):
        world.made["a"][-1].lose()
        await soon()
    assert {device.name: device.losses for device in world.supervisor.devices} == {"a": 2, "b": 1}
    await world.end(running)


async def test_the_device_of_this_process_is_listed_and_its_loss_ends_the_run() -> None:
    worker = FakeWorker()
    dispatcher = Dispatcher([worker], MemoryJournal())
    supervisor = Supervisor(dispatcher, {}, inside={"cpu": worker})
    await dispatcher.start()
    running = asyncio.create_task(supervisor.run())
    await soon()
    (device,) = supervisor.devices
    assert (device.name, device.state, device.may_leave) == ("cpu", "ready", False)
    assert supervisor.name_of(worker) == "cpu"
    worker.lose()
    with pytest.raises(WorkerLost):
        await running
    assert dispatcher.is_lost
    await dispatcher.close()
