"""The dispatcher: every job goes from submit to exactly one end."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

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
    WorkerLost,
)
from generation.estimates import Estimates
from generation.fleet import AHEAD, LEAST_AHEAD
from generation.job import Job, JobId, JobStatus
from generation.journal import Journal, MemoryJournal
from generation.queue import PASSING
from generation.request import GenerationRequest, SchedulerName
from generation.result import GenerationResult
from generation.ticket import JobTicket
from generation.workers.base import Drawing, told_nobody
from generation.workers.fake import FakeWorker
from generation.workers.stream import EventStream


def job(requester: str = "ada", **wishes: Any) -> Job:
    settings: dict[str, Any] = {
        "prompt": "x",
        "model": "m",
        "width": 64,
        "height": 64,
        "steps": 10,
        "guidance_scale": 1.0,
        "scheduler": SchedulerName.DDIM,
        "seed": 1,
    }
    return Job(id=uuid.uuid4(), request=GenerationRequest(**settings | wishes), requester=requester)


async def running_dispatcher(worker: FakeWorker, journal: Journal | None = None, *, capacity: int = 1000) -> Dispatcher:
    dispatcher = Dispatcher([worker], journal or MemoryJournal(), capacity=capacity)
    await dispatcher.start()
    await dispatcher.ready()
    return dispatcher


async def error_of(ticket: JobTicket) -> KnownError:
    with pytest.raises(KnownError) as raised:
        await ticket.result()
    return raised.value


async def soon() -> None:
    """Let every task that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)


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


class SlowToStop(FakeWorker):
    """Notices that a job was cancelled only when it is closed, as if in the middle of a long step."""

    closing = False

    async def cancel(self, job_id: JobId) -> None:
        if self.closing:
            await super().cancel(job_id)

    async def close(self) -> None:
        self.closing = True
        await super().close()


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


async def drawn_in_turn(workers: Sequence[FakeWorker], names: str, order: str) -> list[str]:
    """Who is drawn, at first and each time when another of them is done; those with capitals are suspects."""
    dispatcher = Dispatcher(workers, MemoryJournal())
    tickets = {name: dispatcher.restore(job(name), alone=name.isupper()) for name in names}

    def running() -> str:
        return " ".join(
            "".join(one.requester for one in worker.drawn if not tickets[one.requester].done) for worker in workers
        )

    await dispatcher.start()
    await dispatcher.ready()
    seen = [running()]
    for name in order:
        for worker in workers:
            if tickets[name].job in worker.drawn:
                worker.release(tickets[name].job.id)
        await tickets[name].result()
        await soon()
        seen.append(running())
    await dispatcher.close()
    return seen


async def test_a_job_that_was_in_a_crash_is_drawn_alone_and_keeps_its_place() -> None:
    seen = await drawn_in_turn([FakeWorker(hold=True)], "abCDef", "abCDe")
    assert seen == ["ab", "b", "C", "D", "ef", "f"]


async def test_a_job_that_was_in_a_crash_is_drawn_alone_on_its_worker_while_the_others_go_on() -> None:
    """One worker at a time is kept for such jobs, of two; the other one is for everybody else."""
    seen = await drawn_in_turn([FakeWorker(2, hold=True), FakeWorker(2, hold=True)], "abCDefghij", "abfgCDeh")
    assert seen == ["ab C", "be C", "ef C", "eg C", "eh C", "eh D", "eh ij", "h ij", " ij"]


async def test_a_lost_worker_ends_nobodys_job() -> None:
    """Rows stay as they are, so that the next run knows which jobs were in the crash; waiting jobs are put back."""
    worker, journal = FakeWorker(room=2, hold=True), MemoryJournal()
    dispatcher = await running_dispatcher(worker, journal)
    tickets = [dispatcher.submit(job()) for _ in range(3)]
    await soon()
    lost = asyncio.create_task(dispatcher.lost())
    await soon()
    assert not lost.done()
    worker.lose()
    with pytest.raises(WorkerLost):
        await lost
    await soon()
    for ticket in tickets[:2]:
        assert isinstance(await error_of(ticket), Postponed)
    assert not tickets[2].done
    await dispatcher.close()
    assert isinstance(await error_of(tickets[2]), Postponed)
    assert journal.history == [
        (tickets[0].job.id, JobStatus.STARTED),
        (tickets[1].job.id, JobStatus.STARTED),
        (tickets[2].job.id, JobStatus.ACCEPTED),
    ]
    with pytest.raises(WorkerLost):
        await dispatcher.lost()


