"""The dispatcher: every job goes from submit to exactly one end."""

import asyncio
import uuid

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import (
    BrokenImage,
    Cancelled,
    KnownError,
    ModelUnavailable,
    Postponed,
    QueueFull,
    ShuttingDown,
    WorkerFault,
)
from generation.job import Job, JobStatus
from generation.journal import MemoryJournal
from generation.queue import PASSING
from generation.result import GenerationResult
from generation.workers.base import Drawing, told_nobody
from generation.workers.fake import FakeWorker
from generation.workers.stream import EventStream
from tests.generation.dispatching import SlowToStop, error_of, job, running_dispatcher, soon


async def test_a_job_is_drawn_and_written_down() -> None:
    journal = MemoryJournal()
    dispatcher = await running_dispatcher(FakeWorker(), journal)
    one = job(count=2)
    rendered = await dispatcher.submit(one).result()
    assert rendered.job_id == one.id
    assert len(rendered.images) == 2
    assert journal.history == [(one.id, JobStatus.STARTED), (one.id, JobStatus.RENDERED)]
    assert [image.index for image in journal.results[one.id].images] == [0, 1]
    assert dispatcher.ticket(one.id) is None
    await dispatcher.close()


async def test_jobs_wait_for_room_in_the_queues_order() -> None:
    worker = FakeWorker(room=1, hold=True)
    dispatcher = await running_dispatcher(worker)
    first, second, third = job("a"), job("a"), job("b")
    tickets = [dispatcher.submit(one) for one in (first, second, third)]
    assert [ticket.progress.place for ticket in tickets] == [None, 2, 1]
    assert [one.id for one in dispatcher.waiting()] == [third.id, second.id]
    worker.release()
    await asyncio.gather(*(ticket.result() for ticket in tickets))
    assert [one.id for one in worker.drawn] == [first.id, third.id, second.id]
    await dispatcher.close()


async def test_a_ticket_shows_the_newest_progress() -> None:
    worker = FakeWorker(hold=True)
    dispatcher = await running_dispatcher(worker)
    ticket = dispatcher.submit(job())
    worker.steps(ticket.job.id, 3)
    await soon()
    worker.steps(ticket.job.id, 4)
    worker.steps(ticket.job.id, 7)
    await soon()
    assert (ticket.progress.step, ticket.progress.steps) == (7, 10)
    assert ticket.progress.preview
    assert not ticket.done
    await dispatcher.close()


async def test_jobs_can_be_cancelled_while_waiting_and_while_running() -> None:
    journal = MemoryJournal()
    dispatcher = await running_dispatcher(FakeWorker(room=1, hold=True), journal)
    running, waiting, other = (dispatcher.submit(job()) for _ in range(3))
    await soon()
    assert await dispatcher.cancel(waiting.job.id)
    assert isinstance(await error_of(waiting), Cancelled)
    assert await dispatcher.cancel(running.job.id)
    assert isinstance(await error_of(running), Cancelled)
    await soon()
    assert [one.id for one in dispatcher.running()] == [other.job.id], "the room went to the next one"
    assert not await dispatcher.cancel(running.job.id)
    assert not await dispatcher.cancel(uuid.uuid4())
    assert (waiting.job.id, JobStatus.CANCELLED) in journal.history
    assert (running.job.id, JobStatus.CANCELLED) in journal.history
    await dispatcher.close()


async def test_a_failed_job_says_why_and_frees_its_room() -> None:
    worker, journal = FakeWorker(room=1), MemoryJournal()
    worker.fail_next(BrokenImage())
    dispatcher = await running_dispatcher(worker, journal)
    bad, good = dispatcher.submit(job()), dispatcher.submit(job())
    assert isinstance(await error_of(bad), BrokenImage)
    assert (await good.result()).job_id == good.job.id
    assert (bad.job.id, JobStatus.FAILED) in journal.history
    await dispatcher.close()


