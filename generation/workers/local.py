"""LocalWorker: one thread in this process that owns one device and alone calls torch."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from generation.catalog import ModelSpec
from generation.errors import KnownError, ModelUnavailable, ShuttingDown, WorkerFault, new_reference
from generation.events import ImageReady, WorkerEvent
from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.stream import EventStream

log = logging.getLogger(__name__)

LOADING_GRACE = 3.0  #: seconds to wait, when closing, for a model that is being loaded
OPEN_KEYS = 2  #: picture sizes drawn side by side; more would only thin the batches out


class Engine(Protocol):
    """What the thread drives; `generation.diffusion.engine.DiffusionEngine` is one."""

    @property
    def busy(self) -> bool: ...
    def admit(self, job: Job, *, cancelled: Callable[[], bool]) -> None: ...
    def step(self) -> list[WorkerEvent]: ...
    def abort(self, error: KnownError) -> list[WorkerEvent]: ...


@dataclass(slots=True)
class _Live:
    """A job between `draw` and the end of its stream."""

    job: Job
    stream: EventStream
    images_owed: int
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def size(self) -> tuple[int, int]:
        return self.job.request.width, self.job.request.height


class LocalWorker:
    """Draws with an engine that is built, called and dropped in one thread.

    Jobs go to the thread through a queue, events come back by `call_soon_threadsafe`: the one bridge between the two.
    """

    def __init__(self, build: Callable[[], Engine], *, images_at_once: int = 4, name: str = "worker") -> None:
        """`build` makes the engine, inside the thread. `images_at_once` bounds what runs of one picture size."""
        self._build = build
        self._images_at_once = images_at_once
        self._live: dict[JobId, _Live] = {}
        self._inbox: queue.SimpleQueue[_Live | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: asyncio.Future[None] | None = None
        self._open = False  #: started and not closing
        self._closing = False

    @classmethod
    def for_model(
        cls, spec: ModelSpec, *, device: str = "auto", dtype: str = "auto", reproducible: bool = False
    ) -> "LocalWorker":
        """A worker that draws with this model; `reproducible` as DiffusionEngine says."""

        def build() -> Engine:
            # Imported here, in the thread: the bot is online while torch loads.
            from generation.diffusion.engine import DiffusionEngine
            from generation.diffusion.loading import load_model

            return DiffusionEngine(load_model(spec, device=device, dtype=dtype), reproducible=reproducible)

        return cls(build, name=f"worker {spec.name}")

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._thread.start()
        await asyncio.shield(self._started)

    def room(self, request: GenerationRequest) -> int:
        if not self._open:
            return 0
        size = (request.width, request.height)
        open_sizes = {live.size for live in self._live.values()}
        if size not in open_sizes and len(open_sizes) >= OPEN_KEYS:
            return 0
        owed = sum(live.images_owed for live in self._live.values() if live.size == size)
        return max(0, min(request.count, self._images_at_once - owed))

    def draw(self, job: Job) -> EventStream:
        live = _Live(job, EventStream(on_close=lambda: self._forget(job.id)), job.request.count)
        self._live[job.id] = live
        self._inbox.put(live)
        return live.stream

    async def cancel(self, job_id: JobId) -> None:
        if (live := self._live.get(job_id)) is not None:
            live.cancelled.set()

    async def close(self) -> None:
        self._open, self._closing = False, True
        for live in self._live.values():
            live.cancelled.set()
        self._inbox.put(None)
        if self._thread.is_alive():
            # A thread that still loads cannot be told to stop; it is a daemon and ends with the process.
            loading = self._started is not None and not self._started.done()
            await asyncio.to_thread(self._thread.join, LOADING_GRACE if loading else None)
            self._not_started(ShuttingDown())
            # What the thread said last is still on its way through the loop.
            await asyncio.sleep(0)

    def _forget(self, job_id: JobId) -> None:
        live = self._live.pop(job_id, None)
        if live is not None:
            live.cancelled.set()

    # in the thread

    def _run(self) -> None:
        try:
            engine = self._build()
        except Exception as error:
            known = error if isinstance(error, KnownError) else ModelUnavailable("?", detail=repr(error))
            if known is not error:
                log.exception("the engine could not be built")
            self._call(self._not_started, known)
            return
        self._call(self._has_started)
        closing = False
        while engine.busy or not closing:
            closing = self._take_in(engine, wait=not engine.busy) or closing
            if engine.busy:
                self._tick(engine)

    def _take_in(self, engine: Engine, *, wait: bool) -> bool:
        """Admit what has arrived; with nothing to do, sleep until something does. Says whether to close."""
        while True:
            try:
                live = self._inbox.get(block=wait)
            except queue.Empty:
                return False
            if live is None:
                return True
            engine.admit(live.job, cancelled=live.cancelled.is_set)
            wait = False

    def _tick(self, engine: Engine) -> None:
        try:
            events = engine.step()
        except Exception:
            # A fault of the engine itself: nobody waits for ever, and the thread lives on.
            reference = new_reference()
            log.exception("the engine failed, reference %s", reference)
            events = engine.abort(WorkerFault(reference))
        if events:
            self._call(self._pass_on, events)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Run in the event loop; a loop that is gone waits for nothing."""
        if self._loop is None:
            raise RuntimeError("start() comes first")
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            log.warning("the event loop has closed before its worker")

    # in the event loop again

    def _has_started(self) -> None:
        if self._started is not None and not self._started.done():
            self._open = not self._closing
            self._started.set_result(None)

    def _not_started(self, error: KnownError) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)

    def _pass_on(self, events: list[WorkerEvent]) -> None:
        for event in events:
            live = self._live.get(event.job_id)
            if live is None:
                continue
            if isinstance(event, ImageReady):
                live.images_owed -= 1
            live.stream.put(event)