async def test_a_job_that_was_cancelled_and_then_lost_is_cancelled() -> None:
    worker, journal = SlowToStop(hold=True), MemoryJournal()
    dispatcher = await running_dispatcher(worker, journal)
    ticket = dispatcher.submit(job())
    await soon()
    await dispatcher.cancel(ticket.job.id)
    worker.lose()
    assert isinstance(await error_of(ticket), Cancelled)
    assert journal.history[-1] == (ticket.job.id, JobStatus.CANCELLED)
    await dispatcher.close()


async def test_the_other_workers_go_on_when_one_is_lost() -> None:
    bad, good = FakeWorker(room=1, hold=True), FakeWorker(room=1)
    dispatcher = Dispatcher([bad, good], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()
    unlucky = dispatcher.submit(job())
    bad.lose()
    assert isinstance(await error_of(unlucky), Postponed)
    for _ in range(3):
        await dispatcher.submit(job()).result()
    assert len(good.drawn) == 3
    await dispatcher.close()


class FarWorker(FakeWorker):
    """One in another process: this one does not die with it."""

    def __init__(self, room: int = 8, *, hold: bool = True) -> None:
        super().__init__(room, hold=hold)
        self.in_this_process = False


class TestLosingAWorkerElsewhere:
    """The process goes on, and so does every job that was not twice in such a death."""

    async def with_workers(self, *workers: FarWorker) -> tuple[Dispatcher, MemoryJournal]:
        journal = MemoryJournal()
        dispatcher = Dispatcher([], journal)
        await dispatcher.start()
        for worker in workers:
            await dispatcher.add(worker)
        return dispatcher, journal

    async def test_its_jobs_keep_their_place_and_those_it_was_drawing_are_drawn_once_more_alone(self) -> None:
        first, second = FarWorker(), FarWorker()
        dispatcher, journal = await self.with_workers(first)
        drawn = [dispatcher.submit(job(who)) for who in "ab"]
        await soon()
        first.stands = True
        standing = dispatcher.submit(job("c"))
        await soon()
        first.steps(drawn[0].job.id, 3)
        await soon()
        first.lose()
        await soon()
        assert dict(journal.crashes) == {ticket.job.id: 1 for ticket in drawn}
        assert [one.requester for one in dispatcher.waiting()] == ["a", "b", "c"]
        assert [ticket.progress.place for ticket in (*drawn, standing)] == [1, 2, 3]
        assert (drawn[0].progress.step, drawn[0].progress.loading) == (0, True), "nothing of it is done any more"
        await dispatcher.add(second)
        assert [one.requester for one in second.drawn] == ["a"]
        second.release(drawn[0].job.id)
        await drawn[0].result()
        await soon()
        assert [one.requester for one in second.drawn] == ["a", "b"]
        second.release(drawn[1].job.id)
        await drawn[1].result()
        await soon()
        second.release(standing.job.id)
        await standing.result()
        assert [status for job_id, status in journal.history if job_id == drawn[0].job.id] == [
            JobStatus.STARTED,
            JobStatus.ACCEPTED,
            JobStatus.STARTED,
            JobStatus.RENDERED,
        ]
        await dispatcher.close()

    async def test_a_job_that_takes_two_workers_down_is_set_aside_and_its_neighbours_are_drawn(self) -> None:
        workers = [FarWorker() for _ in range(3)]
        dispatcher, journal = await self.with_workers(workers[0])
        poisoned, *neighbours = [dispatcher.submit(job(who)) for who in "pabc"]
        await soon()
        workers[0].lose()
        await soon()
        await dispatcher.add(workers[1])
        assert workers[1].drawn == [poisoned.job]
        await soon()
        workers[1].lose()
        assert isinstance(await error_of(poisoned), WorkerLost)
        workers[2].release()
        await dispatcher.add(workers[2])
        for ticket in neighbours:
            await ticket.result()
        assert sorted(journal.crashes.values()) == [1, 1, 1, 2]
        assert [status for _, status in journal.history].count(JobStatus.RENDERED) == 3
        await dispatcher.close()

    async def test_no_job_is_blamed_for_a_worker_that_is_only_not_heard_of(self) -> None:
        first, second = FarWorker(), FarWorker()
        dispatcher, journal = await self.with_workers(first)
        tickets = [dispatcher.submit(job(who)) for who in "ab"]
        await soon()
        first.lose(died=False)
        await soon()
        await dispatcher.add(second)
        assert [one.requester for one in second.drawn] == ["a", "b"], "side by side, as before"
        assert not journal.crashes
        second.release()
        for ticket in tickets:
            await ticket.result()
        await dispatcher.close()

    async def test_the_others_go_on_and_the_process_is_not_told_to_end(self) -> None:
        bad, good = FarWorker(room=1), FarWorker(room=1, hold=False)
        dispatcher, _ = await self.with_workers(bad, good)
        lost = asyncio.create_task(dispatcher.lost())
        unlucky = dispatcher.submit(job("a"))
        await soon()
        assert len(bad.drawn) == 1
        bad.lose()
        for _ in range(3):
            await dispatcher.submit(job("b")).result()
        await unlucky.result()
        assert len(good.drawn) == 4
        assert not lost.done()
        lost.cancel()
        await dispatcher.close()

    async def test_the_first_of_several_that_comes_does_not_take_the_whole_line(self) -> None:
        class Roomy(FarWorker):
            may_start = asyncio.Event()

            async def start(self, drawing: Drawing = told_nobody) -> None:
                await self.may_start.wait()
                await super().start(drawing)

            def room(self, request: GenerationRequest) -> int:
                return request.count

        dispatcher, _ = await self.with_workers()
        for number in range(40):
            dispatcher.submit(job(str(number)))
        first, second = Roomy(4), Roomy(4)
        second.may_start = asyncio.Event()
        adding = [asyncio.create_task(dispatcher.add(worker)) for worker in (first, second)]
        await soon()
        first.may_start.set()
        await soon()
        second.may_start.set()
        await asyncio.gather(*adding)
        await soon()
        assert len(first.drawn) == len(second.drawn) == LEAST_AHEAD
        await dispatcher.close()

    async def test_a_job_that_is_cancelled_while_its_loss_is_written_down_is_not_drawn_again(self) -> None:
        class Slow(MemoryJournal):
            may_go = asyncio.Event()

            async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> Mapping[JobId, KnownError]:
                await self.may_go.wait()
                return await super().worker_lost(drawn, standing)

        journal, workers = Slow(), (FarWorker(), FarWorker())
        dispatcher = Dispatcher([], journal)
        await dispatcher.start()
        for worker in workers:
            await dispatcher.add(worker)
        ticket = dispatcher.submit(job())
        await soon()
        next(worker for worker in workers if worker.drawn).lose()
        await soon()
        assert await dispatcher.cancel(ticket.job.id, by="a")
        journal.may_go.set()
        assert isinstance(await error_of(ticket), Cancelled)
        assert sum(len(worker.drawn) for worker in workers) == 1
        await dispatcher.close()

    async def test_a_worker_that_is_lost_with_nothing_to_draw_gets_nothing_any_more(self) -> None:
        idle, other = FarWorker(hold=False), FarWorker(hold=False)
        dispatcher, journal = await self.with_workers(idle)
        idle.lose()
        await soon()
        ticket = dispatcher.submit(job())
        await soon()
        assert (ticket.progress.place, ticket.progress.loading) == (1, True)
        await dispatcher.add(other)
        await ticket.result()
        assert idle.drawn == []
        assert not journal.crashes
        await dispatcher.close()

    async def test_a_job_that_somebody_had_cancelled_is_not_drawn_again(self) -> None:
        class Deaf(FarWorker):
            async def cancel(self, job_id: JobId) -> None:
                """In the middle of a long step."""

        worker = Deaf()
        dispatcher, journal = await self.with_workers(worker)
        ticket = dispatcher.submit(job())
        await soon()
        await dispatcher.cancel(ticket.job.id)
        worker.lose()
        assert isinstance(await error_of(ticket), Cancelled)
        assert journal.history[-1] == (ticket.job.id, JobStatus.CANCELLED)
        await dispatcher.close()

    async def test_a_loss_that_cannot_be_written_down_loses_no_job(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(MemoryJournal):
            async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> dict[JobId, KnownError]:
                raise OSError("database is locked")

        first, second = FarWorker(), FarWorker()
        dispatcher = Dispatcher([], Broken())
        await dispatcher.start()
        await dispatcher.add(first)
        ticket = dispatcher.submit(job())
        await soon()
        first.lose()
        await soon()
        second.release()
        await dispatcher.add(second)
        await ticket.result()
        assert "could not be written down" in caplog.text
        await dispatcher.close()

    async def test_a_worker_that_is_taken_out_finishes_what_it_can_and_the_rest_is_drawn_by_others(self) -> None:
        leaving, staying = FarWorker(), FarWorker(hold=False)
        dispatcher, journal = await self.with_workers(leaving)
        quick, long = dispatcher.submit(job("a")), dispatcher.submit(job("b"))
        await soon()
        leaving.stands = True
        standing = dispatcher.submit(job("c"))
        await soon()
        removing = asyncio.create_task(dispatcher.remove(leaving, 0.01))
        await soon()
        leaving.release(quick.job.id)
        await removing
        assert quick.done
        assert not long.done
        await dispatcher.add(staying)
        await asyncio.gather(long.result(), standing.result())
        assert not journal.crashes
        assert [one.requester for one in staying.drawn] == ["b", "c"], "where they stood"
        await dispatcher.close()

    async def test_a_members_share_does_not_grow_with_the_number_of_workers_they_hit(self) -> None:
        """Ada has jobs on both workers before anybody else comes. From then on everybody has the same share of both."""
        workers = FarWorker(room=1), FarWorker(room=1)
        dispatcher, _ = await self.with_workers(*workers)
        adas = [dispatcher.submit(job("ada", steps=100)) for _ in range(20)]
        await soon()
        bobs = [dispatcher.submit(job("bob", steps=100)) for _ in range(6)]
        cleos = [dispatcher.submit(job("cleo", steps=100)) for _ in range(6)]
        ended: list[str] = []
        while not all(ticket.done for ticket in (*bobs, *cleos)):
            for worker in workers:
                for one in worker.drawn:
                    if dispatcher.ticket(one.id) is not None:
                        worker.release(one.id)
                        ended.append(one.requester)
                        break
                await soon()
        assert {who: ended[:18].count(who) for who in ("ada", "bob", "cleo")} == {"ada": 6, "bob": 6, "cleo": 6}
        assert sum(ticket.done for ticket in adas) < 10
        await dispatcher.close()

    async def test_a_worker_that_does_not_start_is_closed_and_told_of(self) -> None:
        class Broken(FarWorker):
            async def start(self, drawing: Drawing = told_nobody) -> None:
                raise WorkerLost(detail="its process ended with 1")

        dispatcher, _ = await self.with_workers()
        with pytest.raises(WorkerLost):
            await dispatcher.add(Broken())
        await dispatcher.close()
        with pytest.raises(ShuttingDown):
            await dispatcher.add(FarWorker())


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


class TestStanding:
    """A worker has the job, and no row of the device's calls is for it."""

    async def standing(self, journal: MemoryJournal | None = None) -> tuple[FakeWorker, Dispatcher]:
        worker = FakeWorker(room=8, hold=True)
        dispatcher = await running_dispatcher(worker, journal)
        worker.stands = True
        return worker, dispatcher

    async def test_a_job_has_started_when_it_had_its_first_row(self) -> None:
        journal = MemoryJournal()
        worker, dispatcher = await self.standing(journal)
        first, second = dispatcher.submit(job("a")), dispatcher.submit(job("b"))
        await soon()
        assert len(worker.drawn) == 2
        assert journal.history == []
        worker.give_rows(first.job.id)
        await soon()
        assert journal.history == [(first.job.id, JobStatus.STARTED)]
        worker.give_rows(first.job.id, has_rows=False)
        worker.give_rows(first.job.id)
        await soon()
        assert journal.history == [(first.job.id, JobStatus.STARTED)], "once is enough"
        await dispatcher.close()
        assert (second.job.id, JobStatus.ACCEPTED) in journal.history

    async def test_its_place_is_among_those_that_stand_or_wait(self) -> None:
        worker, dispatcher = await self.standing()
        long, other = dispatcher.submit(job("a", steps=100)), dispatcher.submit(job("b", width=128, steps=150))
        waiting = dispatcher.submit(job("c", steps=150, count=4))
        assert long.progress.place is None, "the first in line gets the next rows"
        worker.give_rows(long.job.id)
        await soon()
        assert [ticket.progress.place for ticket in (long, other, waiting)] == [None, 1, 2]
        assert dispatcher.running() == (long.job,)
        assert dispatcher.waiting() == (other.job, waiting.job)
        worker.steps(long.job.id, 10)
        await soon()
        hurried = dispatcher.submit(job("d", width=128))
        worker.give_rows(long.job.id, has_rows=False)
        worker.give_rows(hurried.job.id)
        await soon()
        assert [ticket.progress.place for ticket in (hurried, long, other, waiting)] == [None, 1, 2, 3]
        assert (long.progress.step, long.progress.steps) == (10, 100), "what it has is not forgotten"
        await dispatcher.close()

    async def test_the_workers_are_told_when_the_order_changes(self) -> None:
        worker = FakeWorker(room=4, hold=True)
        dispatcher = await running_dispatcher(worker)
        long = dispatcher.submit(job("a", steps=100))
        short = dispatcher.submit(job("b"))
        assert worker.order == (short.job.id, long.job.id)
        worker.release(short.job.id)
        await short.result()
        assert worker.order == (long.job.id,)
        await dispatcher.close()

    async def test_no_more_go_to_a_worker_than_it_can_soon_draw(self) -> None:
        """Those that could not be drawn for long would only take the memory of those who come later and go first."""
        worker = FakeWorker(room=1000, hold=True)
        dispatcher = await running_dispatcher(worker)
        for number in range(AHEAD):
            dispatcher.submit(job(str(number), count=2, steps=100))
        assert len(worker.drawn) == AHEAD / 2
        late = dispatcher.submit(job("late"))
        assert worker.drawn[-1] is late.job
        await dispatcher.close()

    async def test_a_drain_puts_back_at_once_what_stands_and_cannot_be_done_in_time(self) -> None:
        estimates, journal = Estimates(), MemoryJournal()
        estimates.learn(job(steps=7).request, 10.0)  # a second a step, and three for decoding
        worker = FakeWorker(room=4, hold=True)
        dispatcher = Dispatcher([worker], journal, estimates=estimates)
        await dispatcher.start()
        await dispatcher.ready()
        running = dispatcher.submit(job("a", steps=20))
        worker.stands = True
        short, long = dispatcher.submit(job("b", steps=7)), dispatcher.submit(job("c", steps=140))
        await soon()
        worker.give_rows(long.job.id)
        worker.give_rows(long.job.id, has_rows=False)
        await soon()
        draining = asyncio.create_task(dispatcher.drain(60.0))
        await soon()
        assert isinstance(await error_of(long), Postponed)
        assert journal.history[-1] == (long.job.id, JobStatus.ACCEPTED)
        assert not short.done
        worker.release()
        await draining
        assert running.done
        assert short.done
        await dispatcher.close()


async def test_the_journal_knows_for_whom_all_devices_work() -> None:
    journal = MemoryJournal()
    workers = FakeWorker(room=1, hold=True), FakeWorker(room=1, hold=True)
    dispatcher = Dispatcher(workers, journal)
    await dispatcher.start()
    await dispatcher.ready()
    first, second, waiting = (dispatcher.submit(job(who)) for who in "abc")
    assert journal.drawn_now == {first.job.id, second.job.id}, "before a step of them is made"
    await soon()
    workers[0].release(first.job.id)
    await first.result()
    await soon()
    assert journal.drawn_now == {second.job.id, waiting.job.id}
    await dispatcher.close()
    assert journal.drawn_now == frozenset(), "a stop in good order has no suspects"


async def test_a_lost_worker_leaves_its_suspects_behind() -> None:
    worker, journal = FakeWorker(room=2, hold=True), MemoryJournal()
    dispatcher = await running_dispatcher(worker, journal)
    drawn = dispatcher.submit(job("a"))
    worker.stands = True
    standing = dispatcher.submit(job("b"))
    await soon()
    worker.lose()
    for ticket in (drawn, standing):
        assert isinstance(await error_of(ticket), Postponed)
    await dispatcher.close()
    assert journal.drawn_now == {drawn.job.id}
