"""FairQueue decides whose job is next. A plain data structure: no asyncio, no torch.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996): a job's start tag is
max(virtual time, the requester's last finish tag), its finish tag is start + cost / weight, and the smallest start tag
goes first, in arrival order within one. Virtual time is the start tag of the job that left last. So a requester who
asks for much waits for everyone who asked for less, and one who comes back after a pause cannot save up turns.

Changing the model costs about as much as drawing several images. So jobs of a model that is loaded may pass one that
would have another loaded, but no job is ever passed by more than `PASSING` images: nobody starves.
"""

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from generation.errors import QueueFull
from generation.job import Job, JobId

PASSING = 8.0  #: images by which a job may be passed while it waits; a model of a few GB is loaded in about their time


@dataclass(order=True, slots=True)
class _Entry:
    start: float
    arrival: int
    job: Job = field(compare=False)
    earliest: float = field(compare=False)  #: virtual time at arrival; no tag goes below it
    passed: float = field(default=0.0, compare=False)  #: cost of the jobs that were behind it and went first

    @property
    def finish(self) -> float:
        return self.start + self.job.cost / self.job.weight


class FairQueue:
    """Waiting jobs in the order they will be started; at most `capacity` of them."""

    def __init__(self, *, capacity: int = 1000) -> None:
        self.capacity = capacity
        self._entries: list[_Entry] = []
        self._finish: dict[str, float] = {}  #: requester -> finish tag of their last job, while above virtual time
        self._virtual_time = 0.0
        self._arrivals = 0
        self._line: tuple[Job, ...] | None = None  #: as last asked for; None after a change
        self._places: dict[JobId, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def in_order(self) -> tuple[Job, ...]:
        """List all waiting jobs, the next one first. They start in this order, except those that `may_go` before."""
        if self._line is None:
            self._line = tuple(entry.job for entry in self._entries)
            self._places = {job.id: place for place, job in enumerate(self._line, 1)}
        return self._line

    def push(self, job: Job, *, beyond_capacity: bool = False) -> None:
        """Add a job. Raises QueueFull, unless it may go beyond the capacity."""
        if len(self._entries) >= self.capacity and not beyond_capacity:
            raise QueueFull(self.capacity)
        self._arrivals += 1
        start = max(self._virtual_time, self._finish.get(job.requester, 0.0))
        entry = _Entry(start=start, arrival=self._arrivals, job=job, earliest=self._virtual_time)
        insort(self._entries, entry)
        self._line = None
        self._finish[job.requester] = entry.finish

    def may_go(self) -> Iterator[Job]:
        """Yield the jobs whose turn it may be: the next one, then the first of each other model that may still pass."""
        seen: set[str] = set()
        slack = math.inf
        for entry in self._entries:
            if slack <= 0:
                return
            model = entry.job.request.model
            if model not in seen and entry.job.cost <= slack:
                yield entry.job
            seen.add(model)
            slack = min(slack, PASSING - entry.passed)

    def take(self, job: Job) -> None:
        """Take out a job whose turn it is; virtual time moves to its start tag, if it was the next one."""
        at = next(at for at, entry in enumerate(self._entries) if entry.job.id == job.id)
        entry = self._entries.pop(at)
        self._line = None
        for passed in self._entries[:at]:
            passed.passed += job.cost
        if at == 0:
            self._virtual_time = entry.start
            # A finish tag that virtual time has reached no longer holds anybody back.
            self._finish = {who: tag for who, tag in self._finish.items() if tag > self._virtual_time}

    def pop(self) -> Job | None:
        """Take the next job out."""
        job = next(self.may_go(), None)
        if job is not None:
            self.take(job)
        return job

    def place(self, job_id: JobId) -> int | None:
        """Return the job's place in line, 1 being next; None when it does not wait here."""
        self.in_order()
        return self._places.get(job_id)

    def cancel(self, job_id: JobId) -> Job | None:
        """Take a waiting job out and give its requester the turn back; None when it does not wait here."""
        entry = next((entry for entry in self._entries if entry.job.id == job_id), None)
        if entry is None:
            return None
        self._entries.remove(entry)
        self._line = None
        self._close_gap(entry)
        return entry.job

    def _close_gap(self, gone: _Entry) -> None:
        """Move the requester's later jobs up by what the cancelled one would have cost."""
        requester, finish = gone.job.requester, gone.start
        later = [e for e in self._entries if e.job.requester == requester and e.arrival > gone.arrival]
        for entry in sorted(later, key=lambda e: e.arrival):
            entry.start = max(entry.earliest, finish)
            finish = entry.finish
        self._entries.sort()
        self._finish[requester] = finish
