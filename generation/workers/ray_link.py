"""RayLink: the other side is an actor on some machine of a Ray cluster, which another process here has joined."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from generation.errors import WorkerLost
from generation.workers.base import Worker
from generation.workers.cluster_messages import Begin, Broken, Carried, Carry, End, Node, Nodes
from generation.workers.messages import Closed, Logged, Lost, Order, Report
from generation.workers.pipe_link import PipeLink
from generation.workers.wire import Unreadable, decode, encode

log = logging.getLogger(__name__)

_DRIVER = "generation.workers.ray_driver"
ENDING = 10.0  #: seconds to wait until an actor is said to be gone


#: Makes a worker of a link to a device, the device's name, and whether it is a GPU.
MakeWorker: TypeAlias = Callable[["RayLink", str, bool], Worker]


class _Driver:
    """The process that has joined the cluster, once: another one takes its place."""

    def __init__(self, address: str) -> None:
        self._pipe = PipeLink(address, module=_DRIVER)
        self._numbers = itertools.count()
        self._links: dict[int, RayLink] = {}
        self._nodes: tuple[Node, ...] = ()
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self.over: WorkerLost | None = None  #: why it is no more

    @property
    def pid(self) -> int | None:
        return self._pipe.pid

    async def open(self) -> None:
        await self._pipe.open()
        self._reading = asyncio.create_task(self._read(), name="read the Ray cluster")

    async def nodes(self) -> AsyncIterator[tuple[Node, ...]]:
        """Yield the machines that are there, each time they are others. Raises WorkerLost."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.over is not None:
                raise self.over
            yield self._nodes

    def begin(self, link: "RayLink", node: str, *, gpu: bool) -> int:
        """Start an actor, and return the link's number. Raises WorkerLost."""
        if self.over is not None:
            raise self.over
        number = next(self._numbers)
        self._links[number] = link
        self._pipe.tell(Begin(link=number, node=node, gpu=gpu))
        return number

    def carry(self, link: int, order: Order) -> None:
        self._pipe.tell(Carry(link=link, frame=encode(order)))

    def end(self, link: int) -> None:
        self._pipe.tell(End(link=link))

    async def close(self) -> None:
        await self._pipe.kill()
        if self._reading is not None:
            await asyncio.wait({self._reading})

    async def _read(self) -> None:
        error = WorkerLost(detail="the process that had joined the Ray cluster is gone", died=False)
        try:
            async for message in self._pipe.reports():
                match message:
                    case Nodes():
                        self._nodes = message.nodes
                        self._changed.set()
                    case Carried():
                        self._tell(message.link, message.frame)
                    case Broken():
                        self._tell(message.link, message.error)
                        self._links.pop(message.link, None)
                    case Logged():
                        logging.getLogger(message.logger).log(message.level, "Ray: %s", message.line)
                    case Lost():
                        error = message.error
                    case _:
                        pass
        except WorkerLost as lost:
            log.debug("the process that had joined the Ray cluster: %s", lost.detail)
        self.over = error
        self._changed.set()
        for link in tuple(self._links.values()):
            link.hear(error)

    def _tell(self, number: int, what: bytes | WorkerLost) -> None:
        if (link := self._links.get(number)) is not None:
            link.hear(what)


class RayLink:
    """Carries frames by way of the process that has joined the cluster."""

    def __init__(self, driver: _Driver, node: str, *, gpu: bool) -> None:
        self._driver = driver
        self._node = node
        self._gpu = gpu
        self._number: int | None = None
        self._frames: asyncio.Queue[bytes | WorkerLost] = asyncio.Queue()
        self._over = asyncio.Event()

    async def open(self) -> None:
        self._number = self._driver.begin(self, self._node, gpu=self._gpu)

    def tell(self, order: Order) -> None:
        if self._number is not None:
            self._driver.carry(self._number, order)

    def hear(self, what: bytes | WorkerLost) -> None:
        """Take a frame, or why there will be no more."""
        self._frames.put_nowait(what)
        if isinstance(what, WorkerLost):
            self._over.set()

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            frame = await self._frames.get()
            if isinstance(frame, WorkerLost):
                raise frame
            try:
                report: Report = decode(frame)
            except Unreadable as error:
                raise WorkerLost(detail=f"it cannot be understood: {error}") from error
            yield report
            if isinstance(report, Closed):
                return

    async def kill(self) -> None:
        if self._number is None or self._over.is_set():
            return
        self._driver.end(self._number)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await self._over.wait()


class RayCluster:
    """The devices of a Ray cluster: the GPUs of its machines, and those machines that draw without one."""

    def __init__(self, address: str, worker: MakeWorker) -> None:
        """`address`: host and port of the cluster's head. Nothing else is ever joined."""
        self.name = f"the Ray cluster at {address}"
        self._address = address
        self._worker = worker
        self._driver: _Driver | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that has joined it."""
        return self._driver.pid if self._driver is not None else None

    async def devices(self) -> AsyncIterator[Mapping[str, Callable[[], Worker]]]:
        """Yield what makes a worker for each device that there is, by the device's name; again when they are others.

        Raises WorkerLost when the cluster cannot be reached, or no more. May be called again then.
        """
        if self._driver is not None:
            await self._driver.close()
        self._driver = driver = _Driver(self._address)
        await driver.open()
        async for nodes in driver.nodes():
            yield {
                name: partial(self._make, driver, node, name, gpu) for node in nodes for name, gpu in _devices_of(node)
            }

    async def close(self) -> None:
        """Leave the cluster; what draws there ends."""
        if self._driver is not None:
            await self._driver.close()

    def _make(self, driver: _Driver, node: Node, name: str, gpu: bool) -> Worker:
        return self._worker(RayLink(driver, node.id, gpu=gpu), name, gpu)


def _devices_of(node: Node) -> list[tuple[str, bool]]:
    """The names of a machine's devices, and whether each is a GPU. Two nodes may be on one machine."""
    machine = f"{node.host}, node {node.id[:6]}"
    if node.gpus:
        return [(f"GPU {number} of {machine}", True) for number in range(1, node.gpus + 1)]
    return [(f"CPU of {machine}", False)] if node.draws_without else []
