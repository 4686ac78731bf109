"""A device that two workers find is drawn on by the first of them only."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from generation.errors import ModelUnavailable
from generation.workers.messages import Batch, Close, Closed, Found, Make, Opened, Order, Report
from generation.workers.remote import RemoteWorker


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
    in_use: dict[str, str] = {}

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
