"""Fleet: the workers there are, what each of them has, and which of them may take what."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile

from generation.job import Job, JobId
from generation.placement import Line, Site, place
from generation.queue import PASSING, FairQueue
from generation.workers.base import Worker

log = logging.getLogger(__name__)

#: Images that go to the one worker before it is their turn, in good time; more could be in somebody's way. So many wait
#: at one that loads their model, too.
AHEAD = 48
LEAST_AHEAD = (
    8  #: the same for each of several, of which any may be the next to have a place: little more than it draws
)
PASSING_LOADS = 2.0  #: a job may be passed by what all of several workers draw in the time of so many loads


class Fleet:
    """Those that can draw, in the order in which they came, and the jobs that they have."""

    def __init__(self, drawing: Callable[[frozenset[JobId]], None]) -> None:
        """`drawing` is told for whom the workers work that would take this process down; also in their threads."""
        self.ready: list[Worker] = []
        self.coming = 0  #: workers that are being started
        self.running: dict[JobId, tuple[Job, Worker]] = {}  #: jobs that workers have, drawing or standing
        self.alone: set[JobId] = set()  #: live jobs that are drawn with nothing beside them on their worker
        self._kept: dict[JobId, Worker] = {}  #: workers that take nothing more until a job that waits has them
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

    def next_turn(self, queue: FairQueue, worth: float) -> tuple[Job, Worker] | None:
        """Choose the job to start now, and the worker that draws it.

        `worth`: images that a worker draws while a model is loaded. A worker that cannot say whether it has room for a
        job has it, and will say why not when it is given the job.
        """
        self._kept = {job_id: one for job_id, one in self._kept.items() if queue.waits(job_id) and one in self.ready}
        if len(self.ready) <= 1:
            return self._turn_of_one(queue)
        queue.passing = max(PASSING, PASSING_LOADS * worth * len(self.ready))
        for job in queue.may_go(self.alone, self._kept.keys() | self._awaiting_their_model(queue)):
            if (worker := self._placed(job, queue, worth)) is not None:
                return job, worker
        return None

    def _awaiting_their_model(self, queue: FairQueue) -> set[JobId]:
        """Return the jobs that wait and whose model is being loaded: a worker is on its way for them."""
        loading = {
            job.request.model
            for job, worker in self.running.values()
            if worker.loaded is not None and job.request.model not in worker.loaded
        }
        if not loading:
            return set()
        return {job.id for job in queue.in_order() if job.request.model in loading and queue.waits(job.id)}

    def _turn_of_one(self, queue: FairQueue) -> tuple[Job, Worker] | None:
        """Choose for a worker that has no other beside it."""
        queue.passing = PASSING
        if not self.ready or not self.alone.isdisjoint(self.running):
            return None
        for job in queue.may_go():
            if (job.id in self.alone and self.running) or queue.ahead(job) >= self._ahead_of_one():
                return None
            if _has_room(self.ready[0], job):
                return job, self.ready[0]
        return None

    def _ahead_of_one(self) -> int:
        """Return the images that a worker without another one beside it is given in good time."""
        (one,) = self.ready
        return _near(one) if self.coming else AHEAD

    def _placed(self, job: Job, queue: FairQueue, worth: float) -> Worker | None:
        """Choose a worker of several; None while the job waits for one."""
        open_to_it = self._open_to(job)
        owed = Counter[Worker]()
        for other in takewhile(lambda other: other is not job, queue.in_order()):
            if (running := self.running.get(other.id)) is not None:
                owed[running[1]] += other.request.count
        waiting = Counter[str]()
        for other in queue.in_order():
            if queue.waits(other.id):
                waiting[other.request.model] += other.request.count
        sites = [self._site(worker, job, owed[worker], waiting) for worker in open_to_it]
        line = Line(
            same_model=waiting[job.request.model],
            others=waiting.total() - job.request.count,
            worth=worth,
        )
        site = place(sites, job.request.count, line)
        return None if site is None else site.worker

    def _site(self, worker: Worker, job: Job, owed: int, waiting: Counter[str]) -> Site[Worker]:
        model, loaded = job.request.model, worker.loaded
        has_model = loaded is None or model in loaded
        elsewhere = {name for one in self.ready if one is not worker for name in one.loaded or ()}
        loads_it = not has_model and any(one.request.model == model for one in self.jobs_of(worker))
        ahead = AHEAD if loads_it else _near(worker)
        return Site(
            worker=worker,
            has_model=has_model,
            loads_it=loads_it,
            is_last_copy=any(waiting[name] and name not in elsewhere for name in loaded or () if name != model),
            has_room=(not owed or owed + job.request.count <= ahead) and _has_room(worker, job),
            owed=owed,
            places=worker.places,
        )

    def _open_to(self, job: Job) -> list[Worker]:
        """List the workers that may take the job at all: none that is kept for another one.

        A job that is to be drawn alone needs one that has nothing. Where none has, one is kept for it, so that it will,
        and the others go on; where there are several, one always stays for those others.
        """
        with_alone = {worker for job_id, (_, worker) in self.running.items() if job_id in self.alone}
        kept = {worker for job_id, worker in self._kept.items() if job_id != job.id}
        free = [worker for worker in self.ready if worker not in kept and worker not in with_alone]
        if job.id not in self.alone:
            return free
        theirs = with_alone | {worker for job_id, worker in self._kept.items() if job_id in self.alone - {job.id}}
        if len(theirs) >= max(1, len(self.ready) - 1) or not free:
            return []
        empty = [worker for worker in free if not any(self.jobs_of(worker))]
        if not empty and job.id not in self._kept:
            self._kept[job.id] = min(free, key=lambda worker: sum(one.request.count for one in self.jobs_of(worker)))
        return empty


def _near(worker: Worker) -> int:
    """Return the images that go to one of several workers before it is their turn."""
    return max(LEAST_AHEAD, 2 * worker.places)


def _has_room(worker: Worker, job: Job) -> bool:
    try:
        return worker.room(job.request) > 0
    except Exception:
        log.exception("a worker stumbles over job %s", job.id)
        return True
