"""For all tests: torch is loaded the way the bot loads it, and there is a database server for those who want one."""

import signal
from collections.abc import Iterator
from pathlib import Path

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole processes first: their files take the longest, and one at the end would keep a single worker busy."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not (item.path.is_relative_to(here / "e2e") or item.path.is_relative_to(here / "load")))
