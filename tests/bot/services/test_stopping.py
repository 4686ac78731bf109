"""Jobs that come to an early end: cancelled, abandoned, deleted, or cut off by a deadline."""

import asyncio
import threading
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from bot.errors import AlreadyOver, NotAllowed, TooBusy, UnknownJob
from bot.services import reservations
from bot.storage import jobs
from bot.storage.tables import JOBS
from generation.errors import Cancelled
from generation.job import JobStatus
from tests.bot.busy_database import busy


@pytest.fixture
async def running(house, ann, here):
    """A job of Ann's that a worker holds."""
    return await house.images.imagine(house.request(count=2), ann, at=here)


async def test_the_requester_may_cancel_a_job(house, ann, running):
    await house.images.cancel(running.job.id, ann)

    with pytest.raises(Cancelled):
        await running.result()
    record = await house.images.job(running.job.id)
    assert (record.status, record.error_code) == (JobStatus.CANCELLED, "cancelled")
    assert record.place.token is None


async def test_a_moderator_may_cancel_in_the_channel_where_they_are_one(house, moderator, running):
    elsewhere = replace(moderator, channel="5001")
    with pytest.raises(NotAllowed):
        await house.images.cancel(running.job.id, elsewhere)
    assert await house.images.live_jobs(elsewhere) == ()

    await house.images.cancel(running.job.id, moderator)

    with pytest.raises(Cancelled):
        await running.result()


@pytest.mark.parametrize("use_case", ["cancel", "delete"])
async def test_only_the_requester_and_moderators_may_cancel(house, bob, stranger, running, use_case):
    stop = getattr(house.images, use_case)

    with pytest.raises(NotAllowed, match="moderator"):
        await stop(running.job.id, bob)
    with pytest.raises(UnknownJob):  # another server learns not even that it exists
        await stop(running.job.id, stranger)

    assert not running.done


async def test_a_cancel_can_come_too_late(house, ann):
    job_id = await house.drawn(ann)

    with pytest.raises(AlreadyOver):
        await house.images.cancel(job_id, ann)


async def test_a_cancel_ends_a_job_that_only_its_row_remembers(open_house, ann, running):
    after_a_crash = await open_house()

    await after_a_crash.images.cancel(running.job.id, ann)

    assert (await after_a_crash.images.job(running.job.id)).status is JobStatus.CANCELLED


async def test_an_abandoned_job_is_drawn_no_further_and_not_counted(house, ann, running):
    await house.images.abandon(running.job.id)

    with pytest.raises(Cancelled):
        await running.result()
    assert (await house.images.usage(ann)).jobs == 0


async def test_a_job_abandoned_when_it_was_done_already_is_not_counted_either(house, ann, running):
    house.worker.release()
    await running.result()

    await house.images.abandon(running.job.id)

    record = await house.images.job(running.job.id)
    assert (record.status, record.error_code) == (JobStatus.CANCELLED, "abandoned")


async def test_a_deleted_job_leaves_its_row_and_no_picture(house, ann):
    job_id = await house.drawn(ann, count=2)
    assert len(house.pictures_on_disk()) == 2

    record = await house.images.delete(job_id, ann)

    assert record.place.message is not None
    assert house.pictures_on_disk() == []
    for look in (house.images.job,):
        with pytest.raises(UnknownJob):
            await look(job_id)
    assert (await house.images.usage(ann)).images == 2  # they were drawn, deleting refunds nothing


async def test_of_two_deletions_one_wins(house, ann, moderator):
    job_id = await house.drawn(ann)

    records = await asyncio.gather(house.images.delete(job_id, ann), house.images.delete(job_id, moderator))

    assert sorted(record.deleted_at is None for record in records) == [False, True]


async def test_a_deletion_may_be_repeated_by_those_who_may(house, ann, bob):
    job_id = await house.drawn(ann)
    await house.images.delete(job_id, ann)

    assert (await house.images.delete(job_id, ann)).deleted_at is not None
    with pytest.raises(NotAllowed):
        await house.images.delete(job_id, bob)


async def test_deleting_a_running_job_cancels_it(house, ann, running):
    await house.images.delete(running.job.id, ann)

    with pytest.raises(Cancelled):
        await running.result()
    assert house.pictures_on_disk() == []


async def test_a_deadline_frees_the_caller_and_leaves_no_reservation(house, ann, here):
    async with busy(house.database):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await house.images.imagine(house.request(), ann, at=here)

    await house.images.close()
    assert (await house.images.usage(ann)).waiting_or_running == 0
    assert house.worker.drawn == []
    count = select(func.count(JOBS.c.id))
    assert await house.database.read(lambda transaction: transaction.scalar(count)) == 0, "it was not even written"


async def test_a_deadline_in_the_middle_of_the_reservation_gives_it_back(house, ann, here, monkeypatch):
    insert, hold = jobs.insert, threading.Event()

    def slow(transaction, record):
        hold.wait()
        insert(transaction, record)

    monkeypatch.setattr(jobs, "insert", slow)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await house.images.imagine(house.request(), ann, at=here)
    hold.set()

    await house.images.close()
    assert (await house.images.usage(ann)).waiting_or_running == 0
    assert house.worker.drawn == []


async def test_a_member_who_comes_while_the_database_is_too_slow_is_refused_at_once(house, ann, bob, here, monkeypatch):
    monkeypatch.setattr(reservations, "LONGEST_LINE", 0.1)
    async with busy(house.database):
        await asyncio.sleep(0.11)
        with pytest.raises(TooBusy):
            await house.images.imagine(house.request(), ann, at=here)
    assert house.database.seconds_in_line == 0
    await house.images.imagine(house.request(), bob, at=here)


async def test_a_final_state_is_written_even_when_its_writer_is_stopped(house, running):
    house.worker.release()
    await running.result()

    async with busy(house.database):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await house.images.posted(running.job.id, "6000")

    await house.images.close()
    assert (await house.images.job(running.job.id)).status is JobStatus.POSTED
