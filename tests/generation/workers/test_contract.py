"""What every worker must do: one suite for all implementations of the seam."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from generation.diffusion.engine import DiffusionEngine
from generation.errors import KnownError, WorkerFault
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, StepDone, WorkerEvent
from generation.job import Job
from generation.workers.fake import FakeWorker
from generation.workers.local import LocalWorker
from generation.workers.stream import EventStream
from tests.generation.diffusion.conftest import load_tiny, make_job

ROOM = 2


class FakeBench:
    """A FakeWorker under test."""

    def __init__(self) -> None:
        self.worker = FakeWorker(ROOM, hold=True)

    def release(self) -> None:
        self.worker.release()

    def fail_next_job(self) -> None:
        self.worker.fail_next(RuntimeError("boom"))

    fail_shared_call = fail_next_job


class LocalBench:
    """A LocalWorker under test: the real engine on a tiny model whose U-Net waits at a gate."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        self._failures: list[Callable[[], Any]] = []
        self.worker = LocalWorker(self._build, images_at_once=ROOM)

    def release(self) -> None:
        self._gate.set()

    def fail_next_job(self) -> None:
        """An error in the step of seed 13 alone."""
        self._bad_step = True

    def fail_shared_call(self) -> None:
        """An error in every U-Net call that has rows of a job with seed 13."""
        self._bad_call = True

    _bad_step = _bad_call = False

    def _build(self) -> DiffusionEngine:
        model = load_tiny("epsilon")
        bench = self

        class Engine(DiffusionEngine):
            def _call(self, key: Any, images: Any) -> Any:
                bench._gate.wait(30)
                if bench._bad_call and any(image.seed == 13 for image in images):
                    raise RuntimeError("boom")
                return super()._call(key, images)

            def _advance(self, images: Any, predictions: Any) -> None:
                if bench._bad_step and any(image.seed == 13 for image in images):
                    raise RuntimeError("boom")
                super()._advance(images, predictions)

        return Engine(model)


Bench = FakeBench | LocalBench


