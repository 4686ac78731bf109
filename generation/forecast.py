"""Forecast says when jobs will be done: the device draws them in their order, as many images as it has places for."""

from collections.abc import Callable, Iterator
from itertools import takewhile

from generation.estimates import Estimates
from generation.job import Job, JobId

EXACT = 64  #: jobs that are looked at one by one; who is behind them waits so long that the sum of the work is as good
#: Of a job's own time: others come while it is drawn, and some of them go first. Over a simulated busy hour, with times
#: of 0.1 to 0.2 of its own added, the median job is done nearest to when it was told.
MEANWHILE = 0.15
_NOTHING = 1e-9  #: seconds; sums of floats that differ by less are the same


class Forecast:
    """Seconds until jobs will be done, by the estimates. Plain data structure.

    It is worked out once for each state of the line, since a thousand posts ask for a thousand jobs; from
    then on the device's work counts down.
    """

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._line: tuple[Job, ...] | None = None
        self._lessons = 0  #: that the estimates had learnt then
        self._ends: dict[JobId, float] = {}  #: device seconds until each job is done, where that can be known
        self._costs: dict[JobId, tuple[Job, float]] = {}  #: of these, and the device seconds of all of each
        self._all = 0.0  #: device seconds until all of them are done
        self._worked = 0.0  #: of these, meanwhile

    def advance(self, job: Job, part: float) -> None:
        """Note that the device has done this part of the job, from 0 to 1, in addition to what it had."""
        self._worked += part * self._estimates.cost(job.request)

    def seconds_left(
        self, job_id: JobId, *, line: tuple[Job, ...], done: Callable[[Job], float], places: int, workers: int
    ) -> float | None:
        """Estimate the seconds until the job will be done; None while nothing was measured.

        `line` has all jobs in the order they are drawn, the same object as long as it is the same; `done` says how much
        of each is done, from 0 to 1.
        """
        if self._lessons != self._estimates.lessons or not self._has_grown_to(line):
            self._lessons, self._worked = self._estimates.lessons, 0.0
            measured = takewhile(lambda job: self._estimates.seconds(job.request) is not None, line)
            left = [(job, self._estimates.cost(job.request) * (1 - done(job))) for job in measured]
            own = {job.id: work for job, work in left}
            self._costs = {job.id: (job, self._estimates.cost(job.request)) for job, _ in left}
            self._ends = {job_id: end + MEANWHILE * own[job_id] for job_id, end in _work_out(left, places)}
            self._all = sum(own.values())
        self._line = line
        if (end := self._ends.get(job_id)) is None:
            return None
        job, cost = self._costs[job_id]
        # Several workers share the line, but one alone draws the job.
        return max(cost * (1 - done(job)), (end - self._worked) / max(1, workers))

    def _has_grown_to(self, line: tuple[Job, ...]) -> bool:
        """Whether this is the line that is known, and a long one with a few more at its end: theirs is soon said."""
        known = self._line
        if known is None or len(known) > len(line) or known != line[: len(known)]:
            return False
        more = line[len(known) :]
        if more and (len(known) < EXACT or len(self._ends) < len(known)):
            return False
        for job in more:
            if self._estimates.seconds(job.request) is None:
                break
            cost = self._estimates.cost(job.request)
            self._all += cost
            self._ends[job.id] = self._all + MEANWHILE * cost
            self._costs[job.id] = (job, cost)
        return True


def _work_out(line: list[tuple[Job, float]], places: int) -> Iterator[tuple[JobId, float]]:
    """Yield when each job is done. Images that are drawn at a time share the device equally."""
    now = 0.0
    near = [job for job, _ in line[:EXACT]]
    left = {job.id: work for job, work in line[:EXACT]}
    while near:
        drawn: list[tuple[Job, int]] = []
        free = places
        for job in near:
            drawn.append((job, min(job.request.parts, free)))
            free -= drawn[-1][1]
            if free == 0:
                break
        together = places - free
        lasts = min(left[job.id] * together / images for job, images in drawn)
        now += lasts
        for job, images in drawn:
            left[job.id] -= lasts * images / together
            if left[job.id] <= _NOTHING:
                near.remove(job)
                yield job.id, now
    for job, work in line[EXACT:]:
        now += work
        yield job.id, now
