"""LocalWorker: a thread that loads, draws, stumbles, hangs and dies."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.engine.shelf import ModelShelf
from generation.diffusion.loading.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.errors import KnownError, ModelUnavailable, WorkerFault, WorkerLost
from generation.events import (
    JobCancelled,
    JobDone,
    JobFailed,
    RowsChanged,
    StepDone,
    WorkerEvent,
)
from generation.job import Job, JobId
from generation.journal import MemoryJournal
from generation.result import GenerationResult
from generation.workers.base import Drawing, told_nobody
from generation.workers.local import LocalWorker
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.tiny_models import save_folder
from tests.generation.workers.streams import follow
from tests.generation.workers.threads import is_alive, thread_has_ended


class TestLocalWorker:
    """What can go wrong with a worker's thread."""

    async def test_a_job_that_comes_first_now_takes_the_rows_of_another(self) -> None:
        """The steps of an engine with two rows: one image at a time."""
        turns: list[frozenset[JobId]] = []
        go_on = threading.Semaphore(0)

        class Engine(DiffusionEngine):
            def step(self) -> list[WorkerEvent]:
                go_on.acquire(timeout=30)
                return super().step()

        worker = LocalWorker(lambda: Engine(load_tiny("epsilon"), max_rows=2))
        await worker.start(turns.append)
        long, short = make_job(steps=4), make_job(steps=2)
        streams = worker.draw(long), worker.draw(short)
        go_on.release()
        assert [type(await anext(streams[0])) for _ in range(2)] == [RowsChanged, StepDone]
        worker.reorder([short.id, long.id])
        go_on.release(1000)
        events = await asyncio.gather(*map(follow, streams))
        assert [isinstance(of_one[-1], JobDone) for of_one in events] == [True, True]
        assert [event.has_rows for event in events[0] if isinstance(event, RowsChanged)] == [False, True, False]
        assert turns[:2] == [{long.id}, {short.id}]
        await worker.close()

    async def test_a_model_that_does_not_load_is_raised_by_start(self) -> None:
        def build() -> DiffusionEngine:
            raise ValueError("no such file")

        worker = LocalWorker(build)
        with pytest.raises(KnownError, match="model_unavailable"):
            await worker.start()
        assert worker.room(make_job().request) == 0
        await worker.close()

    async def test_a_panic_while_a_model_loads_is_raised_by_start(self) -> None:
        """A panic of a library in Rust is no Exception."""

        def build() -> DiffusionEngine:
            raise SystemExit("a panic")

        worker = LocalWorker(build)
        with pytest.raises(KnownError, match="model_unavailable"):
            await worker.start()
        await worker.close()

    async def test_cancelling_does_not_wait_for_the_model(self) -> None:
        """The job ends at once; its place is kept for as long as the thread is busy over it."""
        loading, loaded = threading.Event(), threading.Event()
        names: set[str] = set()

        def build(spec: ModelSpec) -> DiffusionEngine:
            if spec.name == "other":
                loading.set()
                loaded.wait(30)
            return DiffusionEngine(load_tiny("epsilon"))

        specs = [ModelSpec(name=name, source=name) for name in ("tiny", "other")]
        worker = LocalWorker(lambda: ModelShelf(specs, build, memory=1, loaded=names), loaded=names)
        await worker.start()
        job = make_job(model="other")
        stream = worker.draw(job)
        assert await asyncio.to_thread(loading.wait, 30)
        await worker.cancel(job.id)
        assert isinstance((await follow(stream))[-1], JobCancelled)
        assert worker.room(make_job().request) == 0, "the thread is still loading"
        next_one = worker.draw(make_job(model="other"))
        loaded.set()
        assert isinstance((await follow(next_one))[-1], JobDone)
        assert worker.room(make_job().request) == 1, "nothing is left of either"
        await worker.close()

    async def test_closing_does_not_wait_for_a_model_that_loads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generation.workers.local.LOADING_GRACE", 0.05)
        loaded = threading.Event()

        def build() -> DiffusionEngine:
            loaded.wait(30)
            return DiffusionEngine(load_tiny("epsilon"))

        worker = LocalWorker(build, name="loading worker")
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(0)
        await worker.close()
        with pytest.raises(KnownError, match="shutting_down"):
            await starting
        loaded.set()
        await thread_has_ended("loading worker")
        await asyncio.sleep(0)
        assert worker.room(make_job().request) == 0

    async def test_a_fault_of_the_engine_itself_fails_its_jobs_and_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Each job fails, the log has the trace under the reference, and the thread lives on."""

        class Engine(DiffusionEngine):
            tripped = False

            def step(self) -> list[WorkerEvent]:
                events = super().step()
                if not self.tripped:
                    self.tripped = True
                    raise ZeroDivisionError("a bug of ours")
                return events

        worker = LocalWorker(lambda: Engine(load_tiny("epsilon")))
        await worker.start()
        failed = (await follow(worker.draw(make_job())))[-1]
        assert isinstance(failed, JobFailed)
        assert isinstance(failed.error, WorkerFault)
        assert failed.error.reference in caplog.text
        assert "a bug of ours" in caplog.text
        assert isinstance((await follow(worker.draw(make_job())))[-1], JobDone)
        await worker.close()


async def test_two_models_from_their_files_through_the_dispatcher(tmp_path: Path) -> None:
    """One model ships, one comes from a folder, and a third is broken: its jobs fail, the others are drawn."""
    folder = save_folder("xl", tmp_path / "tiny")
    shipped, own = inspect_model("builtin"), inspect_model(str(folder))
    broken = replace(own, name="broken", source=str(folder / "unet"))
    dispatcher = Dispatcher([LocalWorker.for_models([shipped, own, broken], device="cpu")], MemoryJournal())
    await dispatcher.start()
    jobs = [
        Job(id=uuid.uuid4(), request=spec.request(DrawingOptions(prompt="a heart", steps=2, seed=1)), requester=who)
        for spec, who in ((shipped, "a"), (own, "b"), (broken, "c"), (own, "d"), (shipped, "e"))
    ]
    tickets = [dispatcher.submit(job) for job in jobs]
    outcomes = await asyncio.gather(*(ticket.result() for ticket in tickets), return_exceptions=True)
    assert [isinstance(outcome, GenerationResult) for outcome in outcomes] == [True, True, False, True, True]
    assert isinstance(outcomes[2], ModelUnavailable)
    await dispatcher.close()


class BareEngine:
    """An engine without a model, whose steps do what a test wants: what can go wrong around an engine."""

    def __init__(self, step: Callable[[], list[WorkerEvent]] = list, idle: Callable[[], bool] = bool) -> None:
        self.jobs: list[Job] = []
        self.step, self.idle = step, idle
        self.admit_error: Exception | None = None
        self.drawing: Drawing = told_nobody

    def reorder(self, order: Sequence[JobId]) -> None:
        """It has one job at a time."""

    @property
    def busy(self) -> bool:
        return bool(self.jobs)

    def admit(self, job: Job, *, cancelled: Callable[[], bool]) -> None:
        if self.admit_error is not None:
            raise self.admit_error
        self.jobs.append(job)

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        jobs, self.jobs = self.jobs, []
        return [JobFailed(job_id=job.id, error=error, device_seconds=0.0) for job in jobs]


class HangingEngine(BareEngine):
    """An engine whose first step does not return before it is told to."""

    thread = "hanging worker"

    def __init__(self) -> None:
        super().__init__(self._hang)
        self._go_on = threading.Event()

    def _hang(self) -> list[WorkerEvent]:
        self._go_on.wait(60)
        return self.abort(WorkerFault("too late"))

    async def recover(self) -> None:
        """Let the step return after all, so that the thread ends in good order."""
        self._go_on.set()
        await thread_has_ended(self.thread)


class TestLosingAThread:
    """A thread that hangs or dies takes its jobs with it, and nobody waits for ever."""

    async def test_a_thread_that_dies_loses_the_worker(self, caplog: pytest.LogCaptureFixture) -> None:
        def step() -> list[WorkerEvent]:
            raise SystemExit("out of the blue")

        worker = LocalWorker(lambda: BareEngine(step))
        await worker.start()
        events = await follow(worker.draw(make_job()))
        assert isinstance(events[-1], JobFailed)
        assert isinstance(events[-1].error, WorkerLost)
        assert "out of the blue" in caplog.text
        assert worker.room(make_job().request) == 0
        await worker.close()

    async def test_a_thread_that_dies_with_nothing_to_do_loses_the_worker(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generation.workers.local.UPKEEP_PAUSE", 0.001)

        def idle() -> bool:
            raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")

        worker = LocalWorker(lambda: BareEngine(idle=idle), name="dying worker")
        await worker.start()
        await thread_has_ended("dying worker")
        await asyncio.sleep(0)
        assert "ECC" in (await worker.lost()).detail
        assert worker.room(make_job().request) == 0
        events = await follow(worker.draw(make_job()))
        assert isinstance(events[-1], JobFailed)
        assert isinstance(events[-1].error, WorkerLost)
        await worker.close()

    async def test_a_thread_that_hangs_loses_the_worker(self) -> None:
        engine = HangingEngine()
        worker = LocalWorker(lambda: engine, patience=0.01, name=engine.thread)
        await worker.start()
        streams = [worker.draw(make_job()) for _ in range(2)]
        for stream in streams:
            events = await follow(stream)
            assert isinstance(events[-1], JobFailed)
            assert isinstance(events[-1].error, WorkerLost)
            assert "no sign of life" in events[-1].error.detail
        assert worker.room(make_job().request) == 0
        await worker.close()
        assert is_alive(engine.thread), "nobody waited for it"
        await engine.recover()

    async def test_closing_does_not_wait_for_a_thread_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generation.workers.local.CLOSING_GRACE", 0.05)
        engine = HangingEngine()
        worker = LocalWorker(lambda: engine, name=engine.thread)
        await worker.start()
        following = asyncio.create_task(follow(worker.draw(make_job())))
        await asyncio.sleep(0)
        await worker.close()
        assert isinstance((await following)[-1], JobCancelled)
        await engine.recover()

    async def test_a_job_that_cannot_be_taken_in_fails_alone(self) -> None:
        engine = BareEngine()
        engine.admit_error = ZeroDivisionError("a bug of ours")
        worker = LocalWorker(lambda: engine)
        await worker.start()
        events = await follow(worker.draw(make_job()))
        assert isinstance(events[-1], JobFailed)
        assert isinstance(events[-1].error, WorkerFault)
        assert worker.room(make_job().request) == 1
        await worker.close()

    async def test_upkeep_is_done_while_nothing_is_drawn_and_may_fail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for pause in ("UPKEEP_PAUSE", "UPKEEP_REST"):
            monkeypatch.setattr(f"generation.workers.local.{pause}", 0.001)
        calls: list[None] = []
        all_done = threading.Event()

        def idle() -> bool:
            calls.append(None)
            if len(calls) == 3:
                raise ValueError("a broken cache")
            if len(calls) == 5:
                all_done.set()
            return len(calls) < 3

        engine = BareEngine(idle=idle)
        engine.step = lambda: engine.abort(WorkerFault("x"))
        worker = LocalWorker(lambda: engine)
        await worker.start()
        assert await asyncio.to_thread(all_done.wait, 30)
        events = await follow(worker.draw(make_job()))
        assert isinstance(events[-1], JobFailed)
        assert isinstance(events[-1].error, WorkerFault), "the thread lives on"
        await worker.close()
