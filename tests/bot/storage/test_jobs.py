"""A job's row: everything goes in and comes out again, and its status moves one way only."""

from dataclasses import fields
from uuid import uuid4

import pytest

from bot.storage import jobs
from bot.storage.records import ImageRecord
from generation.job import JobStatus

FINAL = [status for status in JobStatus if status.is_final]


@pytest.fixture
async def stored(database, new_record):
    record = new_record(interaction_token="secret")
    async with database.writing() as transaction:
        await jobs.insert(transaction, record)
    return record


async def moved(database, step, *arguments, **options):
    async with database.writing() as transaction:
        return await step(transaction, *arguments, **options)


async def test_what_goes_in_comes_out(database, new_record, stored, now):
    child = new_record(
        parent=stored.id, server=None, message="1", reply_to="2", interaction_token="t", token_expires=now
    )
    async with database.writing() as transaction:
        await jobs.insert(transaction, child)
        again = await jobs.get(transaction, child.id)

    assert again == child
    assert {field.name for field in fields(child) if getattr(child, field.name) is None} == {
        "server", "error_code", "started_at", "rendered_at", "ended_at", "deleted_at",
    }  # fmt: skip


async def test_a_second_start_counts_up_and_keeps_the_first_time(database, stored, now):
    later = now.replace(hour=13)
    assert await moved(database, jobs.start, stored.id, now)
    assert await moved(database, jobs.start, stored.id, later)

    async with database.reading() as transaction:
        record = await jobs.get(transaction, stored.id)
    assert (record.status, record.starts, record.started_at) == (JobStatus.STARTED, 2, now)


@pytest.mark.parametrize("first", FINAL)
@pytest.mark.parametrize("second", FINAL)
async def test_the_first_end_wins(database, stored, now, first, second):
    assert await moved(database, jobs.finish, stored.id, first, now, error_code="first", device_seconds=1.5)
    assert not await moved(database, jobs.finish, stored.id, second, now.replace(hour=13), error_code="second")
    assert not await moved(database, jobs.start, stored.id, now)
    assert not await moved(database, jobs.render, stored.id, now, 9.9, [])

    async with database.reading() as transaction:
        record = await jobs.get(transaction, stored.id)
    assert (record.status, record.error_code, record.device_seconds) == (first, "first", 1.5)
    assert (record.ended_at, record.interaction_token) == (now, None)


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

    async with database.reading() as transaction:
        record = await jobs.get(transaction, stored.id)
    assert record.images == tuple(reversed(images))
    assert record.interaction_token == "secret"  # still needed, to deliver them
