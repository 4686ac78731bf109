"""A worker in a child process: what the pipes, the process and the two versions of the code can do to it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.errors import DoesNotFit, InputGone, ModelUnavailable, ShuttingDown, WorkerFault, WorkerLost
from generation.events import ImageReady, JobDone, JobFailed, RowsChanged
from generation.job import Job, JobInputs
from generation.workers.child import local_worker
from generation.workers.messages import Make
from generation.workers.pipe_link import PipeLink
from generation.workers.remote import RemoteWorker
from tests.generation.diffusion.conftest import make_job
from tests.generation.workers.far_end import FarEnd
from tests.generation.workers.streams import follow

SILENCE = 2.0  #: seconds
SPEC = inspect_model(BUILTIN)
BUILTIN_ON_CPU = local_worker([SPEC], cache=None, device="cpu")


@pytest.fixture
async def far() -> AsyncIterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()


@pytest.fixture
async def worker(far: FarEnd) -> AsyncIterator[RemoteWorker]:
    """A FakeWorker in a child."""
    worker = RemoteWorker(PipeLink("child"), far.make, name="child", heartbeat=0.1, silence=SILENCE)
    await worker.start()
    yield worker
    await worker.close()


def drawn_with_inputs(inputs: JobInputs, **wishes: object) -> Job:
    job = make_job(source="0" * 64, strength=0.5, **wishes)
    return replace(job, inputs=lambda: inputs)


async def test_a_model_that_a_child_cannot_load_is_raised_by_start(tmp_path: Path) -> None:
    for source, device, reason in (
        (str(tmp_path / "none"), "cpu", "no_such_source"),
        (BUILTIN, "cuda:77", "device_absent"),
    ):
        models = local_worker([replace(SPEC, source=source)], cache=None, device=device)
        child = RemoteWorker(PipeLink("child"), models, name="child")
        with pytest.raises(ModelUnavailable) as raised:
            await child.start()
        assert raised.value.reason in (reason, "device_not_built")
        await child.close()


async def test_a_child_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, far: FarEnd) -> None:
    """The code was updated while this process ran."""
    monkeypatch.setattr("generation.workers.remote.versions", lambda: ("Python 3", "code of yesterday"))
    child = RemoteWorker(PipeLink("child"), far.make, name="child")
    with pytest.raises(ModelUnavailable, match="other_version"):
        await child.start()
    await child.close()


async def test_a_process_that_ends_while_it_starts_is_lost() -> None:
    child = RemoteWorker(
        PipeLink("child"), Make(function="tests.generation.workers.far_end:no_such_maker"), name="child"
    )
    with pytest.raises(WorkerLost, match="ended with 1"):
        await child.start()
    await child.close()


async def test_closing_does_not_wait_for_a_child_that_starts(far: FarEnd) -> None:
    child = RemoteWorker(PipeLink("child"), BUILTIN_ON_CPU, name="child")
    starting = asyncio.create_task(child.start())
    await asyncio.sleep(0)
    await child.close()
    with pytest.raises(ShuttingDown):
        await starting


async def test_a_process_that_is_killed_has_died_of_its_jobs(far: FarEnd, worker: RemoteWorker) -> None:
    stream = worker.draw(make_job())
    async with aclosing(stream):
        assert isinstance(await anext(stream), RowsChanged)
        far.kill()
        last = [event async for event in stream][-1]
    assert isinstance(last, JobFailed)
    assert isinstance(last.error, WorkerLost)
    assert last.error.died
    assert "-9" in last.error.detail


async def test_a_process_that_stands_still_is_lost_and_ended_and_no_job_is_blamed(
    far: FarEnd, worker: RemoteWorker
) -> None:
    stream = worker.draw(make_job())
    far.stop()
    last = (await follow(stream))[-1]
    assert isinstance(last, JobFailed)
    assert isinstance(last.error, WorkerLost)
    assert not last.error.died
    assert "nothing was heard" in last.error.detail
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(far.pid, 0)


async def test_a_child_that_has_nothing_to_do_is_heard_of(far: FarEnd, worker: RemoteWorker) -> None:
    lost = asyncio.create_task(worker.lost())
    await asyncio.wait({lost}, timeout=1.25 * SILENCE)
    assert not lost.done()
    lost.cancel()


async def test_the_signals_of_a_service_manager_do_not_end_a_child(far: FarEnd, worker: RemoteWorker) -> None:
    """They go to all processes of a service. What is drawn shall be finished."""
    stream = worker.draw(make_job())
    async with aclosing(stream):
        await anext(stream)
        far.signal(signal.SIGTERM)
        far.signal(signal.SIGINT)
        far.ask("release")
        assert isinstance([event async for event in stream][-1], JobDone)


async def test_pictures_of_40_mb_come_over_whole(far: FarEnd, worker: RemoteWorker) -> None:
    far.ask("large", str(40_000_000))
    job = drawn_with_inputs(JobInputs(source=bytes(30_000_000)))
    events = await follow(worker.draw(job))
    (image,) = [event.image for event in events if isinstance(event, ImageReady)]
    assert len(image.png) == 40_000_000
    assert image.png[-1] == 1
    assert isinstance(events[-1], JobDone)


async def test_a_job_that_does_not_fit_into_a_childs_memory_fails_alone(far: FarEnd, worker: RemoteWorker) -> None:
    far.ask("no_memory")
    far.ask("release")
    failed, drawn = await follow(worker.draw(make_job())), await follow(worker.draw(make_job()))
    assert isinstance(failed[-1], JobFailed)
    assert isinstance(failed[-1].error, DoesNotFit)
    assert (failed[-1].error.width, failed[-1].error.height) == (32, 32)
    assert isinstance(drawn[-1], JobDone)


async def test_a_job_whose_pictures_cannot_be_read_fails_alone(worker: RemoteWorker, far: FarEnd) -> None:
    def broken() -> JobInputs:
        raise OSError("a broken disk")

    far.ask("release")
    gone = await follow(worker.draw(drawn_with_inputs(JobInputs())))
    assert isinstance(gone[-1], JobFailed)
    assert isinstance(gone[-1].error, InputGone)
    failed = await follow(worker.draw(replace(drawn_with_inputs(JobInputs()), inputs=broken)))
    assert isinstance(failed[-1], JobFailed)
    assert isinstance(failed[-1].error, WorkerFault)
    drawn = await follow(worker.draw(make_job()))
    assert isinstance(drawn[-1], JobDone)
