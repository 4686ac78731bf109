"""A smaller load than `python -m tests.load`, each time: nobody is left waiting, and nothing is lost."""

from pathlib import Path

import pytest

from tests.load.runs import ROOM, Report, kills, mixed, rush

pytestmark = pytest.mark.timeout(170)

POLITE = ("I am very busy right now", "The queue is full", "jobs at once", "no job waiting or running")


def check(report: Report) -> None:
    """What holds at any load."""
    said = "\n".join(report.lines())
    assert not report.mistakes, said
    assert not report.errors, said
    assert set(report.jobs) <= {"posted", "cancelled"}, said
    # By the wall, and on a machine that others use too: as much later as the bot had to stand in line itself.
    assert report.quantile(0.99) < 1.5 * report.slowdown, said
    assert report.quantile(1.0) < 3.0 * report.slowdown, said
    assert all(any(polite in words for polite in POLITE) for words in report.refused), said


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; empty for a file."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()


async def test_a_mix_of_all_commands_loses_nothing(tmp_path: Path, database: str) -> None:
    report = await mixed(tmp_path, rate=50, seconds=3, members=100, database=database)
    check(report)
    assert report.jobs["posted"] >= 20, "a load that asks for little"
    assert report.growth < 40, "\n".join(report.lines())


async def test_everybody_who_asks_at_once_is_drawn_or_refused(tmp_path: Path, database: str) -> None:
    """More than the queue holds: the rest is refused, politely and at once, and everybody else gets a picture."""
    members, capacity = 100, 40
    report = await rush(tmp_path, members=members, capacity=capacity, engine=False, database=database)
    check(report)
    accepted = report.jobs["posted"]
    assert capacity // 2 <= accepted <= capacity + ROOM, "the queue is bounded"
    assert accepted + sum(report.refused.values()) == members


async def test_a_bot_that_is_killed_again_and_again_under_load_loses_nothing_and_posts_nothing_twice(
    tmp_path: Path, database: str
) -> None:
    """A few of the 31 of `python -m tests.load kills`. A job that ran in two crashes is set aside, and told so."""
    report = await kills(tmp_path, times=3, database=database)
    said = "\n".join(report.lines())
    assert not report.mistakes, said
    assert set(report.jobs) <= {"posted", "cancelled", "failed"}, said
    assert report.jobs["posted"] >= 5, said
