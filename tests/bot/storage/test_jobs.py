"""A job's row: everything goes in and comes out again, and its status moves one way only."""

from dataclasses import fields
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from bot.records import ImageRecord, Place
from bot.storage import jobs, usage
from bot.storage.tables import JOBS
from generation.job import JobStatus
from generation.result import NOT_KNOWN, DrawnWith

FINAL = [status for status in JobStatus if status.is_final]


@pytest.fixture
async def stored(database, new_record):
    record = new_record(place=Place(channel="5000", token="secret"))
    await database.write(lambda transaction: jobs.insert(transaction, record))
    return record


async def moved(database, step, *arguments, **options):
    return await database.write(lambda transaction: step(transaction, *arguments, **options))


async def test_what_goes_in_comes_out(database, new_record, stored, now):
    child = new_record(
        parent=stored.id,
        action="vary",
        batch=UUID(int=7),
        server=None,
        place=Place(channel="5000", message="1", reply_to="2", token="t", token_expires=now),
        weight=2.5,
        estimated_seconds=3.5,
    )
    await database.write(lambda transaction: jobs.insert(transaction, child))
    again = await database.read(lambda transaction: jobs.get(transaction, child.id))

    assert again == child
    assert {field.name for field in fields(child) if getattr(child, field.name) is None} == {
        "server", "error_code", "ended_by", "rendered_at", "ended_at", "deleted_at",
    }  # fmt: skip


async def test_a_job_may_be_started_twice(database, stored, now):
    assert await moved(database, jobs.start, stored.id)
    assert await moved(database, jobs.start, stored.id)

    record = await database.read(lambda transaction: jobs.get(transaction, stored.id))
    assert record.status is JobStatus.STARTED


@pytest.mark.parametrize("first", FINAL)
@pytest.mark.parametrize("second", FINAL)
async def test_the_first_end_wins(database, stored, now, first, second):
    assert await moved(database, jobs.finish, stored.id, first, now, error_code="first", device_seconds=1.5)
    assert not await moved(database, jobs.finish, stored.id, second, now.replace(hour=13), error_code="second")
    assert not await moved(database, jobs.start, stored.id)
    assert not await moved(database, jobs.render, stored.id, now, 9.9, [])

    record = await database.read(lambda transaction: jobs.get(transaction, stored.id))
    assert (record.status, record.error_code, record.device_seconds) == (first, "first", 1.5)
    assert (record.ended_at, record.place.token) == (now, None)


async def test_images_come_in_order(database, stored, now):
    images = [
        ImageRecord(
            id=uuid4(),
            index=index,
            seed=index,
            width=64,
            height=128,
            file=f"{index}.png",
            sha256="0" * 64,
            size=100,
        )
        for index in (1, 0)
    ]
    assert await moved(database, jobs.render, stored.id, now, 0.5, images)

    record = await database.read(lambda transaction: jobs.get(transaction, stored.id))
    assert record.images == tuple(reversed(images))
    assert record.place.token == "secret"  # still needed, to deliver them


async def test_what_a_job_was_drawn_with_is_kept(database, stored, now):
    drawn_with = DrawnWith(model_hash="0123456789", torch="2", diffusers="1", device="cpu", dtype="float32", rows=8)
    assert (await moved(database, jobs.get, stored.id)).drawn_with == NOT_KNOWN
    assert (await moved(database, jobs.render, stored.id, now, 0.5, [], drawn_with)).drawn_with == drawn_with
    assert (await moved(database, jobs.get, stored.id)).drawn_with == drawn_with


async def test_what_a_later_version_knows_of_a_job_is_no_trouble(database, stored):
    known = {"rows": 8, "of_a_later_version": [1]}
    await database.write(lambda transaction: transaction.execute(update(JOBS).values(drawn_with=known)))
    assert (await moved(database, jobs.get, stored.id)).drawn_with == DrawnWith(rows=8)


async def test_costs_of_a_model_are_those_of_its_last_file(database, new_record, now):
    """By name alone, a file that was replaced by a slower one would be judged by the old one."""
    for minutes, (model_hash, seconds) in enumerate([("old", 1.0), ("new", 5.0), ("new", 6.0)]):
        record = new_record()
        await database.write(lambda transaction, record=record: jobs.insert(transaction, record))
        drawn_with, at = DrawnWith(model_hash=model_hash, device=f"of {seconds}"), now + timedelta(minutes=minutes)
        await moved(database, jobs.render, record.id, at, seconds, [], drawn_with)
        await moved(database, jobs.post, record.id, at, None, None)
    costs = await database.read(lambda transaction: usage.measured(transaction, 500))
    assert [cost[1:] for cost in costs] == [(5.0, "of 5.0"), (6.0, "of 6.0")]


async def test_jobs_of_one_prompt_count_as_one_whether_they_wait_or_run(database, new_record, now):
    together = [new_record(batch=UUID(int=7), status=status) for status in sorted(jobs.LIVE)]
    await moved(database, jobs.insert, *together, new_record(), new_record(status=JobStatus.POSTED, ended_at=now))
    account = (together[0].requester, "9000")
    used = await database.read(lambda transaction: usage.of_members(transaction, {account}, now, now))
    assert used[account].waiting_or_running == 2
