"""EventStream carries one job's events from its worker to the dispatcher, the stream's one follower."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Self

from generation.events import JobCancelled, JobDone, JobFailed, StepDone, WorkerEvent

LAST = (JobDone, JobFailed, JobCancelled)  #: what ends a job


def add_newest(events: deque[WorkerEvent], event: WorkerEvent) -> None:
    """Add an event of a job to those that nobody has read yet: of its progress only the newest stays."""
    if isinstance(event, StepDone) and events and isinstance(before := events[-1], StepDone):
        event = replace(event, preview=event.preview or before.preview)
        events.pop()
    events.append(event)


class EventStream(AsyncIterator[WorkerEvent]):
    """Progress is newest-wins, other events are never dropped, nothing follows the last event.

    `on_close` runs once, when the follower is done with the stream, however far it read: the worker's chance to stop
    drawing and to give the reserved room back. Used from the event loop's thread only.
    """

    def __init__(self, *, on_close: Callable[[], object]) -> None:
        self._events: deque[WorkerEvent] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._on_close: Callable[[], object] | None = on_close
        self._ended = False  #: the last event was put
        self._over = False  #: the last event was read

    @property
    def closed(self) -> bool:
        """Whether the follower is done."""
        return self._on_close is None

    def put(self, event: WorkerEvent) -> None:
        """Add an event; ignored after the last event and after closing."""
        if self._ended or self._on_close is None:
            return
        add_newest(self._events, event)
        self._ended = isinstance(event, LAST)
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WorkerEvent:
        if self._over or self._on_close is None:
            raise StopAsyncIteration
        while not self._events:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
            if self._on_close is None:
                raise StopAsyncIteration
        event = self._events.popleft()
        self._over = isinstance(event, LAST)
        return event

    async def aclose(self) -> None:
        """Close the stream, because the follower is done. May be called twice."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
