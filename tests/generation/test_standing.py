"""Jobs that stand: their worker has them, and its device works for others."""

import asyncio

from generation.dispatcher import Dispatcher
from generation.errors import (
    Postponed,
)
from generation.estimates import Estimates
from generation.fleet import AHEAD
from generation.job import JobStatus
from generation.journal import MemoryJournal
from generation.workers.fake import FakeWorker
from tests.generation.dispatching import error_of, job, running_dispatcher, soon


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
