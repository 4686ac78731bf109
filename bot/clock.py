"""The clock of the whole application, and how far it may be believed. Parts are given one, so that tests can set it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias

log = logging.getLogger(__name__)

Clock: TypeAlias = Callable[[], datetime]  #: says the time, in UTC

MOST_APART = timedelta(hours=1)  #: the clock and Discord's; a difference that nobody's deletions should rest on


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class ClockCheck:
    """Compares the clock with Discord's: with what an answer of Discord said last, and the time since by a clock that
    nobody can set."""

    def __init__(self, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._said: datetime | None = None
        self._said_at = 0.0  #: by the monotonic clock
        self._heard = asyncio.Event()
        self._listening = True

    def hear(self, date: str | None) -> None:
        """The `Date` header of an answer of Discord. One is enough until the next look; nonsense is passed over."""
        if not self._listening or date is None:
            return
        try:
            said = parsedate_to_datetime(date)
        except ValueError:
            return
        self._said = said if said.tzinfo else said.replace(tzinfo=UTC)
        self._said_at = self._monotonic()
        self._listening = False
        self._heard.set()

    async def is_right(self, ask: Callable[[], Awaitable[object]]) -> bool:
        """Whether the clock may be believed, and a line in the log where not. Waits for the first answer of Discord.

        Later looks `ask` Discord for something, as hours may pass without an answer; one that fails is no matter.
        """
        if self._heard.is_set():
            self._listening = True
            await ask()
        while (said := self._said) is None:
            log.info("no picture is removed to make room before Discord has said what time it is")
            await self._heard.wait()
        # In this order, as a sum may be past the last day there is.
        apart = self._clock() - said - timedelta(seconds=self._monotonic() - self._said_at)
        if abs(apart) > MOST_APART:
            hours, which = abs(apart) / timedelta(hours=1), "ahead of" if apart > timedelta() else "behind"
            log.warning(
                "this computer's clock is %.1f hours %s Discord's: no picture is removed, and a day's limits begin and "
                "end when it says so",
                hours,
                which,
            )
            return False
        return True
