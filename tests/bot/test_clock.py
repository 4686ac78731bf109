"""How far the computer's clock may be believed: it is compared with Discord's."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import ClockCheck

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
SAID = "Fri, 17 May 2030 12:00:00 GMT"


class Clocks:
    """Both clocks of a computer, moved by hand, and a check of the one that can be set."""

    def __init__(self) -> None:
        self.now = NOON
        self.since_the_start = 1000.0
        self.check = ClockCheck(clock=lambda: self.now, monotonic=lambda: self.since_the_start)
        self.asked = 0
        self.answer: str | None = None

    def pass_(self, **time: float) -> None:
        """Both go on."""
        self.now += timedelta(**time)
        self.since_the_start += timedelta(**time).total_seconds()

    async def is_right(self) -> bool:
        """A look, before which Discord answers, if it does."""
        return await self.check.is_right(self._ask)

    async def _ask(self) -> None:
        self.asked += 1
        self.check.hear(self.answer)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.mark.parametrize(("hours", "right"), [(0.9, True), (-0.9, True), (1.1, False), (-1.1, False), (8760, False)])
async def test_a_clock_more_than_an_hour_from_discords_is_not_believed(clocks, caplog, hours, right):
    clocks.check.hear(SAID)
    clocks.now += timedelta(hours=hours)
    assert await clocks.is_right() is right
    assert len(caplog.records) == (not right)
    if not right:
        assert f"{abs(hours):.1f} hours {'ahead of' if hours > 0 else 'behind'} Discord's" in caplog.text


async def test_before_the_first_answer_a_look_says_so_once_and_waits(clocks, caplog):
    caplog.set_level("INFO")
    looking = asyncio.create_task(clocks.is_right())
    clocks.check.hear(None)
    clocks.check.hear("the day before yesterday")
    for _ in range(5):
        await asyncio.sleep(0)
    assert not looking.done()
    assert [record.message for record in caplog.records] == [
        "no picture is removed to make room before Discord has said what time it is"
    ]
    clocks.check.hear(SAID)
    assert await looking
    assert clocks.asked == 0


async def test_each_later_look_asks_discord_anew(clocks):
    clocks.check.hear(SAID)
    assert await clocks.is_right()
    clocks.pass_(hours=1)
    clocks.answer = "Fri, 17 May 2030 18:00:00 GMT"
    assert not await clocks.is_right()
    clocks.now += timedelta(hours=5)
    assert await clocks.is_right()


async def test_where_discord_does_not_answer_the_clock_is_compared_with_one_that_nobody_can_set(clocks):
    clocks.check.hear(SAID)
    clocks.pass_(days=3)
    assert await clocks.is_right()
    clocks.now += timedelta(hours=2)
    assert not await clocks.is_right()
    clocks.check.hear("Mon, 20 May 2030 14:00:00 GMT")
    assert await clocks.is_right(), "the computer slept: the next answer, to whatever question, is listened to"


async def test_one_answer_is_listened_to_until_the_next_look(clocks):
    clocks.check.hear(SAID)
    clocks.check.hear("Fri, 17 May 2030 18:00:00 GMT")
    assert await clocks.is_right()


async def test_the_last_day_there_is_does_not_end_the_look(clocks):
    clocks.check.hear("Fri, 31 Dec 9999 23:59:59 GMT")
    clocks.pass_(hours=1)
    assert not await clocks.is_right()
