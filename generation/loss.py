"""Loss: a worker in another process is gone, and what becomes of its jobs is decided once all have heard of it."""

import asyncio
from collections.abc import Mapping

from generation.errors import KnownError
from generation.job import Job, JobId


class Loss:
    """One worker that is gone, and its jobs."""

    def __init__(self, drawn: frozenset[JobId], having: set[JobId]) -> None:
        """`drawn`: the jobs that it worked for when it died; `having`: all that it had."""
        self.drawn = drawn
        self.fallen: list[Job] = []  #: jobs that ended with it
        self.complete = asyncio.Event()  #: all of them are known
        self.over: asyncio.Future[Mapping[JobId, KnownError]] = asyncio.get_running_loop().create_future()
        self._having = having
        self._look()

    def note(self, job: Job, *, fell: bool) -> None:
        """Note that a job of the worker has ended with it, or else had ended before."""
        if fell:
            self.fallen.append(job)
        self._having.discard(job.id)
        self._look()

    def _look(self) -> None:
        if not self._having:
            self.complete.set()
