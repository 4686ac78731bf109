"""Worker: the seam between deciding whose turn it is and drawing."""

from typing import Protocol

from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.stream import EventStream


class Worker(Protocol):
    """Draws jobs on a device it owns. Never decides whose turn it is."""

    async def start(self) -> None:
        """Load the model; returns when the first job can be drawn. Raises ModelUnavailable."""
        ...

    def room(self, request: GenerationRequest) -> int:
        """Return how many images of this kind it would start now; a snapshot, never blocks."""
        ...

    def draw(self, job: Job) -> EventStream:
        """Reserve room, then say what happens to the job.

        The reservation is made before this returns, so this is a plain function that returns a stream and no async
        generator. Progress is newest-wins, other events are never dropped, and the last one is a JobDone, JobFailed
        or JobCancelled. Closing the stream early cancels the job. A JobFailed with WorkerLost says more: the worker is
        lost, every other job it has ends like this, and it has no room ever again.
        """
        ...

    async def cancel(self, job_id: JobId) -> None:
        """Stop drawing the job at the next step; a job that is unknown or done is left alone."""
        ...

    async def close(self) -> None:
        """Stop drawing and give the device back; what was running is cancelled. May be called twice.

        Returns even when the worker hangs.
        """
        ...
