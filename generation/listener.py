"""Listener: whoever counts what becomes of jobs, and has no part in it."""

from typing import Protocol, TypeVar

from generation.errors import KnownError
from generation.events import JobCancelled, JobDone, JobFailed
from generation.job import Job
from generation.workers.base import Worker

R = TypeVar("R", contravariant=True)  #: the record of a finished job


class Listener(Protocol[R]):
    """Is told in the event loop, where it must neither wait nor raise."""

    def began(self, job: Job, waited: float) -> None:
        """A device works for the job for the first time, which was in line for so many seconds."""
        ...

    def drawn(self, worker: Worker, job: Job, last: JobDone | JobFailed | JobCancelled) -> None:
        """A worker has done with the job, in one way or another."""
        ...

    def over(self, job: Job, outcome: R | KnownError) -> None:
        """The job is over, with its record or with what ended it; or it goes on in the next run (Postponed)."""
        ...
