"""Transactions on a real file: who waits for whom, what is undone, how faults are told."""

import asyncio
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError

from bot.errors import StorageFault
from bot.records import JobRecord
from bot.storage import database as database_module
from bot.storage import jobs
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from bot.storage.one_trip import OneTripConnection


async def pragma(database: Database, name: str) -> object:
    async with database.reading() as transaction:
        return await transaction.scalar(text(f"PRAGMA {name}"))


async def insert(database: Database, record: JobRecord, then: str | None = None) -> None:
    """Insert a job and, in the same transaction, execute a statement."""
    async with database.writing() as transaction:
        await jobs.insert(transaction, record)
        if then is not None:
            await transaction.execute(text(then))


async def test_sqlite_is_set_up_for_many_readers_and_one_writer(database):
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "foreign_keys") == 1
    assert await pragma(database, "busy_timeout") == 5000


async def test_an_error_undoes_the_whole_transaction(database, new_record):
    record = new_record()
    with pytest.raises(StorageFault, match="no such table"):
        await insert(database, record, then="DELETE FROM nowhere")

    async with database.reading() as transaction:
        assert await jobs.get(transaction, record.id) is None


async def test_readers_wait_for_no_writer_and_see_what_was_committed(database, new_record):
    record = new_record()
    async with database.writing() as writer:
        await jobs.insert(writer, record)
        async with database.reading() as reader:
            assert await jobs.get(reader, record.id) is None

    async with database.reading() as reader:
        assert await jobs.get(reader, record.id) is not None


async def test_writers_take_turns_from_their_first_statement_on(database):
    """What a writer has read cannot change before it writes: the others have not even begun."""
    order: list[str] = []

    async def write(name: str) -> None:
        async with database.writing() as transaction:
            order.append(f"{name} begins")
            await transaction.execute(text("SELECT count(*) FROM jobs"))
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(write("a"), write("b"), write("c"))

    assert order == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


@pytest.fixture
def trips(database, monkeypatch):
    """What was sent to SQLite's threads."""
    sent: list[str] = []
    execute = OneTripConnection._execute  # private: aiosqlite's way to its thread, which is what is counted

    async def counted(self, function, *arguments, **options):
        sent.append(str(arguments[0]) if arguments else function.__name__)
        return await execute(self, function, *arguments, **options)

    monkeypatch.setattr(OneTripConnection, "_execute", counted)  # private: the same
    return sent


async def test_small_writes_of_the_same_moment_share_a_transaction(database, new_record, trips):
    records = [new_record() for _ in range(20)]
    await database.write(lambda transaction: jobs.insert(transaction, *records))  # connected, and the statements known
    trips.clear()

    shown = [
        database.write(lambda transaction, id_=record.id: jobs.show_as(transaction, id_, "6", None))
        for record in records
    ]
    await asyncio.gather(*shown)

    assert trips == ["BEGIN IMMEDIATE", "commit"]
    async with database.reading() as transaction:
        assert {record.place.message for record in await jobs.live(transaction)} == {"6"}


async def test_a_small_write_that_fails_takes_no_other_along(database, new_record):
    good, bad = new_record(), new_record(parent=uuid4())

    outcomes = await asyncio.gather(
        *(database.write(lambda transaction, one=one: jobs.insert(transaction, one)) for one in (good, bad)),
        return_exceptions=True,
    )

    assert outcomes[0] is None
    assert isinstance(outcomes[1], IntegrityError)
    async with database.reading() as transaction:
        assert [record.id for record in await jobs.live(transaction)] == [good.id]


async def test_what_reads_briefly_makes_no_trip_and_what_may_read_long_makes_one_a_statement(
    database, new_record, trips
):
    await insert(database, new_record())
    for brief in (True, False):
        async with database.reading(brief=brief) as transaction:
            await jobs.live_servers(transaction)
        async with database.reading(brief=brief) as transaction:  # after the first one, which has to connect
            trips.clear()
            assert len(await jobs.live_servers(transaction)) == 1
        assert len(trips) == (0 if brief else 1)


async def test_callers_who_run_out_of_time_block_nobody(database, new_record):
    async def hurried(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await insert(database, new_record())

    await asyncio.gather(*(hurried(turn / 2000) for turn in range(40)))

    await insert(database, new_record(requester="patient"))
    async with database.reading() as transaction:
        assert "patient" in {record.requester for record in await jobs.live(transaction)}


async def test_a_lock_held_by_another_process_is_told_as_a_fault(url, tmp_path, database, monkeypatch, new_record):
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT", 0.01)
    impatient = Database(url)
    other = sqlite3.connect(tmp_path / "bot.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFault, match="locked"):
            await insert(impatient, new_record())
        async with impatient.reading() as transaction:  # reading goes on
            assert await jobs.live(transaction) == ()
        other.execute("ROLLBACK")

        await insert(impatient, new_record())  # and so does writing, afterwards
    finally:
        other.close()
        await impatient.close()


async def test_a_database_that_cannot_be_opened_is_told_as_a_fault(tmp_path):
    with pytest.raises(StorageFault, match="unable to open"):
        await Database(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'bot.db'}").open()

    # aiosqlite lets the thread of a connection that failed end by itself, and it still needs our event loop for it.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)


async def test_a_file_that_is_no_database_is_told_as_a_fault_and_left_alone(url, tmp_path):
    (tmp_path / "bot.db").write_bytes(b"my diary, volume 1. " * 100)

    with pytest.raises(StorageFault, match="not a database"):
        await Database(url).open()

    assert (tmp_path / "bot.db").read_bytes().startswith(b"my diary")


async def test_a_database_from_the_future_is_left_alone(url, tmp_path, database):
    with sqlite3.connect(tmp_path / "bot.db") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()

    with pytest.raises(StorageFault, match="9999"):
        await Database(url).open()


async def test_opening_twice_and_closing_twice_is_fine(url, database):
    await database.open()
    await database.close()
    await database.close()


async def test_our_own_mistakes_stay_what_they_are(database, new_record):
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await insert(database, new_record(parent=uuid4()))


async def test_the_database_refuses_a_status_that_does_not_exist(database, new_record):
    with pytest.raises(IntegrityError, match="ck_jobs_status"):
        await insert(database, new_record(), then="UPDATE jobs SET status = 'lost'")


async def test_moments_keep_their_zone_and_need_one(database, new_record, now):
    elsewhere = datetime(2030, 5, 17, 20, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    record = new_record(accepted_at=elsewhere)
    async with database.writing() as transaction:
        await jobs.insert(transaction, record)
        stored = await jobs.get(transaction, record.id)
    assert stored is not None
    assert stored.accepted_at == elsewhere
    assert stored.accepted_at.tzinfo is UTC

    with pytest.raises(StatementError, match="time zone"):
        await insert(database, new_record(accepted_at=datetime(2030, 1, 1)))  # noqa: DTZ001


def test_making_one_touches_nothing(tmp_path):
    Database(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}")
    ImageFiles(tmp_path / "images")

    assert list(tmp_path.iterdir()) == []
