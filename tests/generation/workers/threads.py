"""The thread of a LocalWorker, seen from outside: by its name."""

import asyncio
import threading


def is_alive(name: str) -> bool:
    """Whether a thread of this name runs."""
    return any(thread.name == name for thread in threading.enumerate())


async def thread_has_ended(name: str) -> None:
    """Wait until no thread of this name runs."""
    for thread in threading.enumerate():
        if thread.name == name:
            await asyncio.to_thread(thread.join)
