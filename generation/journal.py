"""The journal writes down what happens to jobs before anybody is told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from generation.errors import KnownError, WorkerLost
from generation.job import Job, JobId, JobStatus
from generation.result import GenerationResult

R = TypeVar("R", covariant=True)  #: the record of a finished job: what the journal writes, and a ticket resolves to


class Journal(Protocol[R]):
    """Where the dispatcher records a job's life. `bot.storage` has the durable one."""

    def drawing(self, jobs: frozenset[JobId]) -> None:
        """A device of this process works for these jobs next, and for no others: suspects, if the process dies now.

        Called in workers' threads too, and never at the same time in two of them. Raises nothing.
        """
        ...

    async def started(self, job: Job) -> None:
        """A device has begun to work for the job."""
        ...

    async def rendered(self, job: Job, result: GenerationResult) -> R:
        """The pictures are done: keep them, and only then return the record of it."""
        ...

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        """The job ended without pictures: failed, cancelled or interrupted. `device_seconds` were spent on it."""
        ...

    async def put_back(self, job: Job, device_seconds: float) -> None:
        """Let the job wait again, for the next run: the process stops before it is done, which is not the job's fault.

        `device_seconds` is what was spent on it in vain, 0 for a job that was not begun.
        """
        ...

    async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> Mapping[JobId, KnownError]:
        """A worker in another process is gone, and its jobs wait again, in one transaction.

        Those it has `drawn` when it died are remembered: one that was drawn in two such deaths is over, and is returned
        with the error that it ended with. The others only waited there, or nobody knows what happened to the worker.
        """
        ...


class MemoryJournal:
    """A journal for scripts and tests: remembers results and forgets them with the process."""

    def __init__(self) -> None:
        self.results: dict[JobId, GenerationResult] = {}
        self.history: list[tuple[JobId, JobStatus]] = []
        self.drawn_now: frozenset[JobId] = frozenset()
        self.crashes: Counter[JobId] = Counter()

    def drawing(self, jobs: frozenset[JobId]) -> None:
        self.drawn_now = jobs

    async def started(self, job: Job) -> None:
        self.history.append((job.id, JobStatus.STARTED))

    async def rendered(self, job: Job, result: GenerationResult) -> GenerationResult:
        self.results[job.id] = result
        self.history.append((job.id, JobStatus.RENDERED))
        return result

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        self.history.append((job.id, status))

    async def put_back(self, job: Job, device_seconds: float) -> None:
        self.history.append((job.id, JobStatus.ACCEPTED))

    async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> Mapping[JobId, KnownError]:
        over: dict[JobId, KnownError] = {}
        for job in drawn:
            self.crashes[job.id] += 1
            if self.crashes[job.id] > 1:
                over[job.id] = WorkerLost()
        for job in (*drawn, *standing):
            self.history.append((job.id, JobStatus.FAILED if job.id in over else JobStatus.ACCEPTED))
        return over
