"""The Dispatcher moves jobs: queue -> worker -> journal -> ticket, one task for each running job."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Generic, NoReturn, TypeVar

from generation.crew import Crew
from generation.errors import (
    Cancelled,
    KnownError,
    LoraUnavailable,
    Postponed,
    QueueFull,
    ShuttingDown,
    WorkerFault,
    WorkerLost,
    new_reference,
)
from generation.estimates import Estimates
from generation.events import JobCancelled, JobDone, JobFailed
from generation.fleet import Fleet
from generation.follower import Follower
from generation.forecast import Forecast
from generation.job import Job, JobId, JobStatus
from generation.journal import Journal
from generation.listener import Listener
from generation.loss import Loss
from generation.queue import FairQueue
from generation.result import GenerationResult
from generation.standing import Standing
from generation.ticket import JobTicket, Progress
from generation.workers.base import Worker
from generation.workers.stream import EventStream

log = logging.getLogger(__name__)

R = TypeVar("R")  #: the journal's record of a finished job


class Dispatcher(Generic[R]):
    """Takes jobs in, hands them to workers in the queue's order, and sees each one to exactly one end.

    A stop of the process ends no job: what is not done is put back in the journal, for the next run.

    Nothing here waits for work: `submit` and every event that frees room call `_hand_out`.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        journal: Journal[R],
        *,
        capacity: int = 1000,
        estimates: Estimates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.estimates = estimates or Estimates()
        self._forecast = Forecast(self.estimates)
        self._clock = clock
        self._journal = journal
        self._fleet = Fleet(journal.drawing)
        self._crew = Crew(workers, self._fleet, journal.worker_lost, hand_out=self._hand_out)
        self._running = self._fleet.running
        self._standing = Standing(places=lambda: self._fleet.places)
        self._queue = FairQueue(capacity=capacity, cost=lambda job: self.estimates.cost(job.request))
        self._follower = Follower(
            queue=self._queue,
            standing=self._standing,
            estimates=self.estimates,
            forecast=self._forecast,
            started=self._started,
            drawn=self._drawn,
            hand_out=self._hand_out,
            clock=clock,
        )
        self._tickets: dict[JobId, JobTicket[R]] = {}  #: every live job
        self._pushed: tuple[JobId, ...] = ()  #: the order that the workers know
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener[R]] = []
        self._cancelled: dict[JobId, str | None] = {}  #: live jobs that somebody wants stopped, and who
        self._postponed: set[JobId] = set()  #: live jobs that are put back while others are finished
        self._between: set[JobId] = set()  #: live jobs whose worker is gone, until they wait again
        self._closing = False
        self._closed: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the workers in the background; jobs may be submitted at once and wait until one is ready."""
        self._spawn(self._start_workers(self._crew.begin()), name="start workers")

    async def ready(self) -> None:
        """Wait until the first worker can draw. Raises ModelUnavailable when none ever will."""
        await self._crew.ready()

    @property
    def can_draw(self) -> bool:
        """Whether a job that is submitted now would be drawn."""
        return bool(self._fleet.ready) and not self._closing

    @property
    def is_lost(self) -> bool:
        """Whether a worker of this process is lost, and with it all that this process could draw."""
        return self._crew.is_lost

    def has(self, worker: Worker) -> tuple[Job, ...]:
        """List the jobs that a worker has, drawing or standing."""
        return tuple(self._fleet.jobs_of(worker))

    def listen(self, listener: Listener[R]) -> None:
        """Have somebody told of what becomes of jobs, from now on."""
        self._listeners.append(listener)

    def check_open(self) -> None:
        """Check that a job can be restored now. Raises ShuttingDown, or why no worker could start."""
        if self._closing:
            raise ShuttingDown()
        if self._crew.dead is not None:
            raise self._crew.dead

    def check_room(self, jobs: int = 1) -> None:
        """Check that so many jobs can be submitted now. Raises QueueFull, and what `check_open` raises."""
        self.check_open()
        if len(self._queue) + jobs > self._queue.capacity:
            raise QueueFull(self._queue.capacity)

    def submit(self, job: Job) -> JobTicket[R]:
        """Put the job in line. Raises what `check_room` raises."""
        self.check_room()
        self._queue.push(job)
        return self._ticket(job)

    def restore(self, job: Job, *, alone: bool = False) -> JobTicket[R]:
        """Put a job of an earlier run in line again, however long the line is; called in the order of their arrival.

        With `alone` it keeps its place and nothing else is drawn beside it: if it brings the process down once more, it
        is known as the culprit. Raises what `check_open` raises.
        """
        self.check_open()
        self._queue.push(job, beyond_capacity=True)
        if alone:
            self._fleet.alone.add(job.id)
        return self._ticket(job)

    def _ticket(self, job: Job) -> JobTicket[R]:
        ticket: JobTicket[R] = JobTicket(
            job,
            waiting=lambda: self._in_line(job.id),
            seconds_left=lambda: self.seconds_left(job.id),
            since=self._clock(),
        )
        self._tickets[job.id] = ticket
        self._hand_out()
        return ticket

    def _in_line(self, job_id: JobId) -> Progress | None:
        place = self._standing.line(self._queue.in_order(), self._running)[1].get(job_id)
        if place is None:
            return None
        model = self._tickets[job_id].job.request.model
        loading = any(self._tickets[job.id].loading for job, _ in self._running.values() if job.request.model == model)
        return Progress(place=place, loading=loading or (not self._fleet.ready and self._fleet.coming > 0))

    def seconds_left(self, job_id: JobId) -> float | None:
        """Estimate the seconds until a live job will be done; None while nothing was measured."""
        return self._forecast.seconds_left(
            job_id,
            line=self._queue.in_order(),
            done=lambda job: self._tickets[job.id].share_done,
            places=self._fleet.places,
            workers=len(self._fleet.ready),
        )

    def ticket(self, job_id: JobId) -> JobTicket[R] | None:
        """The ticket of a job that is waiting or running."""
        return self._tickets.get(job_id)

    def waiting(self) -> tuple[Job, ...]:
        """List the jobs that no device works for now, in the order in which it will."""
        return self._standing.line(self._queue.in_order(), self._running)[0]

    def running(self) -> tuple[Job, ...]:
        """List the jobs that are drawn now."""
        return tuple(job for job, _ in self._running.values() if self._standing.has_rows(job))

    async def cancel(self, job_id: JobId, *, by: str | None = None) -> bool:
        """Cancel a waiting or running job; False when nobody draws it, or nobody does any more.

        The first who cancels is remembered as `Cancelled.by`.
        """
        if (job := self._queue.cancel(job_id)) is not None:
            # Shielded: the caller may be gone before the end is written down.
            await asyncio.shield(self._spawn(self._end(job, JobStatus.CANCELLED, Cancelled(by), 0.0), name="cancel"))
            return True
        if (running := self._running.get(job_id)) is not None:
            self._cancelled.setdefault(job_id, by)
            await running[1].cancel(job_id)
            return True
        if job_id in self._between:
            self._cancelled.setdefault(job_id, by)
            return True
        return False

    async def lost(self) -> NoReturn:
        """Wait until a worker is lost, in the good case for ever. Raises WorkerLost."""
        await self._crew.lost()

    async def drain(self, grace: float) -> None:
        """Take no new jobs, hand nothing more out, and let what runs be finished, for so many seconds at most.

        A job that stands and cannot be done in that time is put back at once.
        """
        self._closing = True
        for job_id, (job, worker) in tuple(self._running.items()):
            if not self._standing.has_rows(job) and (self.seconds_left(job_id) or 0.0) > grace:
                self._postponed.add(job_id)
                await worker.cancel(job_id)
        begun = [ticket for job_id, ticket in self._tickets.items() if not self._queue.waits(job_id)]
        await asyncio.gather(*(ticket.wait(grace) for ticket in begun))

    async def close(self) -> None:
        """Take no new jobs, put all live ones back for the next run, close the workers. May be called twice."""
        if self._closed is None:
            self._closing = True
            self._closed = asyncio.create_task(self._close(), name="close dispatcher")
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        await asyncio.gather(self._put_back_waiting(), self._crew.close())
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._crew.end()
        if not self._crew.is_lost:
            self._journal.drawing(frozenset())

    async def _put_back_waiting(self) -> None:
        for waiting in self._queue.in_order():
            if (job := self._queue.cancel(waiting.id)) is not None:
                await self._put_back(job, 0.0)

    async def _start_workers(self, workers: Sequence[Worker]) -> None:
        if (error := await self._crew.start(workers)) is not None and not self._closing:
            await self.give_up(error)

    async def give_up(self, error: KnownError) -> None:
        """Note that no worker will ever draw, and why: `ready` raises it.

        The operator will mend what is wrong with the model; the jobs wait for that in the journal.
        """
        self._crew.give_up(error)
        await self._put_back_waiting()

    async def add(self, worker: Worker) -> None:
        """Start one more worker, and let it draw; returns when it can.

        Raises ShuttingDown, ModelUnavailable and WorkerLost; then it is closed.
        """
        self.check_open()
        await self._crew.add(worker)

    async def remove(self, worker: Worker, grace: float) -> None:
        """Take a worker out: what it draws may be finished, for so many seconds; the rest is drawn by others."""
        self._crew.let_leave(worker)
        mine = tuple(self._fleet.jobs_of(worker))
        names = {_name(job) for job in mine}
        runs = {task for task in self._tasks if task.get_name() in names}  # not those that others will draw them in
        for job in mine:
            if not self._standing.has_rows(job):
                await worker.cancel(job.id)
        if runs:
            await asyncio.wait(runs, timeout=grace)
        await worker.close()
        if runs:
            await asyncio.wait(runs)
        self._crew.forget(worker)

    def _hand_out(self) -> None:
        """Give jobs to the workers while they have room, in good time, and tell them in which order to draw.

        No job passes the next one just because it would fit: that would starve the large ones. Only a job that would
        have another model loaded lets others pass, as often as the queue says.
        """
        self._queue.draw_at_once(self._fleet.places)
        self._hand_out_in_turn()
        order = tuple(job.id for job in self._queue.in_order() if job.id in self._running)
        if order != self._pushed:
            self._pushed = order
            for worker in self._fleet.ready:
                worker.reorder(order)

    def _hand_out_in_turn(self) -> None:
        while (
            not self._closing
            and (turn := self._fleet.next_turn(self._queue, self.estimates.images_in_a_load)) is not None
        ):
            job, worker = turn
            self._queue.take(job)
            try:
                events = worker.draw(job)
            except Exception as error:
                self._give_up(job, error)
                continue
            self._running[job.id] = (job, worker)
            self._standing.forget_line()
            self._spawn(self._run(job, worker, events), name=_name(job))

    def _give_up(self, job: Job, error: Exception) -> None:
        self._spawn(self._end(job, JobStatus.FAILED, _fault(job, error), 0.0), name=f"job {job.id}")

    async def _run(self, job: Job, worker: Worker, events: EventStream) -> None:
        """See one job from its worker to its end, or back into the line."""
        outcome: GenerationResult | KnownError
        device_seconds = 0.0
        try:
            async with aclosing(events):
                outcome, device_seconds = await self._follower.follow(job, worker, self._tickets[job.id], events)
        except Exception as error:
            outcome = _fault(job, error)
        if isinstance(outcome, WorkerLost):
            self._crew.lose(worker, outcome)
        # The stream is closed: its room is free, and the worker has nothing left to cancel.
        del self._running[job.id]
        self._standing.note_rows(job, has_rows=True)  # it is in nobody's line any more
        if isinstance(outcome, Cancelled) and self._is_put_back(job, worker):
            outcome = Postponed()
        if job.id in self._cancelled:
            outcome = Cancelled(self._cancelled[job.id])  # it was told so, also where the last step was made meanwhile
        fell = (loss := self._crew.loss_of(worker)) is not None and isinstance(outcome, WorkerLost)
        if loss is not None:
            loss.note(job, fell=fell)
        self._hand_out()
        if loss is not None and fell:
            await self._after_loss(job, loss)
            return
        if isinstance(outcome, Postponed) and self._crew.lets_leave(worker) and not self._closing:
            await self._move(job, device_seconds)
            return
        if isinstance(outcome, GenerationResult):
            try:
                self._leave(job, await self._journal.rendered(job, outcome))
                return
            except Exception as error:
                outcome = _fault(job, error)
        match outcome:
            case Postponed():
                await self._put_back(job, device_seconds)
            case Cancelled():
                await self._end(job, JobStatus.CANCELLED, outcome, device_seconds)
            case LoraUnavailable(reason="gone" | "replaced"):  # it was well when the job was accepted
                await self._end(job, JobStatus.INTERRUPTED, outcome, device_seconds)
            case WorkerLost():
                # Not written down: the next run shall know that this job was in the crash, and try it alone.
                self._leave(job, Postponed())
            case _:
                await self._end(job, JobStatus.FAILED, outcome, device_seconds)

    def _is_put_back(self, job: Job, worker: Worker) -> bool:
        """Whether a job that was stopped goes on later, since it was not stopped for its own sake."""
        return self._closed is not None or job.id in self._postponed or self._crew.lets_leave(worker)

    def _drawn(self, worker: Worker, job: Job, last: JobDone | JobFailed | JobCancelled) -> None:
        for listener in self._listeners:
            listener.drawn(worker, job, last)

    async def _started(self, job: Job) -> None:
        """Write down that a device works for the job, and tell how long it has waited; also that only once."""
        await self._journal.started(job)
        ticket = self._tickets[job.id]
        if ticket.since is not None:
            for listener in self._listeners:
                listener.began(job, self._clock() - ticket.since)
            ticket.since = None

    async def _end(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        try:
            await self._journal.ended(job, status, error, device_seconds)
        except Exception:
            log.exception("the end of job %s (%s) could not be written down", job.id, status)
        self._leave(job, error)

    async def _put_back(self, job: Job, device_seconds: float) -> None:
        try:
            await self._journal.put_back(job, device_seconds)
        except Exception:
            log.exception("job %s could not be put back", job.id)
        self._leave(job, Postponed())

    async def _after_loss(self, job: Job, loss: Loss) -> None:
        """Let a job of a lost worker wait again where it stood; alone on its worker, if it may have been the cause."""
        self._between.add(job.id)
        over = await asyncio.shield(loss.over)
        if (error := over.get(job.id)) is not None:
            self._leave(job, error)
            return
        if job.id in loss.drawn:
            self._fleet.alone.add(job.id)
        await self._again(job)

    async def _move(self, job: Job, device_seconds: float) -> None:
        """Let a job of a worker that leaves wait again where it stood."""
        self._between.add(job.id)
        try:
            await self._journal.put_back(job, device_seconds)
        except Exception:
            log.exception("job %s could not be put back", job.id)
        await self._again(job)

    async def _again(self, job: Job) -> None:
        """Let a job whose worker is gone wait again, unless somebody wants it stopped meanwhile, or everything."""
        self._between.discard(job.id)
        if job.id in self._cancelled:
            await self._end(job, JobStatus.CANCELLED, Cancelled(self._cancelled[job.id]), 0.0)
            return
        if self._closing:
            self._leave(job, Postponed())
            return
        self._forecast.advance(job, -self._tickets[job.id].share_done)
        self._tickets[job.id].start_over()
        self._queue.give_back(job)
        self._standing.note_rows(job, has_rows=False)
        self._hand_out()

    def _leave(self, job: Job, outcome: R | KnownError) -> None:
        """The job is over: its ticket resolves and its room goes to the next one."""
        ticket = self._tickets.pop(job.id)
        self._fleet.alone.discard(job.id)
        self._queue.leave(job, done=ticket.share_done)
        self._standing.forget(job)
        self._postponed.discard(job.id)
        self._between.discard(job.id)
        self._cancelled.pop(job.id, None)
        ticket.resolve(outcome)
        for listener in self._listeners:
            listener.over(job, outcome)
        self._hand_out()

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _name(job: Job) -> str:
    return f"job {job.id}"


def _fault(job: Job, error: Exception) -> KnownError:
    """Turn an error from outside the worker into a known one; the log gets its trace, under a reference."""
    if isinstance(error, KnownError):
        log.info("job %s ended: %s", job.id, error)
        return error
    fault = WorkerFault(new_reference(), detail=repr(error))
    log.error("job %s failed, reference %s", job.id, fault.reference, exc_info=error)
    return fault
