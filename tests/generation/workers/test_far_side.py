"""The far side of a link: where it cannot go on it ends, so that the near side hears of it."""

import asyncio
from typing import Any

import pytest

from generation.errors import ModelUnavailable
from generation.workers.base import Drawing, Worker, told_nobody
from generation.workers.fake import FakeWorker
from generation.workers.far_side import serve
from generation.workers.messages import Make, Open, Opened, Report, versions
from generation.workers.wire import Unreadable


class CannotStart(FakeWorker):
    async def start(self, drawing: Drawing = told_nobody) -> None:
        raise RuntimeError("can't start new thread")


def fine() -> Worker:
    return FakeWorker()


def cannot_start() -> Worker:
    return CannotStart()


def opening(function: str) -> Open:
    make = Make(function=f"{__name__}:{function}", device="cpu")
    return Open(versions=versions(), heartbeat=0.01, make=make)


class Near:
    """Says what it is told to, and hears whether the worker has started."""

    def __init__(self, *orders: Any) -> None:
        self.orders: asyncio.Queue[Any] = asyncio.Queue()
        self.opened: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        for order in orders:
            self.orders.put_nowait(order)

    def hear(self, report: Report) -> None:
        """Called in any thread."""
        if isinstance(report, Opened):
            self.opened.get_loop().call_soon_threadsafe(self.opened.set_result, report)

    async def receive(self) -> Any:
        if isinstance(order := await self.orders.get(), Exception):
            raise order
        return order


async def test_an_order_that_cannot_be_read_ends_it() -> None:
    near = Near(opening("fine"), Unreadable("half a frame"))
    with pytest.raises(Unreadable):
        await asyncio.wait_for(serve(near.receive, near.hear), 10)


async def test_a_worker_that_cannot_start_for_any_reason_is_told_of() -> None:
    near = Near(opening("cannot_start"))
    serving = asyncio.create_task(serve(near.receive, near.hear))
    opened = await asyncio.wait_for(near.opened, 10)
    assert isinstance(opened.error, ModelUnavailable)
    assert "new thread" in str(opened.error.detail)
    serving.cancel()
    await asyncio.wait({serving})
