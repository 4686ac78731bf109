"""Standing: which jobs no device works for, and their places in that line. A plain data structure: no asyncio."""

from collections.abc import Callable, Container

from generation.job import Job, JobId


class Standing:
    """Worked out once for each state of the line, since a thousand posts ask for a thousand places."""

    def __init__(self, *, places: Callable[[], int]) -> None:
        """`places`: how many images are drawn at a time, by all devices."""
        self._places = places
        self._with_rows: set[JobId] = set()  #: jobs that a device works for, or has done
        self._known: tuple[tuple[Job, ...], tuple[Job, ...], dict[JobId, int]] = ((), (), {})

    def has_rows(self, job: Job) -> bool:
        """Whether a device works for the job, or has done with it."""
        return job.id in self._with_rows

    def note_rows(self, job: Job, *, has_rows: bool) -> None:
        """Note that a device works for the job, or no more."""
        (self._with_rows.add if has_rows else self._with_rows.discard)(job.id)
        self.forget_line()

    def forget(self, job: Job) -> None:
        """Note that the job is over."""
        self._with_rows.discard(job.id)

    def forget_line(self) -> None:
        """Note that a worker has been given a job, or that something else has changed that is not in the line."""
        self._known = ((), (), {})

    def line(self, line: tuple[Job, ...], given: Container[JobId]) -> tuple[tuple[Job, ...], dict[JobId, int]]:
        """Return the jobs that no device works for, the next one first, and their places in that line.

        `line` has all jobs in their order, the same object as long as it is the same; `given` are those that workers
        have.
        """
        known, jobs, places = self._known
        if known is not line:
            if len(known) > self._places() and known == line[: len(known)]:  # a few more at its end
                more = line[len(known) :]
            else:
                drawn = self._with_rows | self._drawn_next(line, given)
                more, jobs, places = tuple(job for job in line if job.id not in drawn), (), {}
            places.update((job.id, place) for place, job in enumerate(more, len(jobs) + 1))
            self._known = line, jobs + more, places
        return self._known[1:]

    def _drawn_next(self, line: tuple[Job, ...], given: Container[JobId]) -> set[JobId]:
        """Return the jobs at the head of the line that workers have: they get rows with the next step.

        That holds for the first, and for those whose pictures have the same size, as far as the places go.
        """
        drawn: set[JobId] = set()
        free = self._places()
        for job in line:
            if job.id not in given or free <= 0 or _kind(job) != _kind(line[0]):
                break
            drawn.add(job.id)
            free -= job.request.parts
        return drawn


def _kind(job: Job) -> tuple[str, int, int]:
    first = job.request.passes[0]
    return job.request.model, first.width, first.height
