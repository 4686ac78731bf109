"""The caller's half of a job: its newest progress and its final result."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from generation.errors import KnownError
from generation.job import Job

R = TypeVar("R")  #: the record of a finished job


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """A snapshot of a job: its steps, and its place in line (1 is next) while no device works for it."""

    place: int | None = None
    loading: bool = False  #: it waits for its model, which is being loaded
    step: int = 0
    steps: int = 0
    preview: bytes | None = None  #: a small JPEG
    seconds_left: float | None = None  #: until the whole job is done, by estimate


class JobTicket(Generic[R]):
    """How one waits for a job. Progress is newest-wins; the journal's record of the result comes once and stays."""

    def __init__(
        self,
        job: Job,
        *,
        waiting: Callable[[], Progress | None] = lambda: None,
        seconds_left: Callable[[], float | None] = lambda: None,
        since: float | None = None,
    ) -> None:
        """`waiting` says where the job is while it is in line, and None while it is not; `since` when it came."""
        self.job = job
        self.since = since  #: seconds, of the dispatcher's clock; None once a device has worked for it
        self._waiting = waiting
        self._seconds_left = seconds_left
        self.begun = False  #: whether a device has worked for it; for the dispatcher
        self._latest = Progress()
        self._result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        # A result nobody asks for is no reason for asyncio to complain.
        self._result.add_done_callback(lambda future: future.cancelled() or future.exception())

    @property
    def progress(self) -> Progress:
        """Where the job is now."""
        latest = self._latest
        if (waiting := self._waiting()) is not None:
            latest = replace(latest, place=waiting.place, loading=waiting.loading)
        return replace(latest, seconds_left=self._seconds_left())

    @property
    def loading(self) -> bool:
        """Whether a worker has the job, and first has to load its model."""
        return self._latest.loading

    @property
    def share_done(self) -> float:
        """How much of the drawing is done, from 0 to 1."""
        return self._latest.step / self._latest.steps if self._latest.steps else 0.0

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._result.done()

    async def result(self) -> R:
        """The record, once the pictures are safe. Raises the KnownError that ended it otherwise."""
        return await asyncio.shield(self._result)

    async def wait(self, seconds: float) -> bool:
        """Wait for the result, this many seconds at most; say whether it is there."""
        await asyncio.wait({self._result}, timeout=seconds)
        return self.done

    def report(self, progress: Progress) -> None:
        """Replace the progress by a newer one. For the dispatcher."""
        preview = progress.preview or self._latest.preview
        self._latest = replace(progress, preview=preview)

    def start_over(self) -> None:
        """Nothing of it is done any more. For the dispatcher."""
        self.begun = False
        self._latest = Progress()

    def resolve(self, outcome: R | KnownError) -> None:
        """The final outcome; the first one wins. For the dispatcher."""
        if self._result.done():
            return
        if isinstance(outcome, KnownError):
            self._result.set_exception(outcome)
        else:
            self._result.set_result(outcome)
