"""The Supervisor sees to it that each device has its worker: it starts them, and replaces those that are lost."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar

from generation.device import Device, DeviceState
from generation.dispatcher import Dispatcher
from generation.errors import KnownError, ModelUnavailable, ShuttingDown, WorkerLost
from generation.operator_words import operator_words
from generation.workers.base import Worker

log = logging.getLogger(__name__)

Result = TypeVar("Result")

Pause: TypeAlias = Callable[[float], Awaitable[None]]
Devices: TypeAlias = Mapping[str, Callable[[], Worker]]  #: what makes a worker for each, by the name the log has for it

STEADY = 60.0  #: seconds after which a worker that is lost was no failed start
FIRST_PAUSE = 1.0  #: seconds until the next start, after two within that time; then twice as many each time
LONGEST_PAUSE = 300.0  #: seconds
ATTEMPTS = 3  #: starts in a row after which a device counts as one that cannot be started
GRACE = 30.0  #: seconds that what a device draws may take when it is to be drained


class Cluster(Protocol):
    """Where devices come and go."""

    name: str  #: that the log has for it

    def devices(self) -> AsyncIterator[Devices]:
        """Yield the devices that are there, each time they are others.

        Raises WorkerLost when it cannot be reached, or no more; may be called again then.
        """
        ...


class Supervisor:
    """One worker in another process for each device, for as long as `run` runs; or the one in this process."""

    def __init__(
        self,
        dispatcher: Dispatcher[Any],
        devices: Devices,
        clusters: Sequence[Cluster] = (),
        *,
        inside: Mapping[str, Worker] | None = None,
        grace: float = GRACE,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`inside` has the workers that the dispatcher itself starts in this process, by their devices' names.

        `grace`: seconds that a device which is drained has for what it draws.
        """
        self._dispatcher = dispatcher
        self._devices = devices
        self._clusters = clusters
        self._grace = grace
        self._pause = pause
        self._clock = clock
        self._keeping: dict[str, asyncio.Task[None]] = {}  #: the devices that are there, and the clusters
        self._unusable: dict[str, KnownError] = {}  #: of these, which cannot be started for now, and why
        self._hopeless = asyncio.Event()
        self._fault: BaseException | None = None  #: what ended the keeping of a device, which nothing is to end
        self._has_drawn = False  #: at least one has been ready
        self._known: dict[str, Device] = {}
        self._wanted: dict[str, asyncio.Event] = {}  #: it is to draw
        self._unwanted: dict[str, asyncio.Event] = {}  #: it is not
        for name in devices:
            self._get_to_know(name)
        for name, worker in (inside or {}).items():
            self._known[name] = Device(name=name, since=clock(), worker=worker, may_leave=False)

    @property
    def devices(self) -> tuple[Device, ...]:
        """All there are, whatever they do now."""
        return tuple(self._known.values())

    def seconds_in_state(self, device: Device) -> float:
        """For how long the device has been doing what it does."""
        return self._clock() - device.since

    def name_of(self, worker: Worker) -> str:
        """The name of the device that a worker draws on; empty where it is known no more."""
        return next((device.name for device in self._known.values() if device.worker is worker), "")

    def drain(self, name: str) -> None:
        """Let a device finish what it draws, and then leave it alone until it is taken back. Others draw the rest."""
        self._wanted[name].clear()
        self._unwanted[name].set()
        self._unusable.pop(name, None)  # what nobody wants keeps the others from nothing
        if self._known[name].state is DeviceState.LOST:
            self._note(name, DeviceState.DRAINED, worker=None)
        elif self._known[name].state in (DeviceState.READY, DeviceState.STARTING):
            self._note(name, DeviceState.LEAVING)

    def take_back(self, name: str) -> None:
        """Let a device that was drained draw again."""
        self._unwanted[name].clear()
        self._wanted[name].set()
        if self._known[name].state is DeviceState.DRAINED:
            self._note(name, DeviceState.STARTING)

    async def run(self) -> NoReturn:
        """Keep all devices at work. Raises WorkerLost when none is left and none can be started, or when the one in
        this process is lost; and what goes wrong here.

        Where none could ever be started, `Dispatcher.ready` says why instead. A device that cannot be started is tried
        again all the same, as long as another one is there, or a cluster that may get one.
        """
        if not self._devices and not self._clusters:
            await self._follow_the_inside()
        for device, make in self._devices.items():
            self._keep(device, self._supply(device, make))
        for cluster in self._clusters:
            self._keep(cluster.name, self._follow(cluster))
        try:
            await self._hopeless.wait()
            if self._fault is not None:
                raise self._fault
            error = next(iter(self._unusable.values()))
            if not self._has_drawn:
                await self._dispatcher.give_up(error)
                await asyncio.Event().wait()
            raise WorkerLost(detail=f"no device is left: {error}")
        finally:
            await self._stop_keeping(tuple(self._keeping))

    async def _follow_the_inside(self) -> NoReturn:
        await self._dispatcher.ready()
        for name in self._known:
            self._note(name, DeviceState.READY)
        await self._dispatcher.lost()

    def _keep(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._keeping[name] = keeping = asyncio.create_task(work, name=f"keep {name}")
        keeping.add_done_callback(self._look_after)

    def _look_after(self, keeping: asyncio.Task[None]) -> None:
        if not keeping.cancelled() and (fault := keeping.exception()) is not None:
            self._fault = fault
            self._hopeless.set()

    async def _stop_keeping(self, names: Sequence[str]) -> None:
        tasks = [self._keeping.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, cluster: Cluster) -> None:
        """Keep the devices of a cluster at work while they are there."""
        failures, pause = 0, 0.0
        theirs: Devices = {}
        while True:
            began = self._clock()
            try:
                async for devices in cluster.devices():
                    failures = 0
                    self._unusable.pop(cluster.name, None)
                    log.info("%s has %d devices", cluster.name, len(devices))
                    await self._forget([name for name in theirs if name not in devices])
                    for name in devices.keys() - theirs.keys():
                        self._get_to_know(name)
                        self._keep(name, self._supply(name, devices[name]))
                    theirs = devices
            except WorkerLost as error:
                failures += 1
                log.error("%s cannot be reached: %s", cluster.name, operator_words(error))
                await self._forget(tuple(theirs))
                theirs = {}
                if failures >= ATTEMPTS:
                    self._note_unusable(cluster.name, error)
            pause = await self._rest(pause, began)

    async def _supply(self, device: str, make: Callable[[], Worker]) -> None:
        """Start a device's worker, and another one whenever it is lost, as long as it is to draw."""
        failures, pause = 0, 0.0
        while True:
            if not self._wanted[device].is_set():
                self._note(device, DeviceState.DRAINED, worker=None)
                log.info("the device %s is drained", device)
                await self._wanted[device].wait()
            worker = make()
            began = self._clock()
            self._note(device, DeviceState.STARTING, worker=worker)
            try:
                if not await self._until_unwanted(device, self._start(worker)):
                    pause = 0.0
                    continue
            except ShuttingDown:
                return
            except KnownError as error:
                failures += 1
                began = self._clock()
                self._note_loss(device)
                log.error("the device %s cannot be started: %s", device, operator_words(error))
                if isinstance(error, ModelUnavailable) or failures >= ATTEMPTS:
                    self._note_unusable(device, error)
            else:
                failures, self._has_drawn = 0, True
                self._unusable.pop(device, None)
                self._note(device, DeviceState.READY)
                log.info("the device %s is ready to draw", device)
                lost = await self._until_unwanted(device, worker.lost())
                if lost is None:
                    self._note(device, DeviceState.LEAVING)  # also one that was only starting when it was drained
                    await self._dispatcher.remove(worker, self._grace)
                    pause = 0.0
                    continue
                self._note_loss(device)
                log.error("the device %s is lost and will be started again: %s", device, operator_words(lost))
            pause = await self._until_unwanted(device, self._rest(pause, began)) or 0.0

    async def _start(self, worker: Worker) -> bool:
        await self._dispatcher.add(worker)
        return True

    async def _until_unwanted(self, device: str, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Do this, and return what it returns; it is cancelled as soon as the device is to be drained: None."""
        doing = asyncio.create_task(work)
        unwanted = asyncio.create_task(self._unwanted[device].wait())
        try:
            await asyncio.wait({doing, unwanted}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            doing.cancel()
            unwanted.cancel()
            await asyncio.gather(doing, unwanted, return_exceptions=True)

    async def _rest(self, pause: float, began: float) -> float:
        """Wait before what began then is tried again; return how long to wait the next time."""
        if self._clock() - began >= STEADY:
            pause = 0.0
        if pause:
            await self._pause(pause)
        return min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)

    def _get_to_know(self, device: str) -> None:
        self._known[device] = Device(name=device, since=self._clock())
        self._wanted[device], self._unwanted[device] = asyncio.Event(), asyncio.Event()
        self._wanted[device].set()

    async def _forget(self, devices: Sequence[str]) -> None:
        """Note that these are no longer there: their workers are lost by themselves."""
        await self._stop_keeping(devices)
        for device in devices:
            for known in (self._known, self._wanted, self._unwanted, self._unusable):
                known.pop(device, None)

    def _note(self, device: str, state: DeviceState, **changes: Any) -> None:
        known = self._known[device]
        since = known.since if known.state is state else self._clock()
        self._known[device] = replace(known, state=state, since=since, **changes)

    def _note_loss(self, device: str) -> None:
        self._note(device, DeviceState.LOST, worker=None, losses=self._known[device].losses + 1)

    def _note_unusable(self, name: str, error: KnownError) -> None:
        self._unusable[name] = error
        if len(self._unusable) == len(self._keeping):
            self._hopeless.set()
