"""A worker without a device that takes its time."""

import asyncio

from generation.job import Job
from generation.workers.fake import FakeWorker
from generation.workers.stream import EventStream


class TimedWorker(FakeWorker):
    """A FakeWorker that takes some time for a step, and says so."""

    def __init__(self, seconds: float, room: int) -> None:
        super().__init__(room, hold=True, device_seconds_per_image=seconds)
        self._takes = seconds

    def draw(self, job: Job) -> EventStream:
        stream = super().draw(job)
        self._step_later(job, stream, 1)
        return stream

    def _step_later(self, job: Job, stream: EventStream, step: int) -> None:
        asyncio.get_running_loop().call_later(self._takes, self._make_step, job, stream, step)

    def _make_step(self, job: Job, stream: EventStream, step: int) -> None:
        if stream.closed:  # cancelled, or put back
            return
        if step < job.request.steps:
            self.steps(job.id, step)
            self._step_later(job, stream, step + 1)
        else:
            self.release(job.id)
