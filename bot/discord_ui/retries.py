"""Tries again, a bounded number of times: when a connection was dropped, Discord out of order, the database busy."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, retry_if_exception_type, stop_after_attempt, wait_exponential

from bot.discord_ui.errors import is_passing
from bot.services.errors import StorageFault

log = logging.getLogger(__name__)

T = TypeVar("T")

_WRITE_ATTEMPTS = 6  #: beside the seconds that each attempt itself waits for a busy database


async def through_dropped_connections(request: Callable[[], Awaitable[T]], *, attempts: int) -> T:
    """The request's result. Pauses double from a quarter of a second; raises what the last attempt raised."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_passing),
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=0.25, max=8),
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await request()
    raise AssertionError("tenacity raises when attempts run out")


async def written_down(write: Callable[[], Awaitable[None]], *, doing: str) -> bool:
    """Whether it could be written down in the end. What people see already is not taken back because it was not."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StorageFault),
        stop=stop_after_attempt(_WRITE_ATTEMPTS),
        wait=wait_exponential(multiplier=0.25, max=8),
        reraise=True,
    )
    try:
        async for attempt in retrying:
            with attempt:
                await write()
    except StorageFault:
        log.exception("%s could not be written down", doing)
        return False
    return True
