"""Transactions on a real file: who waits for whom, what is undone, how faults are told."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError

from bot.errors import StorageFault, UnusableDatabase
from bot.records import JobRecord
from bot.storage import engines, jobs
from bot.storage.database import Database, Transaction
from bot.storage.image_files import ImageFiles
from tests.bot.busy_database import busy, sent_statements


async def pragma(database: Database, name: str) -> object:
    return await database.read(lambda transaction: transaction.scalar(text(f"PRAGMA {name}")))


def inserting(record: JobRecord, then: str | None = None) -> Callable[[Transaction], None]:
    """Inserts a job and executes a statement."""

    def work(transaction: Transaction) -> None:
        jobs.insert(transaction, record)
        if then is not None:
            transaction.execute(text(then))

    return work


async def live(database: Database) -> set[UUID]:
    return {record.id for record in await database.read(jobs.live)}


async def test_sqlite_is_set_up_for_many_readers_and_one_writer(database):
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "foreign_keys") == 1
    assert await pragma(database, "busy_timeout") == 5000


@pytest.mark.parametrize("alone", [True, False])
async def test_an_error_undoes_the_whole_piece(database, new_record, alone):
    with pytest.raises(StorageFault, match="no such table"):
        await database.write(inserting(new_record(), then="DELETE FROM nowhere"), alone=alone)
    assert await live(database) == set()


async def test_readers_wait_for_no_writer_and_see_what_was_committed(database, new_record):
    record = new_record()
    written, may_end = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        jobs.insert(transaction, record)
        written.set()
        may_end.wait(10)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(written.wait, 10)
    assert await live(database) == set()
    may_end.set()
    await writing
    assert await live(database) == {record.id}


async def test_small_writes_of_the_same_moment_share_a_transaction(database, new_record, stack):
    records = [new_record() for _ in range(20)]
    await database.write(lambda transaction: jobs.insert(transaction, *records))
    async with busy(database):
        shown = [
            asyncio.create_task(
                database.write(lambda transaction, id_=record.id: jobs.show_as(transaction, id_, "6", None))
            )
            for record in records
        ]
        await asyncio.sleep(0)
        sent = stack.enter_context(sent_statements())
    await asyncio.gather(*shown)

    assert [statement.split()[0] for statement in sent if "piece" not in statement] == [
        "COMMIT", "BEGIN", *["UPDATE"] * 20, "COMMIT",
    ]  # fmt: skip


async def together(database: Database, *works: Callable[[Transaction], Any]) -> list[Any]:
    """What becomes of works that share a transaction."""
    async with busy(database):
        tasks = [asyncio.create_task(database.write(work)) for work in works]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_small_write_that_fails_takes_no_other_along(database, new_record):
    good, bad, last = new_record(), new_record(parent=uuid4()), new_record()

    outcomes = await together(database, inserting(good), inserting(bad), inserting(last))

    assert [type(outcome) for outcome in outcomes] == [type(None), IntegrityError, type(None)]
    assert await live(database) == {good.id, last.id}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration, asyncio.CancelledError])
async def test_whatever_a_piece_raises_the_writer_goes_on(database, new_record, error):
    def raises(transaction: Transaction) -> None:
        raise error

    record = new_record()
    outcomes = await together(database, raises, inserting(record))

    assert [type(outcome) for outcome in outcomes] == [RuntimeError, type(None)]
    with pytest.raises(RuntimeError):
        await database.write(raises)
    with pytest.raises(RuntimeError):
        await database.read(raises)
    assert await live(database) == {record.id}


async def test_a_disk_that_undoes_everything_fails_everybody(database, new_record):
    """SQLite may roll the whole transaction back by itself: nobody is told that theirs is written."""
    outcomes = await together(
        database, inserting(new_record()), lambda transaction: transaction.exec_driver_sql("ROLLBACK") and 1 / 0
    )
    assert [type(outcome) for outcome in outcomes] == [StorageFault, StorageFault]
    assert await live(database) == set()


async def test_who_leaves_before_the_turn_comes_writes_nothing(database, new_record):
    async with busy(database):
        leaving = asyncio.create_task(database.write(inserting(new_record())))
        await asyncio.sleep(0)
        leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await live(database) == set()


async def test_a_line_is_served_in_one_call_and_who_left_is_not_in_it(database):
    calls: list[list[int]] = []

    def double(transaction: Transaction, numbers: list[int]) -> list[int]:
        calls.append(numbers)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]

    line = database.line(double, most=3)
    async with busy(database):
        stays, leaves, is_cancelled, *more = [line.join(number) for number in (1, 2, 3, 4, 5, 6)]
        assert line.leave(leaves)
        is_cancelled.cancel()
        assert not line.leave(leaves)
    assert await asyncio.gather(stays, *more) == [2, 8, 10, 12]
    assert calls == [[1, 4, 5], [6]]
    assert (len(line), line.leave(stays)) == (0, False)

    calls.clear()
    outcomes = await asyncio.gather(*map(line.join, (1, 13, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int], "one mistake is nobody else's"


async def test_closing_writes_what_is_asked_for_and_what_comes_later_opens_again(database, new_record):
    first, second = new_record(), new_record()
    async with busy(database):
        asked = asyncio.create_task(database.write(inserting(first)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(database.close())
        await asyncio.sleep(0)
    await closing
    await asked
    await database.write(inserting(second))
    assert await live(database) == {first.id, second.id}


async def test_callers_who_run_out_of_time_block_nobody(database, new_record):
    async def hurried(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await database.write(inserting(new_record()))

    await asyncio.gather(*(hurried(turn / 2000) for turn in range(40)))

    patient = new_record()
    await database.write(inserting(patient))
    assert patient.id in await live(database)


async def test_a_lock_held_by_another_process_is_told_as_a_fault(url, tmp_path, database, monkeypatch, new_record):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.01)
    impatient = Database(url)
    other = sqlite3.connect(tmp_path / "bot.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFault, match="locked"):
            await impatient.write(inserting(new_record()))
        assert await live(impatient) == set(), "reading goes on"
        other.execute("ROLLBACK")

        await impatient.write(inserting(new_record()))  # and so does writing, afterwards
    finally:
        other.close()
        await impatient.close()


async def test_a_database_that_cannot_be_opened_is_told_as_a_fault(tmp_path):
    with pytest.raises(UnusableDatabase, match="no_place"):
        await Database(f"sqlite:///{tmp_path / 'nowhere' / 'bot.db'}").open()


async def test_a_file_that_is_no_database_is_told_as_a_fault_and_left_alone(url, tmp_path):
    (tmp_path / "bot.db").write_bytes(b"my diary, volume 1. " * 100)

    with pytest.raises(UnusableDatabase, match="not a database"):
        await Database(url).open()

    assert (tmp_path / "bot.db").read_bytes().startswith(b"my diary")


async def test_a_database_from_the_future_is_left_alone(url, tmp_path, database):
    with sqlite3.connect(tmp_path / "bot.db") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()

    with pytest.raises(UnusableDatabase, match="9999"):
        await Database(url).open()


async def test_tables_that_are_not_ours_are_left_alone(url, tmp_path):
    with sqlite3.connect(tmp_path / "bot.db") as other:
        other.execute("CREATE TABLE diary (day TEXT)")
    other.close()

    with pytest.raises(UnusableDatabase, match="diary"):
        await Database(url).open()


async def test_a_folder_in_its_place_is_said(url, tmp_path):
    (tmp_path / "bot.db").mkdir()

    with pytest.raises(UnusableDatabase, match="no_place"):
        await Database(url).open()


async def test_opening_twice_and_closing_twice_is_fine(url, database):
    await database.open()
    await database.close()
    await database.close()


async def test_our_own_mistakes_stay_what_they_are(database, new_record):
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        await database.write(inserting(new_record(parent=uuid4())))


async def test_the_database_refuses_a_status_that_does_not_exist(database, new_record):
    with pytest.raises(IntegrityError, match="ck_jobs_status"):
        await database.write(inserting(new_record(), then="UPDATE jobs SET status = 'lost'"))


async def test_moments_keep_their_zone_and_need_one(database, new_record, now):
    elsewhere = datetime(2030, 5, 17, 20, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    record = new_record(accepted_at=elsewhere)
    await database.write(inserting(record))
    stored = await database.read(lambda transaction: jobs.get(transaction, record.id))
    assert stored is not None
    assert stored.accepted_at == elsewhere
    assert stored.accepted_at.tzinfo is UTC

    with pytest.raises(StatementError, match="time zone"):
        await database.write(inserting(new_record(accepted_at=datetime(2030, 1, 1))))  # noqa: DTZ001


def test_making_one_touches_nothing(tmp_path):
    Database(f"sqlite:///{tmp_path / 'bot.db'}")
    ImageFiles(tmp_path / "images")

    assert list(tmp_path.iterdir()) == []
