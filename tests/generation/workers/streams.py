"""What comes of a job."""

from contextlib import aclosing

from generation.events import WorkerEvent
from generation.workers.stream import EventStream


async def follow(stream: EventStream) -> list[WorkerEvent]:
    """Follow a job to its end; return all its events."""
    async with aclosing(stream):
        return [event async for event in stream]
