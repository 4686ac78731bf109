"""Workload is what a worker has taken on: how much more fits, and how long its thread may be silent over it."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from generation.errors import WorkerLost
from generation.events import ImageReady, JobCancelled, JobFailed, WorkerEvent
from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.stream import LAST, EventStream

Kind: TypeAlias = tuple[str, int, int]  #: model, width, height: what costs alike

#: What images take that wait inside for their rows: latents and what a scheduler keeps of them (a number of 4 bytes for
#: each of 4 channels on 8 x 8 pixels, four times: as many bytes as pixels), and what the model makes of the prompts.
STANDING_BYTES = 128 * 2**20
PROMPT_BYTES = 2**20  #: for each image; two prompts of 77 tokens, 2048 numbers of 4 bytes each, are 1.2 MiB a job

PATIENCE = 120.0  #: seconds without a sign of life that are never held against a busy thread
UNMEASURED = 5  #: times the patience, for a kind not drawn yet: kernels are loaded, and a CPU may take minutes a tick
MARGIN = 20  #: times as long as its ticks took so far a busy thread may take
LOADING_PATIENCE = 3600.0  #: seconds; a model may have to be fetched first


@dataclass(slots=True)
class LiveJob:
    """A job from `draw` to the end of its stream or of the thread's work for it, the later of the two."""

    job: Job
    stream: EventStream
    images_owed: int
    has_rows: bool = False  #: the device works for it
    over: bool = False  #: the thread has sent the last event
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def kind(self) -> Kind:
        """What its steps cost as much as."""
        return _kind(self.job.request)


class Workload:
    """The live jobs of one worker, seen from the event loop."""

    def __init__(
        self,
        *,
        memory: int = STANDING_BYTES,
        patience: float = PATIENCE,
        is_loaded: Callable[[str], bool] = lambda model: True,
    ) -> None:
        self.jobs: dict[JobId, LiveJob] = {}
        self._memory = memory
        self._patience = patience
        self._is_loaded = is_loaded
        self._slowest: dict[Kind, float] = {}  #: seconds of a tick for each image in it

    def take(self, job: Job, on_close: Callable[[], object]) -> LiveJob:
        """Take a job on; `on_close` is called when nobody follows its stream any more."""
        live = self.jobs[job.id] = LiveJob(job, EventStream(on_close=on_close), job.request.count)
        return live

    def pass_on(self, events: Iterable[WorkerEvent]) -> WorkerLost | None:
        """Put what happened into the jobs' streams; return the error of a job which says that the worker is lost."""
        lost: WorkerLost | None = None
        for event in events:
            live = self.jobs.get(event.job_id)
            if live is not None:
                if isinstance(event, ImageReady):
                    live.images_owed -= 1
                live.stream.put(event)
                if isinstance(event, LAST):
                    live.over = True
                    if live.stream.closed:
                        del self.jobs[event.job_id]
            if isinstance(event, JobFailed) and isinstance(event.error, WorkerLost):
                lost = event.error
        return lost

    def let_go(self, job_id: JobId) -> LiveJob | None:
        """Stop following a job, and return it. While its model is being loaded its place is kept, as the thread is."""
        if (live := self.jobs.get(job_id)) is not None:
            live.cancelled.set()
            if not self.waits_for_its_model(live):
                del self.jobs[job_id]
        return live

    def stop(self) -> None:
        """Let the thread go on with none of the jobs."""
        for live in self.jobs.values():
            live.cancelled.set()

    def end(self, error: WorkerLost | None = None) -> None:
        """End every stream: as failed with this error, or as cancelled."""
        self.stop()
        for job_id, live in self.jobs.items():
            if error is not None:
                live.stream.put(JobFailed(job_id=job_id, error=error, device_seconds=0.0))
            else:
                live.stream.put(JobCancelled(job_id=job_id, device_seconds=0.0))

    def waits_for_its_model(self, live: LiveJob) -> bool:
        """Whether the thread loads this job's model, or will, and listens to nothing meanwhile."""
        return not live.over and not self._is_loaded(live.job.request.model)

    @property
    def loading(self) -> bool:
        """Whether a model has to be loaded for any of the jobs."""
        return any(not self._is_loaded(live.job.request.model) for live in self._with_the_thread())

    def room(self, request: GenerationRequest) -> int:
        """Return how many images of this kind there is memory for now.

        Another model is loaded only when nothing is drawn, since drawing stands still meanwhile.
        """
        if (self.loading or not self._is_loaded(request.model)) and any(
            live.job.request.model != request.model for live in self.jobs.values()
        ):
            return 0
        taken = sum(live.images_owed * standing_bytes(live.job.request) for live in self.jobs.values())
        fitting = (self._memory - taken) // standing_bytes(request)
        return max(0 if taken else 1, min(request.count, fitting))

    def learn(self, seconds: float, drawn: Mapping[JobId, int]) -> None:
        """Learn from a tick that took so many seconds for so many images of these jobs."""
        images = sum(drawn.values())
        for kind in {live.kind for job_id, live in self.jobs.items() if job_id in drawn}:
            self._slowest[kind] = max(seconds / images, self._slowest.get(kind, 0.0))

    def budget(self) -> float | None:
        """Return the seconds that the thread may be silent over the jobs that are here; None without jobs."""
        jobs = self._with_the_thread()
        if not jobs:
            return None
        if self.loading:
            return LOADING_PATIENCE
        known = sum(live.images_owed * self._slowest.get(live.kind, 0.0) for live in jobs)
        measured = all(live.kind in self._slowest for live in jobs)
        return max(MARGIN * known, self._patience if measured else UNMEASURED * self._patience)

    def _with_the_thread(self) -> list[LiveJob]:
        """List the jobs that the thread is not done with; others only wait for their follower to let go."""
        return [live for live in self.jobs.values() if not live.over]


def standing_bytes(request: GenerationRequest) -> int:
    """Return the bytes that one image of this kind takes while it waits for its rows."""
    width, height = request.size
    return width * height + PROMPT_BYTES


def _kind(request: GenerationRequest) -> Kind:
    return request.model, *request.size