async def test_a_dispatcher_whose_queue_is_full_refuses_jobs() -> None:
    dispatcher = await running_dispatcher(FakeWorker(room=1, hold=True), capacity=2)
    for _ in range(3):
        dispatcher.submit(job())
    with pytest.raises(QueueFull):
        dispatcher.check_room()
    with pytest.raises(QueueFull):
        dispatcher.submit(job())
    await dispatcher.close()


async def test_close_puts_every_job_back_and_may_be_called_twice() -> None:
    journal = MemoryJournal()
    dispatcher = await running_dispatcher(FakeWorker(room=1, hold=True), journal)
    tickets = [dispatcher.submit(job()) for _ in range(3)]
    await soon()
    await asyncio.gather(dispatcher.close(), dispatcher.close())
    for ticket in tickets:
        assert isinstance(await error_of(ticket), Postponed)
        assert journal.history.count((ticket.job.id, JobStatus.ACCEPTED)) == 1
    assert {status for _, status in journal.history} == {JobStatus.STARTED, JobStatus.ACCEPTED}, "nobody's end"
    with pytest.raises(ShuttingDown):
        dispatcher.submit(job())
    with pytest.raises(ShuttingDown):
        dispatcher.restore(job())


async def test_a_cancelled_job_is_not_put_back() -> None:
    journal = MemoryJournal()
    dispatcher = await running_dispatcher(SlowToStop(hold=True), journal)
    unwanted, wanted = dispatcher.submit(job()), dispatcher.submit(job())
    await soon()
    assert await dispatcher.cancel(unwanted.job.id)
    await dispatcher.close()
    assert isinstance(await error_of(unwanted), Cancelled)
    assert isinstance(await error_of(wanted), Postponed)
    assert journal.history[-2:] == [(unwanted.job.id, JobStatus.CANCELLED), (wanted.job.id, JobStatus.ACCEPTED)]


class NoWayBack(MemoryJournal):
    async def put_back(self, job: Job, device_seconds: float) -> None:
        raise OSError("database is locked")


