"""Waiting for what tells no asyncio.Event: another process, a file, a row, /proc."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], *, within: float = 90.0) -> None:
    """Wait until the condition holds, for so many seconds at most. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)
