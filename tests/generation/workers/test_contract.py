"""What every worker must do: one suite for all implementations of the seam."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import torch

from generation.catalog import ModelSpec
from generation.diffusion.engine.batch import BatchKey, ImageRun, advance
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.engine.shared_call import SharedCall
from generation.diffusion.engine.shelf import ModelShelf
from generation.errors import WorkerFault, WorkerLost
from generation.events import (
    ImageReady,
    JobCancelled,
    JobDone,
    JobFailed,
    ModelLoading,
    RowsChanged,
    StepDone,
)
from generation.job import Job, JobId
from generation.workers.fake import FakeWorker
from generation.workers.local import LocalWorker
from generation.workers.pipe_link import PipeLink
from generation.workers.remote import RemoteWorker
from generation.workers.workload import standing_bytes
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.workers.far_end import FarEnd
from tests.generation.workers.streams import follow

ROOM = 2


MEMORY = ROOM * standing_bytes(make_job().request)


class FakeBench:
    """A FakeWorker under test."""

    def __init__(self) -> None:
        self.worker = FakeWorker(ROOM, hold=True)

    async def close(self) -> None:
        await self.worker.close()

    def release(self) -> None:
        self.worker.release()

    def fail_next_job(self, patch: pytest.MonkeyPatch) -> None:
        self.worker.fail_next(RuntimeError("boom"))

    fail_shared_call = fail_next_job

    def make_a_step(self, job: Job) -> None:
        self.worker.steps(job.id, 1)

    def lose(self) -> None:
        self.worker.lose()

    def lose_idle(self) -> None:
        self.worker.lose()


class PipeBench:
    """A RemoteWorker under test: a FakeWorker in a child process."""

    def __init__(self, loaded: str | None = None) -> None:
        self.far = FarEnd(room=ROOM, loaded=loaded)
        self.worker = RemoteWorker(PipeLink("far end"), self.far.make, name="child", memory=MEMORY)

    async def close(self) -> None:
        await self.worker.close()
        self.far.close()

    def release(self) -> None:
        self.far.ask("release")

    def fail_next_job(self, patch: pytest.MonkeyPatch) -> None:
        self.far.ask("fail_next")

    fail_shared_call = fail_next_job

    def make_a_step(self, job: Job) -> None:
        self.far.ask("step", job.id.hex)

    def lose(self) -> None:
        self.far.ask("lose")

    lose_idle = lose


class KilledPipeBench(PipeBench):
    """The same, lost by SIGKILL."""

    def lose(self) -> None:
        self.far.kill()

    lose_idle = lose


class LocalBench:
    """A LocalWorker under test: the real engine on a tiny model whose U-Net waits at a gate."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        self._dead_device = False
        self.worker = LocalWorker(self.build_engine, memory=MEMORY)

    async def close(self) -> None:
        await self.worker.close()

    def release(self) -> None:
        self._gate.set()

    def fail_next_job(self, patch: pytest.MonkeyPatch) -> None:
        """Make the step of seed 13 alone fail."""

        def stumble(images: list[ImageRun], predictions: list[torch.Tensor]) -> None:
            if any(image.seed == 13 for image in images):
                raise RuntimeError("boom")
            advance(images, predictions)

        patch.setattr("generation.diffusion.engine.loop.advance", stumble)

    def fail_shared_call(self, patch: pytest.MonkeyPatch) -> None:
        """Make every U-Net call fail that has rows of a job with seed 13."""
        predict = SharedCall.predict

        def stumble(call: SharedCall, key: BatchKey, images: list[ImageRun]) -> list[torch.Tensor]:
            if any(image.seed == 13 for image in images):
                raise RuntimeError("boom")
            return predict(call, key, images)

        patch.setattr(SharedCall, "predict", stumble)

    def make_a_step(self, job: Job) -> None:
        """It goes on from here."""
        self.release()

    def lose_idle(self) -> None:
        """Make the next piece of upkeep find the same."""
        self._dead_device = True
        self._gate.set()

    def lose(self) -> None:
        """Make the next U-Net call find a device that answers no more."""
        self._dead_device = True
        self._gate.set()

    def build_engine(self) -> DiffusionEngine:
        model = load_tiny("epsilon")
        predict = model.predict_noise

        def gated(*inputs: Any, eager: bool = False) -> torch.Tensor:
            if not eager:  # as upkeep is when it measures
                self._gate.wait(30)
                if self._dead_device:
                    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
            return predict(*inputs, eager=eager)

        model.predict_noise = gated  # type: ignore[method-assign]
        engine = DiffusionEngine(model)
        upkeep = engine.idle

        def idle() -> bool:
            if self._dead_device:
                raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")
            return upkeep()

        engine.idle = idle  # type: ignore[method-assign]
        return engine


