"""Tries again, a bounded number of times: when a connection was dropped, Discord out of order, the database busy."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random_exponential,
)

from bot.discord_ui.errors import is_passing
from bot.services.errors import StorageFault
from bot.storage.patience import Pause, patiently

log = logging.getLogger(__name__)

T = TypeVar("T")


async def through_dropped_connections(
    request: Callable[[], Awaitable[T]], *, attempts: int, pause: Pause = asyncio.sleep
) -> T:
    """The request's result. Pauses double from a quarter of a second; raises what the last attempt raised."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_passing),
        stop=stop_after_attempt(attempts),
        # Half of each pause is chance, so that a hundred posts that failed together do not come back together.
        wait=wait_exponential(multiplier=0.125, max=4) + wait_random_exponential(multiplier=0.125, max=4),
        sleep=pause,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await request()
    raise AssertionError("tenacity raises when attempts run out")


async def written_down(write: Callable[[], Awaitable[T]], *, doing: str) -> T | None:
    """What `write` returns; None when it could not be written down: what people see already is not taken back."""
    try:
        return await patiently(write, doing=doing)
    except StorageFault:
        log.exception("%s could not be written down", doing)
        return None
