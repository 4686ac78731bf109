"""A job's stream of events."""

import asyncio

from generation.events import (
    StepDone,
)
from generation.workers.stream import EventStream
from tests.generation.diffusion.conftest import make_job
from tests.generation.workers.streams import follow


async def test_progress_that_nobody_read_keeps_its_preview() -> None:
    stream = EventStream(on_close=lambda: None)
    job = make_job()
    stream.put(StepDone(job_id=job.id, step=1, steps=4, preview=b"a"))
    stream.put(StepDone(job_id=job.id, step=2, steps=4))
    event = await anext(stream)
    assert isinstance(event, StepDone)
    assert (event.step, event.preview) == (2, b"a")


async def test_closing_a_stream_wakes_its_reader() -> None:
    stream = EventStream(on_close=lambda: None)
    reading = asyncio.create_task(follow(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    assert await reading == []