Bench = FakeBench | LocalBench | PipeBench


BENCHES = {"fake": FakeBench, "local": LocalBench, "pipe": PipeBench, "pipe-killed": KilledPipeBench}


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench: Bench = request.param()
    await bench.worker.start()
    yield bench
    bench.release()
    await bench.close()


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def started_bench(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bench, list[frozenset[JobId]]]]:
    """A bench, and what its worker says about whom it works for."""
    bench: Bench = request.param()
    said: list[frozenset[JobId]] = []
    await bench.worker.start(said.append)
    yield bench, said
    bench.release()
    await bench.close()


@pytest.fixture(params=BENCHES.values(), ids=BENCHES)
async def idle_bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A bench whose worker has nothing to draw, and looks after its device all the time."""
    for pause in ("UPKEEP_PAUSE", "UPKEEP_REST"):
        monkeypatch.setattr(f"generation.workers.local.{pause}", 0.001)
    bench: Bench = request.param()
    await bench.worker.start()
    yield bench
    await bench.close()


def unlucky_job(**wishes: Any) -> Job:
    return make_job(seed=13, **wishes)


async def test_a_job_is_drawn_from_start_to_end(bench: Bench) -> None:
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


async def test_a_job_of_four_is_drawn_where_two_fit(bench: Bench) -> None:
    job = make_job(count=4)
    assert bench.worker.room(job.request) == ROOM
    stream = bench.worker.draw(job)
    assert bench.worker.room(make_job().request) == 0
    bench.release()
    events = await follow(stream)
    assert sorted(e.image.index for e in events if isinstance(e, ImageReady)) == [0, 1, 2, 3]


async def test_room_is_never_more_than_asked_for(bench: Bench) -> None:
    assert bench.worker.room(make_job(count=1).request) == 1


async def test_a_job_can_be_cancelled_before_anything_was_read(bench: Bench) -> None:
    job = make_job()
    stream = bench.worker.draw(job)
    await bench.worker.cancel(job.id)
    if isinstance(bench, LocalBench):
        bench.release()
    assert isinstance((await follow(stream))[-1], JobCancelled)


async def test_a_job_can_be_cancelled_while_it_runs(bench: Bench) -> None:
    job, other = make_job(steps=100, count=2), make_job()
    stream = bench.worker.draw(job)
    bench.make_a_step(job)
    async with aclosing(stream):
        assert await anext(stream) == RowsChanged(job_id=job.id, has_rows=True)
        assert isinstance(await anext(stream), StepDone)
        await bench.worker.cancel(job.id)
        rest = [event async for event in stream]
    assert isinstance(rest[-1], JobCancelled)
    bench.release()
    assert isinstance((await follow(bench.worker.draw(other)))[-1], JobDone)


async def test_cancelling_a_job_after_its_end_changes_nothing(bench: Bench) -> None:
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
async def test_an_error_stays_with_its_job(bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    getattr(bench, kind)(monkeypatch)
    bad, good = unlucky_job(), make_job(seed=1)
    streams = bench.worker.draw(bad), bench.worker.draw(good)
    bench.release()
    bad_events, good_events = await asyncio.gather(*map(follow, streams))
    assert isinstance(bad_events[-1], JobFailed)
    assert isinstance(bad_events[-1].error, WorkerFault)
    assert bad_events[-1].error.reference
    assert isinstance(good_events[-1], JobDone)


async def test_it_says_for_whom_it_works_before_it_does(started_bench: tuple[Bench, list[frozenset[JobId]]]) -> None:
    bench, said = started_bench
    job = make_job()
    stream = bench.worker.draw(job)
    async with aclosing(stream):
        assert await anext(stream) == RowsChanged(job_id=job.id, has_rows=True)
        assert said == [frozenset({job.id})], "no step is made yet"
        bench.release()
        events = [event async for event in stream]
    assert isinstance(events[-1], JobDone)
    await bench.worker.close()
    assert said[-1] == frozenset()


async def test_a_lost_worker_takes_back_nothing_it_said(started_bench: tuple[Bench, list[frozenset[JobId]]]) -> None:
    bench, said = started_bench
    job = make_job()
    stream = bench.worker.draw(job)
    async with aclosing(stream):
        await anext(stream)
        bench.lose()
        events = [event async for event in stream]
    assert isinstance(events[-1], JobFailed)
    await bench.worker.close()
    assert said == [frozenset({job.id})]


async def test_it_says_how_many_images_it_draws_at_a_time(bench: Bench) -> None:
    assert bench.worker.places >= 1
    streams = [bench.worker.draw(make_job()) for _ in range(ROOM)]
    bench.release()
    for stream in streams:
        await follow(stream)
    assert bench.worker.places == ROOM


async def test_close_cancels_what_runs_and_may_be_called_twice(bench: Bench) -> None:
    streams = [bench.worker.draw(make_job(steps=100)) for _ in range(2)]
    following = [asyncio.create_task(follow(stream)) for stream in streams]
    if isinstance(bench, LocalBench):
        bench.release()
    await bench.worker.close()
    await bench.worker.close()
    for events in await asyncio.gather(*following):
        assert isinstance(events[-1], JobCancelled)
    assert bench.worker.room(make_job().request) == 0


async def test_a_worker_that_is_lost_tells_everybody_and_takes_no_more(bench: Bench) -> None:
    streams = [bench.worker.draw(make_job(steps=100)) for _ in range(2)]
    following = [asyncio.create_task(follow(stream)) for stream in streams]
    bench.lose()
    for events in await asyncio.gather(*following):
        assert isinstance(events[-1], JobFailed)
        assert isinstance(events[-1].error, WorkerLost)
    assert bench.worker.room(make_job().request) == 0
    assert isinstance(await bench.worker.lost(), WorkerLost)
    await bench.worker.close()


async def test_a_worker_that_is_lost_with_nothing_to_draw_says_so(idle_bench: Bench) -> None:
    idle_bench.lose_idle()
    assert isinstance(await idle_bench.worker.lost(), WorkerLost)
    assert idle_bench.worker.room(make_job().request) == 0
    events = await follow(idle_bench.worker.draw(make_job()))
    assert isinstance(events[-1], JobFailed)
    assert isinstance(events[-1].error, WorkerLost)
    await idle_bench.worker.close()


class ShelfBench(LocalBench):
    """A LocalWorker with a shelf that has a place for one model, under test."""

    def __init__(self) -> None:
        super().__init__()
        loaded: set[str] = set()
        specs = [ModelSpec(name=name, source=name) for name in ("tiny", "other")]

        def build() -> ModelShelf:
            return ModelShelf(specs, lambda spec: self.build_engine(), memory=1, loaded=loaded)

        self.worker = LocalWorker(build, memory=MEMORY, loaded=loaded)


@pytest.fixture(params=["fake", "local", "pipe"])
async def shelf_bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "fake":
        bench: Bench = FakeBench()
        bench.worker = FakeWorker(ROOM, hold=True, loaded="tiny")
    elif request.param == "pipe":
        bench = PipeBench(loaded="tiny")
    else:
        bench = ShelfBench()
    await bench.worker.start()
    yield bench
    bench.release()
    await bench.close()


async def test_another_model_is_loaded_when_nothing_is_drawn(shelf_bench: Bench) -> None:
    worker, job, other = shelf_bench.worker, make_job(), make_job(model="other")
    assert worker.room(other.request) == 1
    stream = worker.draw(job)
    assert worker.room(make_job().request) == 1
    assert worker.room(other.request) == 0
    shelf_bench.release()
    assert isinstance((await follow(stream))[-1], JobDone)
    assert worker.room(other.request) == 1
    events = await follow(worker.draw(other))
    assert isinstance(events[0], ModelLoading)
    assert isinstance(events[-1], JobDone)
    assert worker.room(make_job().request) == 1, "and back again"
    assert isinstance((await follow(worker.draw(make_job())))[-1], JobDone)
