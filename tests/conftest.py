"""For all tests: torch is loaded the way the bot loads it, and there is a database server for those who want one."""

import signal
from collections.abc import Iterator

import pytest

import generation.diffusion  # noqa: F401 - sets how OpenMP waits, which has to happen before torch is imported
from tests.bot.postgres import Server, running_server

# The tests play a terminal that closes. Under nohup they would be deaf to it, and their children as well.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; the test is skipped, with the reason, where there can be none."""
    with running_server() as server:
        yield server
