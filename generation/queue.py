"""FairQueue decides whose job is next. A plain data structure: no asyncio, no torch.

Start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996): a job's start tag is
max(virtual time, the requester's last finish tag), its finish tag is start + cost / weight, and the smallest start tag
goes first, in arrival order within one. Virtual time is the start tag of the job that left last. So a requester who
asks for much waits for everyone who asked for less, and one who comes back after a pause cannot save up turns.

Weights share a group's turns among its requesters and win nothing against other groups: they are scaled so that those
of a group who have work, waiting or running, have weight 1 on average.

Changing the model costs about as much as drawing several images. So jobs of a model that is loaded may pass one that
would have another loaded, but no job is ever passed by more than `PASSING` images: nobody starves.
"""

import math
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from generation.errors import QueueFull
from generation.job import Job, JobId

PASSING = 8.0  #: images by which a job may be passed while it waits; a model of a few GB is loaded in about their time


@dataclass(order=True, slots=True)
class _Entry:
    start: float
    arrival: int
    job: Job = field(compare=False)
    earliest: float = field(compare=False)  #: virtual time at arrival; no tag goes below it
    weight: float = field(compare=False)  #: the requester's, scaled within the group
    passed: float = field(default=0.0, compare=False)  #: cost of the jobs that were behind it and went first

    @property
    def finish(self) -> float:
        return self.start + self.job.cost / self.weight


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
        self._groups: dict[str, dict[JobId, Job]] = {}  #: the jobs of each group, waiting or running, the latest last
        self._means: dict[str, float] = {}  #: group -> mean weight of its requesters, where it is not 1

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
        if job.group is not None:
            self._groups.setdefault(job.group, {})[job.id] = job
            self._balance(job.group)
        start = max(self._virtual_time, self._finish.get(job.requester, 0.0))
        entry = _Entry(
            start=start, arrival=self._arrivals, job=job, earliest=self._virtual_time, weight=self.weight_of(job)
        )
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
        self.leave(entry.job)
        return entry.job

    def leave(self, job: Job) -> None:
        """The job is over: its requester may have no more work, and then counts no longer among their group."""
        group = self._groups.get(job.group or "", {})
        if group.pop(job.id, None) is not None and job.group is not None:
            if not group:
                del self._groups[job.group]
            self._balance(job.group)

    def weight_of(self, job: Job) -> float:
        """The job's weight against all others, scaled within its group."""
        return job.weight / self._means.get(job.group or "", 1.0)

    def _balance(self, group: str) -> None:
        """Scale the group's weights anew, if the mean of those who have work has changed."""
        weights = {job.requester: job.weight for job in self._groups.get(group, {}).values()}
        mean = sum(weights.values()) / len(weights) if weights else 1.0
        if mean == self._means.get(group, 1.0):
            return
        self._means[group] = mean
        if mean == 1.0:
            del self._means[group]
        theirs: dict[str, list[_Entry]] = {}
        for entry in sorted(self._entries, key=lambda entry: entry.arrival):
            if entry.job.group == group:
                entry.weight = self.weight_of(entry.job)
            theirs.setdefault(entry.job.requester, []).append(entry)
        for requester in theirs.keys() & weights.keys():
            self._chain(requester, theirs[requester])
        self._entries.sort()
        self._line = None

    def _chain(self, requester: str, entries: list[_Entry]) -> None:
        """Each job of a requester begins where the one before it ends; the first of these stays where it is."""
        for before, entry in pairwise(entries):
            entry.start = max(entry.earliest, before.finish)
        self._finish[requester] = entries[-1].finish

    def _close_gap(self, gone: _Entry) -> None:
        """Move the requester's later jobs up by what the cancelled one would have cost."""
        requester, finish = gone.job.requester, gone.start
        later = [e for e in self._entries if e.job.requester == requester and e.arrival > gone.arrival]
        later.sort(key=lambda e: e.arrival)
        if later:
            later[0].start = max(later[0].earliest, finish)
            self._chain(requester, later)
        else:
            self._finish[requester] = finish
        self._entries.sort()