async def test_closing_goes_on_when_a_job_cannot_be_put_back(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = await running_dispatcher(FakeWorker(room=1, hold=True), NoWayBack())
    tickets = [dispatcher.submit(job()) for _ in range(2)]
    await soon()
    await dispatcher.close()
    for ticket in tickets:
        assert isinstance(await error_of(ticket), Postponed)
    assert caplog.text.count("could not be put back") == 2


async def test_drain_lets_what_runs_finish() -> None:
    worker, journal = FakeWorker(room=1, hold=True), MemoryJournal()
    dispatcher = await running_dispatcher(worker, journal)
    running, waiting = dispatcher.submit(job()), dispatcher.submit(job())
    await soon()
    draining = asyncio.create_task(dispatcher.drain(60.0))
    await soon()
    assert not draining.done()
    with pytest.raises(ShuttingDown):
        dispatcher.submit(job())
    worker.release()
    await draining
    assert (await running.result()).job_id == running.job.id
    assert [one.id for one in worker.drawn] == [running.job.id], "nothing more was handed out"
    await dispatcher.close()
    assert isinstance(await error_of(waiting), Postponed)


async def test_drain_stops_waiting_when_its_time_is_over() -> None:
    dispatcher = await running_dispatcher(FakeWorker(hold=True))
    ticket = dispatcher.submit(job())
    await soon()
    await dispatcher.drain(0.01)
    assert not ticket.done
    await dispatcher.close()
    assert isinstance(await error_of(ticket), Postponed)


async def test_restored_jobs_enter_a_full_queue_in_their_order() -> None:
    worker = FakeWorker(hold=True)
    dispatcher = Dispatcher([worker], MemoryJournal(), capacity=2)
    restored = [dispatcher.restore(job("a")) for _ in range(4)]
    assert [ticket.progress.place for ticket in restored] == [1, 2, 3, 4]
    with pytest.raises(QueueFull):
        dispatcher.submit(job())
    await dispatcher.start()
    await dispatcher.ready()
    assert [one.id for one in worker.drawn] == [ticket.job.id for ticket in restored]
    await dispatcher.close()


async def test_jobs_submitted_before_a_worker_is_ready_wait() -> None:
    class Slow(FakeWorker):
        loaded = asyncio.Event()

        async def start(self, drawing: Drawing = told_nobody) -> None:
            await self.loaded.wait()

    worker = Slow()
    dispatcher = Dispatcher([worker], MemoryJournal())
    await dispatcher.start()
    ticket = dispatcher.submit(job())
    await soon()
    assert ticket.progress.place == 1
    worker.loaded.set()
    await ticket.result()
    await dispatcher.close()


async def test_a_worker_that_never_starts_is_told_by_ready() -> None:
    class Broken(FakeWorker):
        async def start(self, drawing: Drawing = told_nobody) -> None:
            raise ModelUnavailable("m", detail="no file")

    dispatcher = Dispatcher([Broken()], MemoryJournal())
    await dispatcher.start()
    with pytest.raises(ModelUnavailable):
        await dispatcher.ready()
    await dispatcher.close()


class DiskFull(MemoryJournal):
    """A journal that cannot keep pictures the first time."""

    failed = False

    async def rendered(self, job: Job, result: GenerationResult) -> GenerationResult:
        if not self.failed:
            self.failed = True
            raise OSError("no space left on device")
        return await super().rendered(job, result)


async def test_pictures_that_could_not_be_kept_are_not_promised(caplog: pytest.LogCaptureFixture) -> None:
    journal = DiskFull()
    dispatcher = await running_dispatcher(FakeWorker(), journal)
    ticket = dispatcher.submit(job())
    error = await error_of(ticket)
    assert isinstance(error, WorkerFault)
    assert error.reference in caplog.text
    assert (ticket.job.id, JobStatus.FAILED) in journal.history
    await dispatcher.submit(job()).result()
    await dispatcher.close()


class Unwritable(MemoryJournal):
    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        raise OSError("database is locked")


async def test_a_ticket_ends_even_when_the_journal_fails() -> None:
    worker = FakeWorker(hold=True, room=1)
    dispatcher = await running_dispatcher(worker, Unwritable())
    tickets = [dispatcher.submit(job()) for _ in range(2)]
    await soon()
    for ticket in tickets:
        await dispatcher.cancel(ticket.job.id)
        assert isinstance(await error_of(ticket), Cancelled)
    await dispatcher.close()


async def test_a_picture_that_is_being_kept_cannot_be_cancelled_by_the_worker() -> None:
    """The worker is done with it: `cancel` returns False, and the caller may still mark the row."""

    class Slow(MemoryJournal):
        writing, go_on = asyncio.Event(), asyncio.Event()

        async def rendered(self, job: Job, result: GenerationResult) -> GenerationResult:
            self.writing.set()
            await self.go_on.wait()
            return await super().rendered(job, result)

    journal = Slow()
    dispatcher = await running_dispatcher(FakeWorker(), journal)
    ticket = dispatcher.submit(job())
    await journal.writing.wait()
    assert not await dispatcher.cancel(ticket.job.id)
    journal.go_on.set()
    await ticket.result()
    await dispatcher.close()


async def test_a_worker_that_stumbles_over_one_job_fails_that_job_only() -> None:
    class Clumsy(FakeWorker):
        def draw(self, job: Job) -> EventStream:
            if job.requester == "unlucky":
                raise ZeroDivisionError("a bug of ours")
            return super().draw(job)

    dispatcher = await running_dispatcher(Clumsy(room=1, hold=False))
    good, bad, better = (dispatcher.submit(job(who)) for who in ("a", "unlucky", "b"))
    await good.result()
    assert isinstance(await error_of(bad), WorkerFault)
    await better.result()
    assert dispatcher.running() == ()
    await dispatcher.close()


async def test_jobs_that_waited_for_a_worker_that_never_starts_wait_for_the_next_run() -> None:
    class Broken(FakeWorker):
        async def start(self, drawing: Drawing = told_nobody) -> None:
            raise ModelUnavailable("m", detail="no file")

    journal = MemoryJournal()
    dispatcher = Dispatcher([Broken()], journal)
    await dispatcher.start()
    ticket = dispatcher.submit(job())
    assert isinstance(await error_of(ticket), Postponed)
    assert journal.history == [(ticket.job.id, JobStatus.ACCEPTED)]
    with pytest.raises(ModelUnavailable):
        dispatcher.submit(job())
    await dispatcher.close()


async def test_jobs_of_the_loaded_model_go_before_one_that_needs_another_but_not_for_ever() -> None:
    worker = FakeWorker(room=2, hold=True, loaded="m")
    dispatcher = await running_dispatcher(worker)
    first, second = dispatcher.submit(job("a")), dispatcher.submit(job("b"))
    other = dispatcher.submit(job("c", model="n"))
    same = [dispatcher.submit(job(f"d{number}")) for number in range(20)]
    assert other.progress.place == 1
    line = [first, second, *same]
    for ticket in line[: 2 + int(PASSING)]:
        assert other.progress.place == 1
        worker.release(ticket.job.id)
        await ticket.result()
        await soon()
    assert [one.request.model for one in worker.drawn] == ["m"] * (2 + int(PASSING)) + ["n"]
    assert other.progress.place is None
    assert other.progress.loading
    assert not same[-1].progress.loading, "its own model waits for nothing but its turn"
    await dispatcher.close()


async def test_tickets_say_that_their_model_is_being_loaded() -> None:
    worker = FakeWorker(room=1, hold=True, loaded="m")
    dispatcher = await running_dispatcher(worker)
    first, second, third = (dispatcher.submit(job(who, model="n")) for who in "abc")
    await soon()
    assert [ticket.progress.place for ticket in (first, second, third)] == [None, 1, 2]
    assert all(ticket.progress.loading for ticket in (first, second, third))
    worker.steps(first.job.id, 1)
    await soon()
    assert not any(ticket.progress.loading for ticket in (first, second, third))
    await dispatcher.close()


async def test_a_suspect_passes_nobody_and_is_not_passed() -> None:
    """A job that is to be drawn alone waits for its turn, and all jobs behind it wait too."""
    worker = FakeWorker(room=8, hold=True, loaded="m")
    dispatcher = await running_dispatcher(worker)
    running = dispatcher.submit(job("a"))
    dispatcher.restore(job("b", model="n"))
    suspect = dispatcher.restore(job("c"), alone=True)
    dispatcher.submit(job("d"))
    await soon()
    assert [one.requester for one in dispatcher.running()] == ["a"]
    worker.release(running.job.id)
    await running.result()
    await soon()
    assert [one.requester for one in dispatcher.running()] == ["b"]
    worker.release(dispatcher.running()[0].id)
    await soon()
    assert [one.requester for one in dispatcher.running()] == ["c"]
    worker.release(suspect.job.id)
    await suspect.result()
    await soon()
    assert [one.requester for one in dispatcher.running()] == ["d"]
    await dispatcher.close()


async def test_a_job_that_was_cancelled_while_its_last_step_was_made_ends_as_cancelled() -> None:
    worker, journal = FakeWorker(hold=True), MemoryJournal()
    dispatcher = Dispatcher([worker], journal)
    await dispatcher.start()
    await dispatcher.ready()
    ticket = dispatcher.submit(job("a"))
    await asyncio.sleep(0)
    worker.release(ticket.job.id)
    assert await dispatcher.cancel(ticket.job.id, by="b")
    with pytest.raises(Cancelled) as ended:
        await ticket.result()
    assert ended.value.by == "b"
    assert journal.results == {}
    await dispatcher.close()
