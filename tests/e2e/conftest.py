"""What the tests of whole processes begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import PlaygroundServer
from tests.e2e.scene import Scene


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str | None:
    """An empty database on a server, for a test `on_both`; None for the file in the data folder."""
    on_a_server = getattr(request, "param", "sqlite") == "postgres"
    return request.getfixturevalue("postgres").new_database() if on_a_server else None


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path, database_url: str | None) -> AsyncIterator[Scene]:
    """A Discord, a data folder and a database of the test's own."""
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield Scene(server, tmp_path / "data", database_url)