@pytest.fixture(params=[FakeBench, LocalBench], ids=["fake", "local"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench: Bench = request.param()
    await bench.worker.start()
    yield bench
    bench.release()
    await bench.worker.close()


async def follow(stream: EventStream) -> list[WorkerEvent]:
    """All events of a job."""
    async with aclosing(stream):
        return [event async for event in stream]


def unlucky_job(**wishes: Any) -> Job:
    return make_job(seed=13, **wishes)


async def test_a_job_from_start_to_end(bench: Bench) -> None:
    bench.release()
    job = make_job(count=2)
    events = await follow(bench.worker.draw(job))
    assert {event.job_id for event in events} == {job.id}
    images = [event.image for event in events if isinstance(event, ImageReady)]
    assert sorted((image.index, image.seed) for image in images) == [(0, 7), (1, 8)]
    assert all(image.png.startswith(b"\x89PNG") for image in images)
    assert isinstance(events[-1], JobDone)
    assert events[-1].device_seconds > 0
    steps = [event for event in events if isinstance(event, StepDone)]
    assert (steps[-1].step, steps[-1].steps) == (8, 8)


async def test_drawing_reserves_before_it_returns(bench: Bench) -> None:
    """Ten jobs offered to room for two: two are taken, and the others find no room."""
    taken = []
    for _ in range(10):
        job = make_job()
        if bench.worker.room(job.request) > 0:
            taken.append(bench.worker.draw(job))
    assert len(taken) == ROOM
    bench.release()
    for stream in taken:
        await follow(stream)
    assert bench.worker.room(make_job().request) == 1


async def test_a_job_of_four_where_two_fit(bench: Bench) -> None:
    job = make_job(count=4)
    assert bench.worker.room(job.request) == ROOM
    stream = bench.worker.draw(job)
    assert bench.worker.room(make_job().request) == 0
    bench.release()
    events = await follow(stream)
    assert sorted(e.image.index for e in events if isinstance(e, ImageReady)) == [0, 1, 2, 3]


async def test_room_is_never_more_than_asked_for(bench: Bench) -> None:
    assert bench.worker.room(make_job(count=1).request) == 1


async def test_cancel_before_anything_was_read(bench: Bench) -> None:
    job = make_job()
    stream = bench.worker.draw(job)
    await bench.worker.cancel(job.id)
    bench.release()
    assert isinstance((await follow(stream))[-1], JobCancelled)


async def test_cancel_while_it_runs(bench: Bench) -> None:
    job, other = make_job(steps=100, count=2), make_job()
    stream = bench.worker.draw(job)
    if isinstance(bench, LocalBench):
        bench.release()
    else:
        bench.worker.steps(job.id, 1)
    async with aclosing(stream):
        assert isinstance(await anext(stream), StepDone)
        await bench.worker.cancel(job.id)
        rest = [event async for event in stream]
    assert isinstance(rest[-1], JobCancelled)
    bench.release()
    assert isinstance((await follow(bench.worker.draw(other)))[-1], JobDone)


async def test_cancel_after_the_end_changes_nothing(bench: Bench) -> None:
    bench.release()
    job = make_job()
    assert isinstance((await follow(bench.worker.draw(job)))[-1], JobDone)
    await bench.worker.cancel(job.id)
    await bench.worker.cancel(make_job().id)
    assert isinstance((await follow(bench.worker.draw(make_job())))[-1], JobDone)


async def test_closing_the_stream_gives_the_room_back(bench: Bench) -> None:
    stream = bench.worker.draw(make_job(count=2))
    assert bench.worker.room(make_job().request) == 0
    await stream.aclose()
    await stream.aclose()
    assert bench.worker.room(make_job().request) == 1


@pytest.mark.parametrize("kind", ["fail_next_job", "fail_shared_call"])
async def test_an_error_stays_with_its_job(bench: Bench, kind: str) -> None:
    getattr(bench, kind)()
    bad, good = unlucky_job(), make_job(seed=1)
    streams = bench.worker.draw(bad), bench.worker.draw(good)
    bench.release()
    bad_events, good_events = await asyncio.gather(*map(follow, streams))
    assert isinstance(bad_events[-1], JobFailed)
    assert isinstance(bad_events[-1].error, WorkerFault)
    assert bad_events[-1].error.reference
    assert isinstance(good_events[-1], JobDone)


async def test_close_ends_what_runs_and_may_come_twice(bench: Bench) -> None:
    streams = [bench.worker.draw(make_job(steps=100)) for _ in range(2)]
    following = [asyncio.create_task(follow(stream)) for stream in streams]
    bench.release() if isinstance(bench, LocalBench) else None
    await bench.worker.close()
    await bench.worker.close()
    for events in await asyncio.gather(*following):
        assert isinstance(events[-1], JobCancelled)
    assert bench.worker.room(make_job().request) == 0


async def test_progress_that_nobody_read_keeps_its_preview() -> None:
    stream = EventStream(on_close=lambda: None)
    job = make_job()
    stream.put(StepDone(job_id=job.id, step=1, steps=4, preview=b"a"))
    stream.put(StepDone(job_id=job.id, step=2, steps=4))
    event = await anext(stream)
    assert isinstance(event, StepDone)
    assert (event.step, event.preview) == (2, b"a")


async def test_closing_a_stream_wakes_its_reader() -> None:
    stream = EventStream(on_close=lambda: None)
    reading = asyncio.create_task(follow(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    assert await reading == []


class TestLocalWorker:
    """What only a thread can do wrong."""

    async def test_a_model_that_does_not_load(self) -> None:
        def build() -> DiffusionEngine:
            raise ValueError("no such file")

        worker = LocalWorker(build)
        with pytest.raises(KnownError, match="model_unavailable"):
            await worker.start()
        assert worker.room(make_job().request) == 0
        await worker.close()

    async def test_closing_does_not_wait_for_a_model_that_loads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generation.workers.local.LOADING_GRACE", 0.05)
        loaded = threading.Event()

        def build() -> DiffusionEngine:
            loaded.wait(30)
            return DiffusionEngine(load_tiny("epsilon"))

        worker = LocalWorker(build)
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(0)
        await worker.close()
        with pytest.raises(KnownError, match="shutting_down"):
            await starting
        loaded.set()
        await asyncio.to_thread(worker._thread.join)
        await asyncio.sleep(0)
        assert worker.room(make_job().request) == 0

    async def test_a_fault_of_the_engine_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        """Everyone is told, the trace is in the log under the reference, and the thread lives on."""

        class Engine(DiffusionEngine):
            tripped = False

            def _report(self, images: Any) -> None:
                if not self.tripped:
                    self.tripped = True
                    raise ZeroDivisionError("a bug of ours")
                super()._report(images)

        worker = LocalWorker(lambda: Engine(load_tiny("epsilon")))
        await worker.start()
        failed = (await follow(worker.draw(make_job())))[-1]
        assert isinstance(failed, JobFailed)
        assert isinstance(failed.error, WorkerFault)
        assert failed.error.reference in caplog.text
        assert "a bug of ours" in caplog.text
        assert isinstance((await follow(worker.draw(make_job())))[-1], JobDone)
        await worker.close()

    async def test_it_is_not_bothered_by_a_third_size(self) -> None:
        bench = LocalBench()
        await bench.worker.start()
        streams = [bench.worker.draw(make_job(width=width)) for width in (32, 64)]
        assert bench.worker.room(make_job(width=96).request) == 0, "two sizes are open"
        assert bench.worker.room(make_job(width=64).request) == 1
        bench.release()
        for stream in streams:
            await follow(stream)
        assert bench.worker.room(make_job(width=96).request) == 1
        await bench.worker.close()
