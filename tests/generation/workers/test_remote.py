"""What the near half of a worker does about the far one: a device that is another one's, and one that hangs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from generation.errors import ModelUnavailable, WorkerLost
from generation.workers.messages import Batch, Close, Closed, Found, Make, Opened, Order, Report
from generation.workers.remote import InUse, RemoteWorker


class FarGpu:
    """A link to a worker that draws on the GPU with this UUID."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self.killed = False

    async def open(self) -> None:
        pass

    def tell(self, order: Order) -> None:
        self._orders.put_nowait(order)

    async def reports(self) -> AsyncIterator[Report]:
        yield Found(device=self._device)
        yield Batch()
        yield Opened()
        while not isinstance(await self._orders.get(), Close):
            pass
        yield Closed()

    async def kill(self) -> None:
        self.killed = True


async def test_a_gpu_that_another_worker_draws_on_is_refused_by_its_uuid_until_that_one_is_closed() -> None:
    in_use: InUse = {}

    def worker(name: str, device: str) -> tuple[FarGpu, RemoteWorker]:
        link = FarGpu(device)
        return link, RemoteWorker(link, Make(function="m:f"), name=name, in_use=in_use)

    _, first = worker("1 (cuda:0)", "GPU-1")
    second_link, second = worker("GPU 1 of far", "GPU-1")
    _, third = worker("GPU 2 of far", "GPU-2")
    await first.start()
    await third.start()
    with pytest.raises(ModelUnavailable) as raised:
        await second.start()
    assert raised.value.reason == "device_taken"
    assert raised.value.detail == "GPU-1 (1 (cuda:0))"
    await second.close()
    assert second_link.killed
    await first.close()
    _, again = worker("GPU 1 of far", "GPU-1")
    await again.start()
    await again.close()
    await third.close()
    assert in_use == {}


async def test_a_gpu_is_its_replacements_though_the_lost_worker_is_closed_later() -> None:
    in_use: InUse = {}
    lost, again, other = (
        RemoteWorker(FarGpu("GPU-1"), Make(function="m:f"), name=name, in_use=in_use)
        for name in ("1 (cuda:0)", "1 (cuda:0)", "GPU 1 of far")
    )
    await lost.start()
    await again.start()
    await lost.close()
    with pytest.raises(ModelUnavailable):
        await other.start()
    await other.close()
    await again.close()
    assert in_use == {}


class FarHang(FarGpu):
    """A link to a worker that gives signs of life, and never starts."""

    async def reports(self) -> AsyncIterator[Report]:
        while not self.killed:
            yield Batch()
            await asyncio.sleep(0.001)


async def test_a_worker_that_never_starts_is_lost_whatever_signs_of_life_it_gives() -> None:
    link = FarHang("GPU-1")
    worker = RemoteWorker(link, Make(function="m:f"), name="1 (cuda:0)", starting=0.05)
    with pytest.raises(WorkerLost) as raised:
        await worker.start()
    assert "did not start" in str(raised.value.detail)
    await worker.close()
    assert link.killed
