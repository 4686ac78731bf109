"""The journal writes down what happens to jobs before anybody is told."""

from typing import Protocol
from uuid import uuid4

from generation.errors import KnownError
from generation.job import Job, JobId, JobStatus
from generation.result import GenerationResult, RenderedJob


class Journal(Protocol):
    """Where the dispatcher records a job's life. `bot.storage` has the durable one."""

    async def started(self, job: Job) -> None:
        """Note that the job was handed to a worker."""
        ...

    async def rendered(self, job: Job, result: GenerationResult) -> RenderedJob:
        """Keep the pictures, which are done, and only then return."""
        ...

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        """Note that the job ended without pictures: failed, cancelled or interrupted."""
        ...

    async def put_back(self, job: Job, device_seconds: float) -> None:
        """Let the job wait again, for the next run: the process stops before it is done, which is not the job's fault.

        `device_seconds` is what was spent on it in vain, 0 for a job that was not begun.
        """
        ...


class MemoryJournal:
    """A journal for scripts and tests: remembers results and forgets them with the process."""

    def __init__(self) -> None:
        self.results: dict[JobId, GenerationResult] = {}
        self.history: list[tuple[JobId, JobStatus]] = []

    async def started(self, job: Job) -> None:
        self.history.append((job.id, JobStatus.STARTED))

    async def rendered(self, job: Job, result: GenerationResult) -> RenderedJob:
        self.results[job.id] = result
        self.history.append((job.id, JobStatus.RENDERED))
        return RenderedJob(
            job_id=job.id,
            image_ids=tuple(uuid4() for _ in result.images),
            device_seconds=result.device_seconds,
        )

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        self.history.append((job.id, status))

    async def put_back(self, job: Job, device_seconds: float) -> None:
        self.history.append((job.id, JobStatus.ACCEPTED))
