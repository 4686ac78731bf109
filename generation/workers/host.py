"""Host is the far half of a worker elsewhere: a Worker whose events are gathered into batches."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

from generation.errors import KnownError, ModelUnavailable
from generation.events import JobCancelled, WorkerEvent
from generation.job import Job, JobId
from generation.workers.base import Worker
from generation.workers.messages import (
    Batch,
    Cancel,
    Close,
    Draw,
    Drawing,
    Forget,
    Lost,
    Opened,
    Order,
    Reorder,
    Report,
)
from generation.workers.stream import EventStream, add_newest

log = logging.getLogger(__name__)

REMEMBERED = 1000  #: jobs that are over, about which a late word means nothing


class Host:
    """Obeys orders, and says what comes of them. Runs in its process' event loop."""

    def __init__(self, worker: Worker, say: Callable[[Report], None], *, heartbeat: float) -> None:
        """`say` sends a report at once and may block; it is called in any thread. `heartbeat`: seconds."""
        self._worker = worker
        self._say = say
        self._heartbeat = heartbeat
        self._streams: dict[JobId, EventStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: set[asyncio.Task[None]] = set()  #: of these, one for each job
        self._outbox: dict[JobId, deque[WorkerEvent]] = {}
        self._arrived = asyncio.Event()
        self._closed = False
        self._unwanted: set[JobId] = set()  #: jobs to be stopped that have not come: a link may change the order
        self._over: deque[JobId] = deque(maxlen=REMEMBERED)

    async def run(self) -> None:
        """Bring the worker up, and report until it is closed."""
        starting = asyncio.create_task(self._start())
        async for batch in self._batches():
            # In a thread: a reader that is slow must not keep orders from being obeyed.
            await asyncio.to_thread(self._say, batch)
        await starting

    def obey(self, order: Order) -> None:
        """Do what is asked for."""
        match order:
            case Draw():
                self._draw(order)
            case Cancel():
                self._spawn(self._cancel(order.job_id))
            case Forget():
                self._spawn(self._forget(order.job_id))
            case Reorder():
                self._worker.reorder(order.order)
            case Close():
                self._spawn(self._close())
            case _:
                pass

    async def _start(self) -> None:
        error: KnownError | None = None
        try:
            await self._worker.start(lambda jobs: self._say(Drawing(jobs=jobs)))
        except KnownError as known:
            error = known
        except Exception as other:
            log.exception("the worker did not start")
            error = ModelUnavailable("?", detail=repr(other))
        await asyncio.to_thread(self._say, Batch(loaded=self._worker.loaded, places=self._worker.places))
        await asyncio.to_thread(self._say, Opened(error=error))
        if error is None:
            self._spawn(self._watch())

    async def _watch(self) -> None:
        lost = await self._worker.lost()
        await asyncio.to_thread(self._say, Lost(error=lost))

    def _draw(self, order: Draw) -> None:
        if order.job_id in self._unwanted:
            self._unwanted.discard(order.job_id)
            self._put(JobCancelled(job_id=order.job_id, device_seconds=0.0))
            return
        job = Job(id=order.job_id, request=order.request, requester="", inputs=lambda: order.inputs)
        stream = self._streams[job.id] = self._worker.draw(job)
        following = self._spawn(self._follow(job.id, stream))
        self._following.add(following)
        following.add_done_callback(self._following.discard)

    async def _cancel(self, job_id: JobId) -> None:
        if job_id in self._streams:
            await self._worker.cancel(job_id)
        elif job_id not in self._over:
            self._unwanted.add(job_id)

    async def _forget(self, job_id: JobId) -> None:
        if (stream := self._streams.get(job_id)) is not None:
            await stream.aclose()
        elif job_id not in self._over:
            self._unwanted.add(job_id)

    async def _close(self) -> None:
        await self._worker.close()
        while self._streams:
            await asyncio.wait(self._following)
        self._closed = True
        self._arrived.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _follow(self, job_id: JobId, stream: EventStream) -> None:
        try:
            async for event in stream:
                self._put(event)
        finally:
            del self._streams[job_id]
            self._over.append(job_id)
            await stream.aclose()

    def _put(self, event: WorkerEvent) -> None:
        add_newest(self._outbox.setdefault(event.job_id, deque()), event)
        self._arrived.set()

    async def _batches(self) -> AsyncIterator[Batch]:
        """Yield what has happened, one batch for all events of a tick, and an empty one after a quiet while."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat):
                    await self._arrived.wait()
            await asyncio.sleep(0)  # the events of one tick arrive one after the other
            self._arrived.clear()
            outbox, self._outbox = self._outbox, {}
            events = tuple(event for of_one in outbox.values() for event in of_one)
            yield Batch(events=events, loaded=self._worker.loaded, places=self._worker.places)
            if self._closed and not self._outbox:
                return
