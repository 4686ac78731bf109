"""The far side of any link: whoever speaks is checked, the worker is made, and a Host obeys orders to the end."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from generation.diffusion.loading.devices import identity
from generation.errors import KnownError, ModelUnavailable
from generation.workers.base import Worker
from generation.workers.host import Host
from generation.workers.messages import Closed, Found, Open, Opened, Report, versions
from generation.workers.wire import Unreadable


async def serve(receive: Callable[[], Awaitable[Any]], say: Callable[[Report], None]) -> None:
    """Be the worker until the other side closes it.

    `receive` waits for the next order. `say` sends a report; it is called in any thread, and may block. Raises what
    goes wrong with an order, or with what is said: nobody can rely on this side any more.
    """
    try:
        first = await receive()
    except Unreadable:
        first = None
    if not isinstance(first, Open) or first.versions != versions():
        theirs = first.versions if isinstance(first, Open) else ()
        differ = ", ".join(sorted(set(versions()) - set(theirs)))
        say(Opened(error=ModelUnavailable("?", "other_version", detail=differ)))
        return
    module, _, name = first.make.function.partition(":")
    try:
        worker: Worker = getattr(importlib.import_module(module), name)(**dict(first.make.arguments))
        if device := await asyncio.to_thread(identity, first.make.device):
            say(Found(device=device))
    except KnownError as error:
        say(Opened(error=error))
        return
    host = Host(worker, say, heartbeat=first.heartbeat)

    async def listen() -> None:
        while True:
            host.obey(await receive())

    listening, running = asyncio.create_task(listen()), asyncio.create_task(host.run())
    await asyncio.wait({listening, running}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        listening.result()  # one that listens no more is of no use: it raises, and the process ends
    listening.cancel()
    running.result()
    say(Closed())
