"""A cluster whose devices come and go as the test says."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from generation.device import DeviceState
from generation.supervisor import Devices, Supervisor
from generation.workers.fake import FakeWorker
from tests.waiting import until


class Cluster:
    """Its workers draw nothing, and do so at once."""

    name = "the cluster"

    def __init__(self) -> None:
        self._there: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self._workers: dict[str, FakeWorker] = {}

    def has(self, *devices: str) -> None:
        """From now on these are there, and the workers of all others are lost."""
        for name in self._workers.keys() - set(devices):
            self._workers.pop(name).lose()
        self._there.put_nowait(devices)

    async def devices(self) -> AsyncIterator[Devices]:
        while True:
            yield {name: partial(self._make, name) for name in await self._there.get()}

    def _make(self, name: str) -> FakeWorker:
        self._workers[name] = worker = FakeWorker()
        worker.in_this_process = False
        return worker


async def all_ready(supervisor: Supervisor, *devices: str) -> None:
    """Wait until these devices are there, each of them ready, and no other one."""
    wanted = {(name, DeviceState.READY) for name in devices}
    await until(lambda: {(device.name, device.state) for device in supervisor.devices} == wanted, within=10)
