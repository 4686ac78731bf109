"""Tries again when a connection was dropped or Discord was out of order, a bounded number of times."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from bot.discord_ui.errors import is_passing

T = TypeVar("T")


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
