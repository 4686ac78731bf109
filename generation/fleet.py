"""Fleet: the workers there are, what each of them has, and which of them may take what."""

import threading
from collections.abc import Callable, Iterator

from generation.job import Job, JobId
from generation.workers.base import Worker


class Fleet:
    """Those that can draw, in the order in which they came, and the jobs that they have."""

    def __init__(self, drawing: Callable[[frozenset[JobId]], None]) -> None:
        """`drawing` is told for whom the workers work that would take this process down; also in their threads."""
        self.ready: list[Worker] = []
        self.running: dict[JobId, tuple[Job, Worker]] = {}  #: jobs that workers have, drawing or standing
        self.alone: set[JobId] = set()  #: live jobs that are drawn with nothing beside them on their worker
        self._drawing = drawing
        self._suspects: dict[Worker, frozenset[JobId]] = {}  #: for whom each works; touched by their threads
        self._lock = threading.Lock()

    @property
    def places(self) -> int:
        """Images that are drawn at a time, by all workers."""
        return max(1, sum(worker.places for worker in self.ready))

    def note_drawing(self, worker: Worker, jobs: frozenset[JobId]) -> None:
        """Note for whom a worker works next. Called in its thread."""
        with self._lock:
            self._suspects[worker] = jobs
            if worker.in_this_process:
                inside = (theirs for one, theirs in self._suspects.items() if one.in_this_process)
                self._drawing(frozenset[JobId]().union(*inside))

    def suspects(self, worker: Worker) -> frozenset[JobId]:
        """The jobs that the worker works for, or was working for when it was lost."""
        with self._lock:
            return self._suspects.get(worker, frozenset())

    def leave(self, worker: Worker) -> None:
        """Give the worker nothing more. What it has it keeps."""
        if worker in self.ready:
            self.ready.remove(worker)

    def forget(self, worker: Worker) -> None:
        """The worker is gone for good; one in this process leaves its suspects behind."""
        if not worker.in_this_process:
            with self._lock:
                self._suspects.pop(worker, None)

    def jobs_of(self, worker: Worker) -> Iterator[Job]:
        """Yield what the worker has."""
        return (job for job, one in self.running.values() if one is worker)

    def open_to(self, job: Job, reserved: set[Worker]) -> list[Worker]:
        """List the workers that may take the job now, those aside that are reserved.

        A job that is to be drawn alone needs one that has nothing. Where none has, one is reserved for it, so that it
        will, and the others go on; where there are several, one always stays for those others.
        """
        with_alone = {worker for job_id, (_, worker) in self.running.items() if job_id in self.alone}
        free = [worker for worker in self.ready if worker not in reserved and worker not in with_alone]
        if job.id not in self.alone:
            return free
        if len(with_alone | reserved) >= max(1, len(self.ready) - 1) or not free:
            return []
        empty = [worker for worker in free if not any(self.jobs_of(worker))]
        if not empty:
            reserved.add(min(free, key=lambda worker: sum(job.request.count for job in self.jobs_of(worker))))
        return empty
