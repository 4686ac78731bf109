"""Workers that are lost, and what becomes of their jobs."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from generation.dispatcher import Dispatcher
from generation.errors import (
    Cancelled,
    KnownError,
    Postponed,
    ShuttingDown,
    WorkerLost,
)
from generation.fleet import LEAST_AHEAD
from generation.job import Job, JobId, JobStatus
from generation.journal import MemoryJournal
from generation.request import GenerationRequest
from generation.workers.base import Drawing, told_nobody
from generation.workers.fake import FakeWorker
from tests.generation.dispatching import SlowToStop, error_of, job, running_dispatcher, soon


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


class SlowJournal(MemoryJournal):
    """One whose database is slow until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = asyncio.Event()

    async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> Mapping[JobId, KnownError]:
        await self.may_go.wait()
        return await super().worker_lost(drawn, standing)

    async def put_back(self, job: Job, device_seconds: float) -> None:
        await self.may_go.wait()
        await super().put_back(job, device_seconds)


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
        assert (drawn[0].progress.step, drawn[0].progress.loading) == (0, False), "nothing of it is done any more"
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

    @pytest.mark.parametrize("stops", [False, True])
    async def test_a_job_that_is_cancelled_while_its_loss_is_written_down_is_not_drawn_again(self, stops: bool) -> None:
        journal, workers = SlowJournal(), (FarWorker(), FarWorker())
        dispatcher = Dispatcher([], journal)
        await dispatcher.start()
        for worker in workers:
            await dispatcher.add(worker)
        ticket = dispatcher.submit(job())
        await soon()
        next(worker for worker in workers if worker.drawn).lose()
        await soon()
        assert await dispatcher.cancel(ticket.job.id, by="a")
        draining = asyncio.create_task(dispatcher.drain(5.0)) if stops else None
        await soon()
        journal.may_go.set()
        assert isinstance(await error_of(ticket), Cancelled)
        assert journal.history[-1] == (ticket.job.id, JobStatus.CANCELLED)
        if draining is not None:
            await draining
        assert sum(len(worker.drawn) for worker in workers) == 1
        await dispatcher.close()

    async def test_a_worker_that_is_lost_with_nothing_to_draw_gets_nothing_any_more(self) -> None:
        idle, other = FarWorker(hold=False), FarWorker(hold=False)
        dispatcher, journal = await self.with_workers(idle)
        idle.lose()
        await soon()
        ticket = dispatcher.submit(job())
        await soon()
        assert (ticket.progress.place, ticket.progress.loading) == (1, False)
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

    async def test_a_stop_does_not_wait_for_jobs_of_a_worker_that_is_taken_out_meanwhile(self) -> None:
        leaving, journal = FarWorker(), SlowJournal()
        dispatcher = Dispatcher([], journal)
        await dispatcher.start()
        await dispatcher.add(leaving)
        leaving.stands = True
        ticket = dispatcher.submit(job())
        await soon()
        removing = asyncio.create_task(dispatcher.remove(leaving, 60.0))
        await soon()
        draining = asyncio.create_task(dispatcher.drain(60.0))
        await soon()
        journal.may_go.set()
        await asyncio.wait_for(draining, 5)
        await removing
        assert isinstance(await error_of(ticket), Postponed)
        assert journal.history == [(ticket.job.id, JobStatus.ACCEPTED)]
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
