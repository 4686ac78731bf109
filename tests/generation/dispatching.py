"""What the tests of the dispatcher begin with."""

import asyncio
import uuid
from typing import Any

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import (
    KnownError,
)
from generation.job import Job, JobId
from generation.journal import Journal, MemoryJournal
from generation.request import GenerationRequest, SchedulerName
from generation.ticket import JobTicket
from generation.workers.fake import FakeWorker


def job(requester: str = "ada", **wishes: Any) -> Job:
    settings: dict[str, Any] = {
        "prompt": "x",
        "model": "m",
        "width": 64,
        "height": 64,
        "steps": 10,
        "guidance_scale": 1.0,
        "scheduler": SchedulerName.DDIM,
        "seed": 1,
    }
    return Job(id=uuid.uuid4(), request=GenerationRequest(**settings | wishes), requester=requester)


async def running_dispatcher(worker: FakeWorker, journal: Journal | None = None, *, capacity: int = 1000) -> Dispatcher:
    dispatcher = Dispatcher([worker], journal or MemoryJournal(), capacity=capacity)
    await dispatcher.start()
    await dispatcher.ready()
    return dispatcher


async def error_of(ticket: JobTicket) -> KnownError:
    with pytest.raises(KnownError) as raised:
        await ticket.result()
    return raised.value


async def soon() -> None:
    """Let every task that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


class SlowToStop(FakeWorker):
    """Notices that a job was cancelled only when it is closed, as if in the middle of a long step."""

    closing = False

    async def cancel(self, job_id: JobId) -> None:
        if self.closing:
            await super().cancel(job_id)

    async def close(self) -> None:
        self.closing = True
        await super().close()
