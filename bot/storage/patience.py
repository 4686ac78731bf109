"""Tries again while the disk or the database is in trouble, a bounded number of times."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from bot.storage.errors import StorageFault

log = logging.getLogger(__name__)

T = TypeVar("T")
Pause: TypeAlias = Callable[[float], Awaitable[None]]  #: waits so many seconds

WRITE_ATTEMPTS = 6  #: beside the seconds that each attempt itself waits for a busy database


async def patiently(write: Callable[[], Awaitable[T]], *, doing: str, pause: Pause = asyncio.sleep) -> T:
    """What `write` returns in the end. Pauses double from a quarter of a second; raises the last StorageFault."""

    def say(state: RetryCallState) -> None:
        log.warning("%s: %s; trying again", doing, state.outcome and state.outcome.exception())

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StorageFault),
        stop=stop_after_attempt(WRITE_ATTEMPTS),
        # The random part keeps those who failed together from coming back together.
        wait=wait_exponential(multiplier=0.25, max=8) + wait_random(0, 0.25),
        before_sleep=say,
        sleep=pause,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await write()
    raise AssertionError("tenacity raises when attempts run out")
