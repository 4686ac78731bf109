"""Loss: a worker in another process is gone, and what becomes of its jobs is decided once all have heard of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from generation.errors import KnownError
from generation.job import Job, JobId

log = logging.getLogger(__name__)

#: Gets the jobs that were drawn and those that were not, and says which of them are over.
WriteDown: TypeAlias = Callable[[list[Job], list[Job]], Awaitable[Mapping[JobId, KnownError]]]


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

    async def write_down(self, lost: WriteDown) -> None:
        """Write down what it means for its jobs, once all of them have heard of it."""
        await self.complete.wait()
        drawn = [job for job in self.fallen if job.id in self.drawn]
        standing = [job for job in self.fallen if job.id not in self.drawn]
        try:
            self.over.set_result(await lost(drawn, standing) if self.fallen else {})
        except Exception:
            log.exception("what a lost worker had drawn could not be written down")
            self.over.set_result({})

    def _look(self) -> None:
        if not self._having:
            self.complete.set()
