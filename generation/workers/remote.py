"""RemoteWorker is the near half of a worker in another process, maybe on another machine.

What has to be answered at once is here, in the event loop: room, reservations, the jobs' streams. What draws is a Host
at the other end of a Link.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from generation.errors import KnownError, ModelUnavailable, ShuttingDown, WorkerFault, WorkerLost, new_reference
from generation.events import JobCancelled, JobFailed, WorkerEvent
from generation.job import Job, JobId, JobInputs
from generation.request import GenerationRequest
from generation.workers import base
from generation.workers.messages import (
    Batch,
    Cancel,
    Close,
    Closed,
    Draw,
    Drawing,
    Forget,
    Found,
    Logged,
    Lost,
    Make,
    Open,
    Opened,
    Order,
    Reorder,
    Report,
    versions,
)
from generation.workers.stream import EventStream
from generation.workers.watchdog import Watchdog
from generation.workers.workload import LOADING_PATIENCE, STANDING_BYTES, LiveJob, Workload

log = logging.getLogger(__name__)

InUse: TypeAlias = "dict[str, RemoteWorker]"  #: devices by their UUIDs, and whose each is

HEARTBEAT = 2.0  #: seconds
SILENCE = 20.0  #: seconds without a word, however busy the device is
STARTING_SILENCE = 300.0  #: the same while libraries are loaded, from a slow disk perhaps
CLOSING_GRACE = 35.0  #: seconds; a little more than the other side waits for its thread


class Link(Protocol):
    """Carries orders there and reports back, each in order."""

    async def open(self) -> None:
        """Start the other side. Raises WorkerLost."""
        ...

    def tell(self, order: Order) -> None:
        """Send an order; never blocks, and raises nothing where the other side is gone."""
        ...

    def reports(self) -> AsyncIterator[Report]:
        """Yield what the other side says. Raises WorkerLost when it is gone."""
        ...

    async def kill(self) -> None:
        """End the other side, whatever it is doing, and wait for that. May be called twice."""
        ...


class RemoteWorker:
    """A Worker that draws at the other end of a link."""

    def __init__(
        self,
        link: Link,
        make: Make,
        *,
        name: str,
        in_use: "InUse | None" = None,
        memory: int = STANDING_BYTES,
        heartbeat: float = HEARTBEAT,
        silence: float = SILENCE,
        starting_silence: float = STARTING_SILENCE,
        starting: float = LOADING_PATIENCE,
    ) -> None:
        """`in_use` is one for all workers: what another one has is refused here.

        `memory`: bytes as for LocalWorker. The times are in seconds: between two signs of life; how long none may come,
        while it works and while it starts; and how long the start may take, whatever signs of life come."""
        self.name = name
        self.places = 1
        self.in_this_process = False
        self._link = link
        self._make = make
        self._in_use = {} if in_use is None else in_use
        self._heartbeat = heartbeat
        self._silence = silence
        self._starting_silence = starting_silence
        self._starting = starting
        self._loaded: frozenset[str] | None = frozenset()
        self._work = Workload(memory=memory, is_loaded=lambda model: self._loaded is None or model in self._loaded)
        self._watchdog = Watchdog(self._budget, self._is_silent)
        self._drawing: base.Drawing = base.told_nobody
        self._started: asyncio.Future[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsent: set[JobId] = set()  #: jobs whose inputs are being read
        self._open = False
        self._closing = False
        self._lost: WorkerLost | None = None
        self._gone = asyncio.Event()  #: it is lost

    @property
    def loaded(self) -> frozenset[str] | None:
        return self._loaded

    async def start(self, drawing: base.Drawing = base.told_nobody) -> None:
        self._drawing = drawing
        self._started = asyncio.get_running_loop().create_future()
        # Who starts a worker may be gone before it has started: that is no reason for asyncio to complain.
        self._started.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._reading = asyncio.create_task(self._read(), name=f"read {self.name}")
        self._watchdog.watch()
        await asyncio.wait({self._started}, timeout=self._starting)
        if not self._started.done():
            self._lose(WorkerLost(detail=f"it did not start within {self._starting:.0f} s", died=False))
        await self._started

    def room(self, request: GenerationRequest) -> int:
        return self._work.room(request) if self._open else 0

    def draw(self, job: Job) -> EventStream:
        live = self._work.take(job, on_close=lambda: self._forget(job.id))
        if self._lost is not None:
            self._lose(self._lost)
        elif job.request.source is None and job.request.mask is None:
            self._link.tell(Draw(job_id=job.id, request=job.request, inputs=JobInputs()))
        else:
            self._spawn(self._send_with_inputs(live))
        return live.stream

    def reorder(self, order: Sequence[JobId]) -> None:
        self._link.tell(Reorder(order=tuple(order)))

    async def cancel(self, job_id: JobId) -> None:
        if (live := self._work.jobs.get(job_id)) is not None and not live.over:
            live.cancelled.set()
            self._tell_about(job_id, Cancel(job_id=job_id))

    async def lost(self) -> WorkerLost:
        await self._gone.wait()
        return self._lost or WorkerLost()

    async def close(self) -> None:
        was_open, self._open, self._closing = self._open, False, True
        self._work.stop()
        if was_open and self._reading is not None:
            self._link.tell(Close())
            await asyncio.wait({self._reading}, timeout=CLOSING_GRACE)
        self._watchdog.rest()
        await self._link.kill()
        self._give_back()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        self._not_started(ShuttingDown())
        self._work.end()

    def _forget(self, job_id: JobId) -> None:
        live = self._work.let_go(job_id)
        if live is not None and not live.over:
            self._tell_about(job_id, Forget(job_id=job_id))

    def _tell_about(self, job_id: JobId, order: Order) -> None:
        if job_id not in self._unsent:
            self._link.tell(order)

    async def _send_with_inputs(self, live: LiveJob) -> None:
        """Send a job with the pictures that it begins with, which are read from a disk."""
        job, failure = live.job, None
        self._unsent.add(job.id)
        try:
            inputs = await asyncio.to_thread(job.inputs)
            inputs.require(job.request)
        except KnownError as error:
            inputs, failure = JobInputs(), error
        except Exception as error:
            failure = WorkerFault(new_reference(), detail=repr(error))
            log.exception("the inputs of job %s cannot be read, reference %s", job.id, failure.reference)
            inputs = JobInputs()
        self._unsent.discard(job.id)
        if live.cancelled.is_set():
            self._pass_on([JobCancelled(job_id=job.id, device_seconds=0.0)])
        elif failure is not None:
            self._pass_on([JobFailed(job_id=job.id, error=failure, device_seconds=0.0)])
        else:
            self._link.tell(Draw(job_id=job.id, request=job.request, inputs=inputs))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what the other side says

    async def _read(self) -> None:
        try:
            await self._link.open()
            self._link.tell(Open(versions=versions(), heartbeat=self._heartbeat, make=self._make))
            async for report in self._link.reports():
                self._watchdog.beat()
                self._hear(report)
                if isinstance(report, Closed):
                    break
            if not self._closing:
                raise WorkerLost(detail="it ended without being asked to")
        except WorkerLost as lost:
            if not self._closing:
                self._lose(lost)
        except Exception as error:
            log.exception("the link to %s failed", self.name)
            self._lose(WorkerLost(detail=repr(error), died=False))

    def _hear(self, report: Report) -> None:
        match report:
            case Drawing():
                self._drawing(report.jobs)
            case Found():
                self._take(report.device)
            case Batch():
                self._loaded, self.places = report.loaded, report.places
                self._pass_on(report.events)
            case Opened(error=None):
                self._has_started()
            case Opened():
                self._not_started(report.error or ModelUnavailable("?"))
            case Lost():
                self._lose(report.error)
            case Logged():
                logging.getLogger(report.logger).log(report.level, "%s: %s", self.name, report.line)
            case Closed():
                pass

    def _take(self, device: str) -> None:
        """Note that the device is this worker's, unless it is another one's."""
        other = self._in_use.get(device, self)
        if other.name == self.name:  # itself, or the one that it replaces
            self._in_use[device] = self
            return
        self._closing = True  # nothing that it says from now on matters
        self._not_started(ModelUnavailable("?", "device_taken", detail=f"{device} ({other.name})"))
        self._spawn(self._link.kill())

    def _give_back(self) -> None:
        for device in [device for device, one in self._in_use.items() if one is self]:
            del self._in_use[device]

    def _has_started(self) -> None:
        self._open = not self._closing
        self._watchdog.watch()  # it may be silent for less long now
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _not_started(self, error: KnownError) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)

    def _pass_on(self, events: Iterable[WorkerEvent]) -> None:
        if lost := self._work.pass_on(events):
            self._lose(lost)

    def _budget(self) -> float | None:
        if self._lost is not None:
            return None
        return self._silence if self._open else self._starting_silence

    def _is_silent(self, seconds: float) -> None:
        self._lose(WorkerLost(detail=f"nothing was heard of it for {seconds:.0f} s", died=False))

    def _lose(self, error: WorkerLost) -> None:
        """Fail every job, because nothing more can be drawn."""
        if self._lost is None:
            log.debug("%s is lost: %s", self.name, error.detail)  # the supervisor tells it
            self._spawn(self._link.kill())
        self._lost, self._open = error, False
        self._gone.set()
        self._watchdog.rest()
        self._not_started(error)
        self._work.end(error)
