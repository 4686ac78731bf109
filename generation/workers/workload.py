"""Workload is what a worker has taken on: how much more fits, and how long its thread may be silent over it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.stream import EventStream

Kind: TypeAlias = tuple[str, int, int]  #: model, width, height: what can share a U-Net call, and costs alike

#: Images of one kind in work: with guidance 32 rows, the knee of a large GPU. The engine measures how many of them
#: share a call; the others wait inside it in order of arrival, beyond the queue's fairness: see `Workload.room` for how
#: few these are on a small device.
IMAGES_AT_ONCE = 16
FIRST_IMAGES = 4  #: of one kind, to begin with
OPEN_KINDS = 2  #: kinds drawn side by side; more would only thin the batches out

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
    begun: bool = False  #: a step of it was made
    over: bool = False  #: the thread has sent the last event
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def kind(self) -> Kind:
        """What it can share a U-Net call with."""
        return _kind(self.job.request)


class Workload:
    """The live jobs of one worker, seen from the event loop."""

    def __init__(
        self,
        *,
        images_at_once: int = IMAGES_AT_ONCE,
        patience: float = PATIENCE,
        is_loaded: Callable[[str], bool] = lambda model: True,
    ) -> None:
        self.jobs: dict[JobId, LiveJob] = {}
        self._images_at_once = images_at_once
        self._patience = patience
        self._is_loaded = is_loaded
        self._slowest: dict[Kind, float] = {}  #: seconds of a tick for each image in it

    def waits_for_its_model(self, live: LiveJob) -> bool:
        """Whether the thread loads this job's model, or will, and listens to nothing meanwhile."""
        return not live.over and not self._is_loaded(live.job.request.model)

    @property
    def loading(self) -> bool:
        """Whether a model has to be loaded for any of the jobs."""
        return any(not self._is_loaded(live.job.request.model) for live in self._with_the_thread())

    def room(self, request: GenerationRequest) -> int:
        """Return how many images of this kind to take on now.

        A few to begin with, then half as many as are being drawn, while fewer than that wait for their first step: a
        large device is full within a few ticks, and on a small one only these few wait. Another model is loaded only
        when nothing is drawn, since drawing stands still meanwhile.
        """
        if (self.loading or not self._is_loaded(request.model)) and any(
            live.job.request.model != request.model for live in self.jobs.values()
        ):
            return 0
        kind = _kind(request)
        open_kinds = {live.kind for live in self.jobs.values()}
        if kind not in open_kinds and len(open_kinds) >= OPEN_KINDS:
            return 0
        alike = [live for live in self.jobs.values() if live.kind == kind]
        drawing = sum(live.images_owed for live in alike if live.begun)
        ahead = sum(live.images_owed for live in alike if not live.begun)
        may_wait = max(1, drawing // 2) if drawing else FIRST_IMAGES
        return max(0, min(request.count, self._images_at_once - drawing - ahead, may_wait - ahead))

    def learn(self, seconds: float) -> None:
        """Learn from a tick for the jobs that are here, which took so many seconds."""
        an_image = seconds / max(1, sum(live.images_owed for live in self.jobs.values()))
        for live in self.jobs.values():
            self._slowest[live.kind] = max(an_image, self._slowest.get(live.kind, 0.0))

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


def _kind(request: GenerationRequest) -> Kind:
    return request.model, request.width, request.height
