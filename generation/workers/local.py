"""LocalWorker: one thread in this process that owns one device and alone calls torch."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Protocol

from generation.catalog import ModelSpec
from generation.diffusion.loading.devices import require_device
from generation.errors import KnownError, ModelUnavailable, ShuttingDown, WorkerFault, WorkerLost, new_reference
from generation.events import JobCancelled, JobFailed, RowsChanged, StepDone, WorkerEvent
from generation.job import Job, JobId
from generation.request import GenerationRequest
from generation.workers.base import Drawing, told_nobody
from generation.workers.libraries import import_libraries
from generation.workers.stream import EventStream
from generation.workers.watchdog import Watchdog
from generation.workers.workload import PATIENCE, STANDING_BYTES, LiveJob, Workload

log = logging.getLogger(__name__)

LOADING_GRACE = 3.0  #: seconds to wait, when closing, for a model that is being loaded
CLOSING_GRACE = 30.0  #: seconds to wait, when closing, for the tick that runs
UPKEEP_PAUSE = 0.25  #: seconds between two pieces of upkeep while there is nothing to draw
UPKEEP_REST = 30.0  #: seconds until it is worth asking again, when there was no upkeep to do


class Engine(Protocol):
    """What the thread drives; a DiffusionEngine is one, for one model, and a ModelShelf, for several."""

    drawing: Drawing  #: called, before anything is done for other jobs than before, with all for whom something is

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        ...

    def admit(self, job: Job, *, cancelled: Callable[[], bool]) -> None:
        """Take a job in; the engine asks `cancelled` between its steps."""
        ...

    def reorder(self, order: Sequence[JobId]) -> None:
        """Work for these jobs first, in this order."""
        ...

    def step(self) -> list[WorkerEvent]:
        """Make one step, and return what happened to which job."""
        ...

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        """End every job with this error."""
        ...

    def idle(self) -> bool:
        """Do one small piece of upkeep; return whether there may be more soon."""
        ...


class LocalWorker:
    """Draws with an engine that is built, called and dropped in one thread.

    Jobs go to the thread through a queue, events come back by `call_soon_threadsafe`: the one bridge between the two.
    When the thread dies or hangs, or the device answers no call any more, the worker is lost for good: its jobs end
    with WorkerLost, as do those that it is given afterwards.
    """

    def __init__(
        self,
        build: Callable[[], Engine],
        *,
        memory: int = STANDING_BYTES,
        patience: float = PATIENCE,
        loaded: Set[str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        name: str = "worker",
    ) -> None:
        """`build` makes the engine, inside the thread. `memory`: bytes that images which wait for their rows may take.

        A busy thread that gives no sign of life for `patience` seconds hangs; work known to take long gets more time.
        `loaded` has the names of the models that the engine has ready, and changes as it does; None: it has all.
        """
        self.places = 1
        self.in_this_process = True
        self._loaded = loaded
        self._build = build
        is_loaded: Callable[[str], bool] = (lambda model: True) if loaded is None else loaded.__contains__
        self._work = Workload(memory=memory, patience=patience, is_loaded=is_loaded)
        self._clock = clock
        self._watchdog = Watchdog(self._work.budget, self._hangs, clock=clock)
        self._inbox: queue.SimpleQueue[LiveJob | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: asyncio.Future[None] | None = None
        self._open = False  #: started and not closing
        self._closing = False
        self._lost: WorkerLost | None = None
        self._gone = asyncio.Event()  #: it is lost
        self._order: Sequence[JobId] = ()  #: the newest; replaced as a whole, so that the thread may look
        self._known_order: Sequence[JobId] = ()  #: what the engine was told
        self._drawing: Drawing = told_nobody
        self._said: frozenset[JobId] = frozenset()  #: for whom the device works, as was said last

    @classmethod
    def for_models(
        cls,
        specs: Sequence[ModelSpec],
        *,
        device: str = "auto",
        dtype: str = "auto",
        reproducible: bool = False,
        memory: int | None = None,
        cache: Path | None = None,
        graphs: bool = False,
        rest_after: float | None = None,
    ) -> "LocalWorker":
        """Make a worker that draws with these models; `start` loads the first. The rest as `open_shelf` says.

        Raises ModelUnavailable for a device that torch here cannot know.
        """
        require_device(device)
        loaded: set[str] = set()

        def build() -> Engine:
            # Imported here, in the thread: the bot is online while torch loads.
            import_libraries()
            from generation.diffusion.engine.shelf import give_way, open_shelf

            give_way(device)
            return open_shelf(
                specs,
                device=device,
                dtype=dtype,
                reproducible=reproducible,
                memory=memory,
                cache=cache,
                graphs=graphs,
                rest_after=rest_after,
                loaded=loaded,
            )

        return cls(build, loaded=loaded, name=f"worker {specs[0].name}")

    async def start(self, drawing: Drawing = told_nobody) -> None:
        self._drawing = drawing
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._thread.start()
        await asyncio.shield(self._started)

    @property
    def loaded(self) -> frozenset[str] | None:
        return None if self._loaded is None else frozenset(self._loaded)

    def room(self, request: GenerationRequest) -> int:
        return self._work.room(request) if self._open else 0

    def draw(self, job: Job) -> EventStream:
        live = self._work.take(job, on_close=lambda: self._work.let_go(job.id))
        if self._lost is None:
            self._inbox.put(live)
            self._watchdog.watch()
        else:
            self._lose(self._lost)
        return live.stream

    def reorder(self, order: Sequence[JobId]) -> None:
        self._order = tuple(order)

    async def cancel(self, job_id: JobId) -> None:
        if (live := self._work.jobs.get(job_id)) is not None:
            live.cancelled.set()
            if self._work.waits_for_its_model(live):
                # The thread will not look before the model is loaded, and the requester need not wait for that.
                live.stream.put(JobCancelled(job_id=job_id, device_seconds=0.0))

    async def lost(self) -> WorkerLost:
        await self._gone.wait()
        return self._lost or WorkerLost()

    async def close(self) -> None:
        self._open, self._closing = False, True
        self._work.stop()
        self._inbox.put(None)
        if self._thread.is_alive() and self._lost is None:
            # A thread that loads or hangs cannot be told to stop; it is a daemon and ends with the process.
            loading = self._work.loading or (self._started is not None and not self._started.done())
            await asyncio.to_thread(self._thread.join, LOADING_GRACE if loading else CLOSING_GRACE)
            # What the thread said last is still on its way through the loop.
            await asyncio.sleep(0)
        self._not_started(ShuttingDown())
        self._watchdog.rest()
        self._work.end()

    # in the thread

    def _run(self) -> None:
        try:
            engine = self._build()
            engine.drawing = self._say_drawing
        except BaseException as error:  # a panic in a library's Rust is no Exception
            known = error if isinstance(error, KnownError) else ModelUnavailable("?", detail=repr(error))
            if known is not error:
                log.exception("the engine could not be built")
            self._call(self._not_started, known)
            return
        self._call(self._has_started)
        try:
            self._drive(engine)
        except BaseException as error:
            log.exception("the worker's thread died")
            self._call(self._lose, WorkerLost(detail=f"its thread died of {error!r}"))

    def _drive(self, engine: Engine) -> None:
        closing = False
        while engine.busy or not closing:
            closing = self._take_in(engine) or closing
            if self._known_order is not self._order:
                self._known_order = self._order
                engine.reorder(self._known_order)
            if engine.busy:
                self._tick(engine)

    def _take_in(self, engine: Engine) -> bool:
        """Admit the jobs that have arrived; with nothing to do, wait for one. Returns whether to close."""
        while True:
            try:
                live = self._inbox.get(block=False) if engine.busy else self._wait_for_work(engine)
            except queue.Empty:
                return False
            if live is None:
                return True
            try:
                engine.admit(live.job, cancelled=live.cancelled.is_set)
            except Exception as error:
                failed = JobFailed(job_id=live.job.id, error=_fault(error), device_seconds=0.0)
                self._call(self._pass_on, [failed], 0.0)
            self._watchdog.beat()

    def _wait_for_work(self, engine: Engine) -> LiveJob | None:
        """Wait for the next job, and do a piece of upkeep every now and then; None means to close."""
        pause = UPKEEP_PAUSE
        while True:
            try:
                return self._inbox.get(timeout=pause)
            except queue.Empty:
                pause = UPKEEP_PAUSE if self._keep_up(engine) else UPKEEP_REST

    def _keep_up(self, engine: Engine) -> bool:
        """Do one piece of upkeep; return whether there may be more. A failure only makes drawing slower."""
        try:
            return engine.idle()
        except Exception as error:
            if isinstance(fault := _fault(error), WorkerLost):
                engine.abort(fault)
                raise
            return False

    def _tick(self, engine: Engine) -> None:
        started = self._clock()
        try:
            events = engine.step()
            for event in tuple(events):
                if isinstance(event, JobFailed) and isinstance(event.error, WorkerLost):
                    events += engine.abort(event.error)
        except Exception as error:
            # A fault of the engine itself: all its jobs end, and the thread lives on if the device does.
            events = engine.abort(_fault(error))
        self._watchdog.beat()
        if not engine.busy and not any(isinstance(e, JobFailed) and isinstance(e.error, WorkerLost) for e in events):
            self._say_drawing(frozenset())
        if events:
            self._call(self._pass_on, events, self._clock() - started)

    def _say_drawing(self, jobs: frozenset[JobId]) -> None:
        if jobs != self._said:
            self._said = jobs
            self._drawing(jobs)
            self._call(self._rows_changed, jobs)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Run a function in the event loop, unless that has closed."""
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

    def _rows_changed(self, jobs: frozenset[JobId]) -> None:
        for job_id, live in self._work.jobs.items():
            if live.has_rows != (job_id in jobs):
                live.has_rows = job_id in jobs
                live.stream.put(RowsChanged(job_id=job_id, has_rows=live.has_rows))

    def _pass_on(self, events: list[WorkerEvent], seconds: float) -> None:
        """Pass on the events of a tick that took so many seconds."""
        if drawn := {event.job_id: event.images for event in events if isinstance(event, StepDone)}:
            self._work.learn(seconds, drawn)
            self.places = max(self.places, sum(drawn.values()))
            self._watchdog.watch()  # the budget may have shrunk
        if lost := self._work.pass_on(events):
            self._lose(lost)

    def _hangs(self, seconds: float) -> None:
        self._lose(WorkerLost(detail=f"its thread was busy and gave no sign of life for {seconds:.0f} s"))

    def _lose(self, error: WorkerLost) -> None:
        """Fail every job, because nothing more can be drawn."""
        if self._lost is None:
            log.error("the worker is lost: %s", error.detail)
        self._lost, self._open = error, False
        self._gone.set()
        self._watchdog.rest()
        self._work.end(error)  # should the thread come back, it shall not go on with these


def _fault(error: Exception) -> KnownError:
    """Log the engine's own fault, and return it as a known error. Called in the thread, where torch is loaded."""
    from generation.diffusion.failures import is_device_lost

    if isinstance(error, WorkerLost):
        return error
    if is_device_lost(error):
        log.error("the device is lost", exc_info=error)
        return WorkerLost(detail=repr(error))
    reference = new_reference()
    log.error("the engine failed, reference %s", reference, exc_info=error)
    return WorkerFault(reference)
