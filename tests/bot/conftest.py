"""For all tests of the bot."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, inspect, text

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
