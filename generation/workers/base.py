"""Worker: the seam between deciding whose turn it is and drawing."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from generation.errors import WorkerLost
from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.stream import EventStream

Drawing: TypeAlias = Callable[[frozenset[JobId]], None]  #: is told for which jobs the device works next


def told_nobody(jobs: frozenset[JobId]) -> None:
    """For whom the device works is nobody's business."""


class Worker(Protocol):
    """Draws jobs on a device it owns. Never decides whose turn it is."""

    places: int  #: the most images that a step has been made for at a time so far, at least 1
    in_this_process: bool  #: whether what takes the worker down takes this process down too

    @property
    def loaded(self) -> frozenset[str] | None:
        """The models that can be drawn with at once; None: all that it may be asked for."""
        ...

    async def start(self, drawing: Drawing = told_nobody) -> None:
        """Load the model; returns when the first job can be drawn. Raises ModelUnavailable, WorkerLost.

        `drawing` is called, in any thread, each time before the device works for other jobs than before: one of these
        is the culprit if that takes the process down.
        """
        ...

    def room(self, request: GenerationRequest) -> int:
        """Return how many images of this kind there is memory for now; a snapshot, never blocks."""
        ...

    def draw(self, job: Job) -> EventStream:
        """Reserve room, then say what happens to the job.

        The reservation is made before this returns, so this is a plain function that returns a stream and no async
        generator. Progress is newest-wins, other events are never dropped, and the last one is a JobDone, JobFailed
        or JobCancelled. Closing the stream early cancels the job. A JobFailed with WorkerLost says more: the worker is
        lost, every other job it has ends like this, and it has no room ever again.
        """
        ...

    def reorder(self, order: Sequence[JobId]) -> None:
        """Work for these jobs first, in this order, from the next step on, and then for all others it has."""
        ...

    async def cancel(self, job_id: JobId) -> None:
        """Stop drawing the job at the next step; a job that is unknown or done is left alone."""
        ...

    async def lost(self) -> WorkerLost:
        """Wait until the worker is lost, in the good case for ever; return why, drawing or not."""
        ...

    async def close(self) -> None:
        """Stop drawing and give the device back; what was running is cancelled. May be called twice.

        Returns even when the worker hangs.
        """
        ...
