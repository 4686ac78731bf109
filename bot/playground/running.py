"""Running the playground: the server here, the unmodified bot beside it, both stopped by one Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .keeper import BotKeeper
from .server import PlaygroundServer
from .workers import Actors


def _write_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run_playground(
    *,
    bot_command: Sequence[str],
    bot_env: Mapping[str, str] | None = None,
    port: int | None = None,
    keep_in: Path | None = None,
    note: str | None = None,
    stop_within: float = 20.0,
    workers: str | None = None,
    actors: Actors | None = None,
    announce: Callable[[str], None] = _write_line,
) -> int:
    """Run until Ctrl-C or SIGTERM (returns 0), or until the bot ends for good (returns a code that is not 0).

    `bot_env` is added to this process's environment for the bot; the addresses and the token come last. Without a
    port: 8400, or a free one where that is taken. A port that cannot be had is said in one sentence, and returns 1.
    Messages are kept in the folder `keep_in`, if there is one. The page shows the note, about this run of the bot.
    `workers`: a word in the command lines of those of the bot's children that draw, of which the page can end one; it
    can also end one of the `actors` of a Ray cluster that are on this machine.
    """
    server = PlaygroundServer(port=port, keep_in=keep_in, note=note)
    try:
        await server.start()
    except (OSError, OverflowError) as error:
        announce(_no_port(port, error))
        return 1
    try:
        announce(f"Playground: {server.page_url}  (a simulated Discord; stop with Ctrl-C)")
        keeper = server.keep(
            bot_command, bot_env or {}, stop_within=stop_within, workers=workers, actors=actors, announce=announce
        )
        with _stop_signals() as stopped:
            return await _watch(keeper, stopped, announce)
    finally:
        await server.close()


def _no_port(port: int | None, error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return f"{port} is no port: write one from 1 to 65535 after --port, or leave it out."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program: write another one after --port, or leave it out."
    return f"The playground cannot listen on port {port} ({error.strerror}): write another one after --port."


async def _watch(keeper: BotKeeper, stopped: asyncio.Queue[int], announce: Callable[[str], None]) -> int:
    running = asyncio.create_task(keeper.run(), name="playground bot")
    asked = asyncio.create_task(stopped.get(), name="playground stop signal")
    await asyncio.wait((running, asked), return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        asked.cancel()
        code = running.result()
        announce(f"The bot has stopped by itself with exit code {code}; its reason is above. The playground ends.")
        return code if code > 0 else 1
    announce("Stopping the bot ...")
    # A second Ctrl-C is for somebody who does not want to wait.
    stopping = asyncio.create_task(keeper.stop(), name="playground stop")
    again = asyncio.create_task(stopped.get(), name="playground second stop signal")
    await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await keeper.stop()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    if await stopping == -signal.SIGKILL:
        announce("The bot had to be killed.")
    await running
    return 0


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Queue[int]]:
    """A queue of the signals that ask for an end, instead of what they would do."""
    received: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, received.put_nowait, number)
    try:
        yield received
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
