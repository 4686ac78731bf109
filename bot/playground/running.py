"""Running the playground: the server here, the unmodified bot beside it, both stopped by one Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from .process import BotProcess
from .server import PlaygroundServer


def _write_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run_playground(
    *,
    bot_command: Sequence[str],
    bot_env: Mapping[str, str] | None = None,
    port: int | None = None,
    stop_within: float = 20.0,
    announce: Callable[[str], None] = _write_line,
) -> int:
    """Run until Ctrl-C or SIGTERM (returns 0), or until the bot ends by itself (returns a code that is not 0).

    `bot_env` is added to this process's environment for the bot; the addresses and the token come last.
    """
    async with PlaygroundServer(port=port) as server:
        announce(f"Playground: {server.page_url}  (a simulated Discord; stop with Ctrl-C)")
        async with BotProcess(bot_command, {**(bot_env or {}), **server.environment()}) as bot:
            with _stop_signals() as stopped:
                return await _watch(bot, stopped, stop_within, announce)


async def _watch(
    bot: BotProcess, stopped: asyncio.Queue[int], stop_within: float, announce: Callable[[str], None]
) -> int:
    ended = asyncio.create_task(bot.wait(), name="playground bot")
    asked = asyncio.create_task(stopped.get(), name="playground stop signal")
    await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        asked.cancel()
        code = ended.result()
        announce(f"The bot has stopped by itself with exit code {code}; its reason is above. The playground ends.")
        return code or 1
    announce("Stopping the bot ...")
    # A second Ctrl-C is for somebody who does not want to wait.
    stopping = asyncio.create_task(bot.stop(stop_within), name="playground stop")
    again = asyncio.create_task(stopped.get(), name="playground second stop signal")
    await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        bot.kill()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    if await stopping == -signal.SIGKILL:
        announce("The bot had to be killed.")
    await ended
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
