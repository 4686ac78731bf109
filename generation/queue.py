"""FairQueue decides whose job is next. A plain data structure: no asyncio, no torch.

The order is that of EqualShares: who would be done first if everybody had an equal share of the device. It is one for
all jobs that are not over, those that workers have among them.

Changing the model costs about as much as drawing several images. So jobs of a model that is loaded may pass one that
would have another loaded, but no job is ever passed by more than `passing` images: nobody starves.
"""

import math
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from itertools import takewhile

from generation.equal_shares import EqualShares
from generation.errors import QueueFull
from generation.job import Job, JobId

PASSING = 8  #: images by which a job may be passed while it waits; a model of a few GB is loaded in about their time


@dataclass(slots=True)
class _Entry:
    job: Job
    waits: bool = True  #: no worker has it
    passed: int = 0  #: images of jobs that were behind it and went first


class FairQueue:
    """All jobs that are not over, in the order they are to be drawn; at most `capacity` of them wait."""

    def __init__(
        self, *, capacity: int = 1000, cost: Callable[[Job], float] = lambda job: job.request.count * job.request.steps
    ) -> None:
        """`cost` says how much of the device a job takes altogether, above 0, in any one unit."""
        self.capacity = capacity
        self.passing = float(PASSING)  #: images by which a job may be passed
        self._cost = cost
        self._shares = EqualShares()
        self._entries: dict[JobId, _Entry] = {}
        self._waiting = 0
        self._stale = False  #: costs have changed
        self._order: tuple[JobId, ...] = ()
        self._jobs: tuple[Job, ...] = ()  #: in this order

    def __len__(self) -> int:
        return self._waiting

    def in_order(self) -> tuple[Job, ...]:
        """List all jobs that are not over, the one to be drawn first in front. The same object until that changes."""
        if self._stale:
            self._stale = False
            for entry in self._entries.values():
                self._shares.estimate(entry.job.id, self._cost(entry.job))
        order = self._shares.order()
        if order is not self._order:
            self._order, self._jobs = order, tuple(self._entries[job_id].job for job_id in order)
        return self._jobs

    def waits(self, job_id: JobId) -> bool:
        """Whether the job waits for a worker."""
        return (entry := self._entries.get(job_id)) is not None and entry.waits

    def push(self, job: Job, *, beyond_capacity: bool = False) -> None:
        """Add a job. Raises QueueFull, unless it may go beyond the capacity."""
        if self._waiting >= self.capacity and not beyond_capacity:
            raise QueueFull(self.capacity)
        self._entries[job.id] = _Entry(job)
        self._waiting += 1
        self._shares.add(
            job.id,
            job.requester,
            work=self._cost(job),
            images=job.request.parts,
            weight=job.weight,
            group=job.group,
        )

    def may_go(self, aside: Container[JobId] = (), kept: Container[JobId] = ()) -> Iterator[Job]:
        """Yield the jobs whose turn it may be: the next one, then the first of each other model that may still pass.

        Those that stand `aside` keep nobody waiting, and those for which a worker is `kept`, or loads their model, only
        jobs of their model.
        """
        seen: set[str] = set()
        slack = math.inf
        for entry in self._line():
            if slack <= 0:
                return
            if entry.job.id in aside:
                yield entry.job
                continue
            model = entry.job.request.model
            if model not in seen and entry.job.request.count <= slack:
                yield entry.job
            seen.add(model)
            if entry.job.id not in kept:
                slack = min(slack, self.passing - entry.passed)

    def take(self, job: Job) -> None:
        """Note that a worker has the job now."""
        for entry in self._line():
            if entry.job.id == job.id:
                entry.waits = False
                break
            entry.passed += job.request.count
        self._waiting -= 1

    def give_back(self, job: Job) -> None:
        """Note that the job waits again, because its worker is gone: where it stood, and all of it is to be done."""
        self._entries[job.id].waits = True
        self._waiting += 1

    def ahead(self, job: Job) -> int:
        """Count the images of the jobs before this one, those that workers have among them."""
        return sum(other.request.count for other in takewhile(lambda other: other is not job, self.in_order()))

    def cancel(self, job_id: JobId) -> Job | None:
        """Take out a job that waits; None when it does not wait here."""
        if not self.waits(job_id):
            return None
        job = self._entries[job_id].job
        self.leave(job, done=0.0)
        return job

    def leave(self, job: Job, *, done: float) -> None:
        """Take out a job that is over, `done` of it drawn, from 0 to 1; one that has left already is left alone."""
        if (entry := self._entries.pop(job.id, None)) is not None:
            self._waiting -= entry.waits
            self._shares.end(job.id, done=done)

    def advance(self, job: Job, part: float) -> None:
        """Note that the device has done this part of the job, from 0 to 1, in addition to what it had."""
        self._shares.advance(part * self._cost(job))

    def draw_at_once(self, images: int) -> None:
        """Note how many images are drawn at a time when there are enough."""
        if images != self._shares.places:
            self._shares.places = images

    def costs_changed(self) -> None:
        """Note that `cost` says something else from now on."""
        self._stale = True

    def _line(self) -> Iterator[_Entry]:
        return (entry for job in self.in_order() if (entry := self._entries[job.id]).waits)
