"""A smaller load than `python -m tests.load`, each time: nobody is left waiting, and nothing is lost."""

from pathlib import Path

import pytest

from tests.load.runs import ROOM, Report, mixed, rush

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


async def test_a_mix_of_all_commands_loses_nothing(tmp_path: Path) -> None:
    report = await mixed(tmp_path, rate=50, seconds=3, members=100)
    check(report)
    assert report.jobs["posted"] >= 20, "a load that asks for little"
    assert report.growth < 40, "\n".join(report.lines())


async def test_everybody_who_asks_at_once_is_drawn_or_refused(tmp_path: Path) -> None:
    """More than the queue holds: the rest is refused, politely and at once, and everybody else gets a picture."""
    members, capacity = 100, 40
    report = await rush(tmp_path, members=members, capacity=capacity, engine=False)
    check(report)
    accepted = report.jobs["posted"]
    assert capacity // 2 <= accepted <= capacity + ROOM, "the queue is bounded"
    assert accepted + sum(report.refused.values()) == members
