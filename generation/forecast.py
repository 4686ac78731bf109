"""Forecast says when a job will be done: what jobs cost, and what is before them."""

import itertools
import math
from collections.abc import Mapping

from generation.estimates import Estimates
from generation.job import Job, JobId


class Forecast:
    """Seconds until live jobs are done, by the estimates. Plain data structure."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._added_up: tuple[tuple[Job, ...], dict[JobId, float]] | None = None

    def forget(self) -> None:
        """Forget what was added up, because the estimates have changed."""
        self._added_up = None

    def seconds_left(
        self, job_id: JobId, *, running: Mapping[Job, float], waiting: tuple[Job, ...], workers: int
    ) -> float | None:
        """Estimate the seconds until the job will be done; None while nothing was measured.

        `running` says how much of each is done, from 0 to 1; `waiting` is the line. Device seconds of jobs in one batch
        add up to the device's time. So a waiting job is done when what runs, what is before it and itself are done; of
        the running ones each gives a job as much time as that job takes itself.
        """
        left = {job.id: self._seconds(job) * (1 - done) for job, done in running.items()}
        if job_id in left:
            mine = left[job_id]
            total = sum(min(one, mine) for one in left.values())
        else:
            total = sum(left.values()) + self._until_done(waiting).get(job_id, math.nan)
        return None if math.isnan(total) else total / max(1, workers)

    def _until_done(self, waiting: tuple[Job, ...]) -> dict[JobId, float]:
        """Add up the device seconds of each waiting job and all before it; NaN where there is no estimate."""
        # A thousand posts ask for a thousand jobs: added up once for each state of the line.
        if self._added_up is None or self._added_up[0] is not waiting:
            sums = itertools.accumulate(map(self._seconds, waiting))
            self._added_up = waiting, {job.id: total for job, total in zip(waiting, sums, strict=True)}
        return self._added_up[1]

    def _seconds(self, job: Job) -> float:
        seconds = self._estimates.seconds(job.request)
        return math.nan if seconds is None else seconds
