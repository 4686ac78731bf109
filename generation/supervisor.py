"""The Supervisor sees to it that each device has its worker: it starts them, and replaces those that are lost."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

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


class Supervisor:
    """One worker in another process for each device, for as long as `run` runs."""

    def __init__(
        self,
        dispatcher: Dispatcher[Any],
        devices: Mapping[str, Callable[[], Worker]],
        *,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`devices` makes a worker for each, by the name that the log has for it."""
        self._dispatcher = dispatcher
        self._devices = devices
        self._pause = pause
        self._clock = clock
        self._unusable: dict[str, KnownError] = {}  #: devices that cannot be started for now, and why
        self._hopeless = asyncio.Event()
        self._has_drawn = False  #: at least one has been ready

    async def run(self) -> NoReturn:
        """Keep all devices at work. Raises WorkerLost when none is left and none can be started.

        Where none could ever be, `Dispatcher.ready` says why instead. A device that cannot be started is tried again
        all the same, as long as another one is there.
        """
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

    async def _keep(self, device: str) -> None:
        failures, pause = 0, 0.0
        while True:
            worker = self._devices[device]()
            began = self._clock()
            try:
                await self._dispatcher.add(worker)
            except ShuttingDown:
                return
            except KnownError as error:
                failures += 1
                log.error("the device %s cannot be started: %s", device, operator_words(error))
                if isinstance(error, ModelUnavailable) or failures >= ATTEMPTS:
                    self._note_unusable(device, error)
            else:
                failures, self._has_drawn = 0, True
                self._unusable.pop(device, None)
                log.info("the device %s is ready to draw", device)
                lost = await worker.lost()
                log.error("the device %s is lost and will be started again: %s", device, operator_words(lost))
                if self._clock() - began >= STEADY:
                    pause = 0.0
            if pause:
                await self._pause(pause)
            pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)

    def _note_unusable(self, device: str, error: KnownError) -> None:
        self._unusable[device] = error
        if len(self._unusable) == len(self._devices):
            self._hopeless.set()
