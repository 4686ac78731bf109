"""FakeWorker draws without a device, at once or when told: a full second implementation of Worker, for tests."""

import asyncio
import io
from collections.abc import Sequence

from PIL import Image

from generation.errors import KnownError, WorkerFault, WorkerLost, new_reference
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, ModelLoading, RowsChanged, StepDone
from generation.job import Job, JobId
from generation.metadata import png_of
from generation.request import GenerationRequest
from generation.result import DrawnWith, GeneratedImage
from generation.workers.base import Drawing, told_nobody
from generation.workers.stream import EventStream


class FakeWorker:
    """Paints plain squares, coloured by seed.

    With `hold` a job stays running until `release` is called; `steps` says how far it got meanwhile. `lose` plays a
    device that hangs or dies.
    """

    def __init__(
        self, room: int = 8, *, hold: bool = False, device_seconds_per_image: float = 0.5, loaded: str | None = None
    ) -> None:
        """With `loaded` it has a place for one model at a time, to begin with that one."""
        self.seconds_when_cancelled = 0.0  #: of the device, that a job took until it was cancelled
        self.unread = ""  #: what it leaves unread of each prompt
        self.drawn_with = DrawnWith(device="none", rows=1)  #: what it says of each job from now on
        self.drawn: list[Job] = []  #: all it was given, the earliest first
        self.places = room  #: images that it draws at once
        self.stands = False  #: whether new jobs stand until they are given rows
        self.hold = hold  #: whether jobs stay running until they are released
        self._seconds = device_seconds_per_image
        self._live: dict[JobId, tuple[Job, EventStream]] = {}
        self._errors: list[Exception] = []
        self._closed = False
        self.in_this_process = True
        self._loaded = loaded
        self._loss = WorkerLost(detail="lost on purpose")
        self._lost = asyncio.Event()
        self.order: Sequence[JobId] = ()  #: the newest it was given
        self._drawing: Drawing = told_nobody
        self._with_rows: set[JobId] = set()

    async def start(self, drawing: Drawing = told_nobody) -> None:
        """Nothing to load."""
        self._drawing = drawing

    @property
    def loaded(self) -> frozenset[str] | None:
        return None if self._loaded is None else frozenset({self._loaded})

    def room(self, request: GenerationRequest) -> int:
        reserved = sum(job.request.count for job, _ in self._live.values())
        if self._loaded not in (None, request.model) and self._live:
            return 0
        return 0 if self._closed else max(0, min(request.count, self.places - reserved))

    def draw(self, job: Job) -> EventStream:
        stream = EventStream(on_close=lambda: self._forget(job.id))
        self._live[job.id] = (job, stream)
        self.drawn.append(job)
        if self._lost.is_set():
            stream.put(JobFailed(job_id=job.id, error=self._loss, device_seconds=0.0))
            return stream
        if self._loaded not in (None, job.request.model):
            self._loaded = job.request.model
            stream.put(ModelLoading(job_id=job.id))
        if not self.stands:
            self.give_rows(job.id)
        if not self.hold:
            self._paint(job, stream)
        return stream

    def reorder(self, order: Sequence[JobId]) -> None:
        self.order = tuple(order)

    def give_rows(self, job_id: JobId, *, has_rows: bool = True) -> None:
        """Work for a job from now on, or let it stand."""
        (self._with_rows.add if has_rows else self._with_rows.discard)(job_id)
        self._drawing(frozenset(self._with_rows))
        self._live[job_id][1].put(RowsChanged(job_id=job_id, has_rows=has_rows))

    async def cancel(self, job_id: JobId) -> None:
        if (live := self._live.get(job_id)) is not None:
            live[1].put(JobCancelled(job_id=job_id, device_seconds=self.seconds_when_cancelled))

    async def close(self) -> None:
        self._closed = True
        for job_id in tuple(self._live):
            await self.cancel(job_id)

    def release(self, job_id: JobId | None = None) -> None:
        """Let a held job finish; without an id all of them, and all that come."""
        if job_id is None:
            self.hold = False
        for job, stream in tuple(self._live.values()) if job_id is None else [self._live[job_id]]:
            self._paint(job, stream)

    def steps(self, job_id: JobId, step: int) -> None:
        """Say that a held job is `step` steps on."""
        job, stream = self._live[job_id]
        stream.put(_step(job, step))

    def fail_next(self, error: Exception) -> None:
        """Make the next job that would finish fail with this error instead."""
        self._errors.append(error)

    def lose(self, *, died: bool = True) -> None:
        """Be lost from now on, as after a hung kernel or a dead thread; or as a machine that is not heard of."""
        self._closed = True
        self._loss = WorkerLost(detail="lost on purpose", died=died)
        self._lost.set()
        for job, stream in tuple(self._live.values()):
            stream.put(JobFailed(job_id=job.id, error=self._loss, device_seconds=0.0))

    async def lost(self) -> WorkerLost:
        await self._lost.wait()
        return self._loss

    def _forget(self, job_id: JobId) -> None:
        self._live.pop(job_id, None)
        if job_id in self._with_rows:
            self._with_rows.discard(job_id)
            if not self._closed:
                self._drawing(frozenset(self._with_rows))

    def _paint(self, job: Job, stream: EventStream) -> None:
        if self._errors:
            stream.put(JobFailed(job_id=job.id, error=_known(self._errors.pop(0)), device_seconds=self._seconds))
            return
        for index, seed in enumerate(job.request.seeds):
            stream.put(_step(job, (index + 1) * job.request.drawn_steps))
            stream.put(ImageReady(job_id=job.id, image=_square(job.request, index, seed)))
        seconds = self._seconds * job.request.count
        done = JobDone(job_id=job.id, device_seconds=seconds, unread=self.unread, drawn_with=self.drawn_with)
        stream.put(done)


def _known(error: Exception) -> KnownError:
    return error if isinstance(error, KnownError) else WorkerFault(new_reference(), detail=repr(error))


def _step(job: Job, step: int) -> StepDone:
    picture = io.BytesIO()
    Image.new("RGB", job.request.size, _colour(job.request.seed)).save(picture, "JPEG")
    return StepDone(
        job_id=job.id, step=step, steps=job.request.drawn_steps * job.request.count, preview=picture.getvalue()
    )


def _square(request: GenerationRequest, index: int, seed: int) -> GeneratedImage:
    picture = Image.new("RGB", request.size, _colour(seed))
    png = png_of(picture, request, seed=seed, model_hash=None)
    return GeneratedImage(index=index, seed=seed, width=picture.width, height=picture.height, png=png)


def _colour(seed: int) -> tuple[int, int, int]:
    return seed & 0xFF, seed >> 8 & 0xFF, seed >> 16 & 0xFF
