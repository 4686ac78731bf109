"""The Supervisor sees to it that each device has its worker: it starts them, and replaces those that are lost."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn, TypeAlias

from generation.device import Device, DeviceState
from generation.dispatcher import Dispatcher
from generation.errors import KnownError, ModelUnavailable, ShuttingDown, WorkerLost
from generation.operator_words import operator_words
from generation.workers.base import Worker

log = logging.getLogger(__name__)

Pause: TypeAlias = Callable[[float], Awaitable[None]]

STEADY = 60.0  #: seconds after which a worker that is lost was no failed start
FIRST_PAUSE = 1.0  #: seconds until the next start, after two within that time; then twice as many each time
LONGEST_PAUSE = 300.0  #: seconds
ATTEMPTS = 3  #: starts in a row after which a device counts as one that cannot be started
GRACE = 30.0  #: seconds that what a device draws may take when it is to be drained


class Supervisor:
    """One worker in another process for each device, for as long as `run` runs; or the one in this process."""

    def __init__(
        self,
        dispatcher: Dispatcher[Any],
        devices: Mapping[str, Callable[[], Worker]],
        *,
        inside: Mapping[str, Worker] | None = None,
        grace: float = GRACE,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`devices` makes a worker for each, by the name that the log has for it; `inside` has the workers that the
        dispatcher itself starts in this process. `grace`: seconds that a device which is drained has for what it draws.
        """
        self._dispatcher = dispatcher
        self._devices = devices
        self._grace = grace
        self._pause = pause
        self._clock = clock
        self._unusable: dict[str, KnownError] = {}  #: devices that cannot be started for now, and why
        self._hopeless = asyncio.Event()
        self._has_drawn = False  #: at least one has been ready
        self._known = {name: Device(name=name, since=clock()) for name in devices}
        for name, worker in (inside or {}).items():
            self._known[name] = Device(name=name, since=clock(), worker=worker, may_leave=False)
        self._wanted = {name: asyncio.Event() for name in devices}  #: it is to draw
        self._unwanted = {name: asyncio.Event() for name in devices}  #: it is not
        for wanted in self._wanted.values():
            wanted.set()

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
        if self._known[name].state is DeviceState.LOST:
            self._note(name, DeviceState.DRAINED, worker=None)
        elif self._known[name].state is DeviceState.READY:
            self._note(name, DeviceState.LEAVING)

    def take_back(self, name: str) -> None:
        """Let a device that was drained draw again."""
        self._unwanted[name].clear()
        self._wanted[name].set()
        if self._known[name].state is DeviceState.DRAINED:
            self._note(name, DeviceState.STARTING)

    async def run(self) -> NoReturn:
        """Keep all devices at work. Raises WorkerLost when none is left and none can be started, or when the one in
        this process is lost.

        Where none could ever be started, `Dispatcher.ready` says why instead. A device that cannot be started is tried
        again all the same, as long as another one is there.
        """
        if not self._devices:
            await self._follow_the_inside()
        keeping = [asyncio.create_task(self._keep(device), name=f"keep {device}") for device in self._devices]
        try:
            await self._hopeless.wait()
            error = next(iter(self._unusable.values()))
            if not self._has_drawn:
                await self._dispatcher.give_up(error)
                await asyncio.Event().wait()
            raise WorkerLost(detail=f"no device is left: {error}")
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def _follow_the_inside(self) -> NoReturn:
        await self._dispatcher.ready()
        for name in self._known:
            self._note(name, DeviceState.READY)
        await self._dispatcher.lost()

    async def _keep(self, device: str) -> None:
        failures, pause = 0, 0.0
        while True:
            if not self._wanted[device].is_set():
                self._note(device, DeviceState.DRAINED, worker=None)
                log.info("the device %s is drained", device)
                await self._wanted[device].wait()
            worker = self._devices[device]()
            began = self._clock()
            self._note(device, DeviceState.STARTING, worker=worker)
            try:
                await self._dispatcher.add(worker)
            except ShuttingDown:
                return
            except KnownError as error:
                failures += 1
                self._note_loss(device)
                log.error("the device %s cannot be started: %s", device, operator_words(error))
                if isinstance(error, ModelUnavailable) or failures >= ATTEMPTS:
                    self._note_unusable(device, error)
            else:
                failures, self._has_drawn = 0, True
                self._unusable.pop(device, None)
                self._note(device, DeviceState.READY)
                log.info("the device %s is ready to draw", device)
                lost = await self._lost_or_unwanted(device, worker)
                if lost is None:
                    self._note(device, DeviceState.LEAVING)  # also one that was only starting when it was drained
                    await self._dispatcher.remove(worker, self._grace)
                    pause = 0.0
                    continue
                self._note_loss(device)
                log.error("the device %s is lost and will be started again: %s", device, operator_words(lost))
                if self._clock() - began >= STEADY:
                    pause = 0.0
            if pause:
                await self._pause(pause)
            pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)

    async def _lost_or_unwanted(self, device: str, worker: Worker) -> WorkerLost | None:
        """Wait until the worker is lost, and return why; None as soon as the device is to be drained."""
        lost = asyncio.create_task(worker.lost())
        unwanted = asyncio.create_task(self._unwanted[device].wait())
        try:
            await asyncio.wait({lost, unwanted}, return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost.done() else None
        finally:
            lost.cancel()
            unwanted.cancel()

    def _note(self, device: str, state: DeviceState, **changes: Any) -> None:
        known = self._known[device]
        since = known.since if known.state is state else self._clock()
        self._known[device] = replace(known, state=state, since=since, **changes)

    def _note_loss(self, device: str) -> None:
        self._note(device, DeviceState.LOST, worker=None, losses=self._known[device].losses + 1)

    def _note_unusable(self, device: str, error: KnownError) -> None:
        self._unusable[device] = error
        if len(self._unusable) == len(self._devices):
            self._hopeless.set()
