"""For all tests of the bot."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from bot.storage.database import Database
from bot.storage.tables import METADATA
from tests.bot.postgres import Server


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """A database on it whose tables are empty, or are not there yet."""
    engine = create_engine(postgres.url)
    with engine.begin() as connection:
        if there := inspect(connection).get_table_names():
            connection.execute(text(f"TRUNCATE {', '.join(set(there) & set(METADATA.tables))} CASCADE"))
    engine.dispose()
    return postgres.url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends with the test what is entered in its middle."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file. Migrating takes longer than most tests here."""
    file = tmp_path_factory.mktemp("database") / "empty.db"

    async def migrate() -> None:
        database = Database(f"sqlite:///{file}")
        await database.open()
        await database.close()

    asyncio.run(migrate())
    return file
