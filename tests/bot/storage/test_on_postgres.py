"""The rows' own tests, once more on a real PostgreSQL, and what happens while that is away."""
# ruff: noqa: F403 - the same tests, with another database

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, inspect, text

from bot.errors import StorageFault
from bot.retrying import PATIENT, retried
from bot.storage import schema
from bot.storage.database import Database
from bot.storage.tables import METADATA
from tests.bot.postgres import Server
from tests.bot.storage.test_jobs import *
from tests.bot.storage.test_jobs import jobs


@pytest.fixture
def url(postgres_url: str) -> str:
    """The server's, in place of SQLite's."""
    return postgres_url


def test_the_migrations_go_up_and_down_and_up(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        for revision in ("base", "head", "0003", "head", "base", "head"):
            (schema.downgrade if revision in ("base", "0003") else schema.upgrade)(connection, revision)
        assert set(inspect(connection).get_table_names()) >= set(METADATA.tables)
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0008"
    engine.dispose()


async def test_jobs_written_while_the_server_is_away_for_a_moment_are_all_there(
    postgres: Server, database: Database, new_record
) -> None:
    records = [new_record() for _ in range(12)]
    await database.write(lambda transaction: jobs.insert(transaction, *records[:6]))
    await asyncio.to_thread(postgres.stop)
    with pytest.raises(StorageFault):
        await database.read(jobs.live)
    with pytest.raises(StorageFault):
        await Database(postgres.url).open()
    writing = [
        asyncio.create_task(
            retried(
                lambda record=record: database.write(lambda transaction: jobs.insert(transaction, record)),
                PATIENT,
                passing=lambda error: isinstance(error, StorageFault),
                doing="a test",
            )
        )
        for record in records[6:]
    ]
    await asyncio.sleep(1)
    await asyncio.to_thread(postgres.start)
    await asyncio.gather(*writing)
    assert {record.id for record in await database.read(jobs.live)} == {record.id for record in records}


async def test_two_databases_take_turns(postgres_url: str, database: Database, new_record, now) -> None:
    """What one has read stays true until it commits: two cannot both see the last free place."""
    other = Database(postgres_url)

    def take_the_last(transaction) -> bool:
        if jobs.live(transaction):
            return False
        jobs.insert(transaction, new_record(accepted_at=now + timedelta(seconds=1)))
        return True

    taken = await asyncio.gather(*(one.write(take_the_last) for one in (database, other) * 5))
    assert sum(taken) == 1
    await other.close()
