"""Crew: the workers of a dispatcher come, are lost and leave. The dispatcher sees to what becomes of their jobs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NoReturn

from generation.errors import KnownError, ModelUnavailable, WorkerLost
from generation.fleet import Fleet
from generation.job import JobId
from generation.loss import Loss, WriteDown
from generation.workers.base import Worker

log = logging.getLogger(__name__)


class Crew:
    """All workers, from before their start until they are closed; those of them that can draw are the fleet."""

    def __init__(
        self, workers: Sequence[Worker], fleet: Fleet, write_down: WriteDown, *, hand_out: Callable[[], None]
    ) -> None:
        """`write_down` notes what a lost worker had; `hand_out` is called when one more can draw."""
        self.dead: KnownError | None = None  #: why no worker will ever draw
        self._workers = list(workers)
        self._fleet = fleet
        self._write_down = write_down
        self._hand_out = hand_out
        self._first_ready: asyncio.Future[None] | None = None
        self._losses: dict[Worker, Loss] = {}  #: of workers elsewhere, until their jobs are seen to
        self._leaving: set[Worker] = set()  #: workers whose jobs are to be drawn by others
        self._watching: dict[Worker, asyncio.Task[None]] = {}
        self._burying: set[asyncio.Task[None]] = set()
        self._loss = WorkerLost()  #: what happened to the first worker of this process that was lost
        self._lost = asyncio.Event()

    def begin(self) -> tuple[Worker, ...]:
        """Note that workers are started from now on, in this event loop; returns those that are there already."""
        self._first_ready = asyncio.get_running_loop().create_future()
        self._first_ready.add_done_callback(lambda future: future.cancelled() or future.exception())
        return tuple(self._workers)

    async def start(self, workers: Sequence[Worker]) -> KnownError | None:
        """Start several at once; returns why, where none of them can draw."""
        outcomes = await asyncio.gather(*map(self._start, workers), return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, KnownError)]
        return failures[0] if failures and len(failures) == len(workers) else None

    async def ready(self) -> None:
        """Wait until the first worker can draw. Raises the error that was given to `give_up`."""
        await asyncio.shield(self._begun())

    def give_up(self, error: KnownError) -> None:
        """Note that no worker will ever draw, and why."""
        self.dead = error
        if self._first_ready is not None and not self._first_ready.done():
            self._first_ready.set_exception(error)

    async def add(self, worker: Worker) -> None:
        """Start one more. Raises ModelUnavailable and WorkerLost; then it is closed."""
        self._begun()
        self._workers.append(worker)
        try:
            await self._start(worker)
        except BaseException:
            self._workers.remove(worker)
            await worker.close()
            raise

    async def _start(self, worker: Worker) -> None:
        self._fleet.coming += 1
        try:
            await worker.start(lambda jobs: self._fleet.note_drawing(worker, jobs))
        except KnownError:
            raise
        except Exception as error:
            log.exception("a worker did not start")
            raise ModelUnavailable("?", detail=repr(error)) from error
        finally:
            self._fleet.coming -= 1
        self._fleet.ready.append(worker)
        self._watching[worker] = asyncio.create_task(self._watch(worker), name="watch a worker")
        if not (first_ready := self._begun()).done():
            first_ready.set_result(None)
        self._hand_out()

    def _begun(self) -> asyncio.Future[None]:
        if self._first_ready is None:
            raise RuntimeError("start() comes first")
        return self._first_ready

    async def _watch(self, worker: Worker) -> None:
        self.lose(worker, await worker.lost())

    @property
    def is_lost(self) -> bool:
        """Whether a worker of this process is lost."""
        return self._lost.is_set()

    async def lost(self) -> NoReturn:
        """Wait until a worker of this process is lost. Raises WorkerLost."""
        await self._lost.wait()
        raise self._loss

    def lose(self, worker: Worker, error: WorkerLost) -> None:
        """Give nothing more to a worker that is lost. One in this process takes the process with it, in good order."""
        self._fleet.leave(worker)
        if worker.in_this_process:
            if not self._lost.is_set():
                self._loss = error
                self._lost.set()
        elif worker in self._workers and worker not in self._losses:
            drawn = self._fleet.suspects(worker) if error.died else frozenset[JobId]()
            self._losses[worker] = loss = Loss(drawn, {job.id for job in self._fleet.jobs_of(worker)})
            burying = asyncio.create_task(self._bury(worker, loss), name="see to a lost worker")
            self._burying.add(burying)
            burying.add_done_callback(self._burying.discard)

    async def _bury(self, worker: Worker, loss: Loss) -> None:
        await loss.write_down(self._write_down)
        await worker.close()
        self.forget(worker)

    def loss_of(self, worker: Worker) -> Loss | None:
        """Return the loss of a worker elsewhere, until its jobs are seen to."""
        return self._losses.get(worker)

    def let_leave(self, worker: Worker) -> None:
        """Give nothing more to a worker whose jobs are to be drawn by others."""
        self._leaving.add(worker)
        self._fleet.leave(worker)

    def lets_leave(self, worker: Worker) -> bool:
        """Whether the worker's jobs are to be drawn by others."""
        return worker in self._leaving

    def forget(self, worker: Worker) -> None:
        """Note that a worker is closed and has no jobs any more."""
        self._fleet.forget(worker)
        self._losses.pop(worker, None)
        self._leaving.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if (watching := self._watching.pop(worker, None)) is not None:
            watching.cancel()

    async def close(self) -> None:
        """Close all workers."""
        await asyncio.gather(*(worker.close() for worker in tuple(self._workers)))

    async def end(self) -> None:
        """Wait until every loss is seen to, and watch nobody any more."""
        while self._burying:
            await asyncio.wait(self._burying)
        for watching in self._watching.values():
            watching.cancel()
