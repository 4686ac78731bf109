"""The keeper: starts the bot again after it was restarted or killed on purpose, and after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from .gateway import Gateway
from .process import BotProcess
from .workers import Actors, actors_of, kill_busiest, workers_of

#: Exit codes with which a bot says that another start is of no use: a clean end, and what a person has to mend.
FINAL_CODES = (0, 1)
#: A bot that is killed this often before it has once been connected is given up.
MOST_TRIES = 3
#: Seconds before a start; doubled each time as long as the bot does not live for SETTLED seconds.
PAUSE, LONGEST_PAUSE, SETTLED = 1.0, 30.0, 60.0


class Phase(StrEnum):
    """What the bot is doing, for the page."""

    STARTING = "starting"
    ONLINE = "online"
    STOPPING = "stopping"
    STOPPED = "stopped"


class BotKeeper:
    """Keeps one bot running until it is stopped, or ends in a way that another start does not mend."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        gateway: Gateway,
        announce: Callable[[str], None],
        stop_within: float = 20.0,
        workers: str | None = None,
        actors: Actors | None = None,
    ) -> None:
        """`workers`: a word in the command lines of those of the bot's children that draw; None where it has none.

        `actors`: those of a Ray cluster that draw for it.
        """
        self._workers = workers
        self._actors = actors
        self._command = command
        self._env = env
        self._gateway = gateway
        self._announce = announce
        self._stop_within = stop_within
        self._bot: BotProcess | None = None
        self._connections = 0  #: how many there had been before this run
        self._asked: str | None = None  #: what somebody on the page wants of this run
        self._ending = asyncio.Event()
        self._stopping: asyncio.Task[int] | None = None

    @property
    def phase(self) -> Phase:
        if self._bot is None or self._bot.returncode is not None:
            return Phase.STOPPED
        if self._stopping is not None and not self._stopping.done():
            return Phase.STOPPING
        return Phase.ONLINE if self._has_connected and self._gateway.connected else Phase.STARTING

    @property
    def _has_connected(self) -> bool:
        return self._gateway.identified > self._connections

    @property
    def _is_running(self) -> bool:
        return self._bot is not None and self._bot.returncode is None

    async def run(self) -> int:
        """Start the bot, again and again; the exit code of its last run."""
        tries, pause = 0, PAUSE
        code = 0
        while not self._ending.is_set():
            self._connections, self._asked, started = self._gateway.identified, None, time.monotonic()
            bot = BotProcess(self._command, self._env)
            await bot.start()
            self._bot = bot
            if self._ending.is_set():  # while it was started
                await bot.stop(self._stop_within)
            code = await bot.wait()
            tries = 0 if self._has_connected or self._asked else tries + 1
            if self._ending.is_set() or not self._comes_back(code, tries):
                break
            pause = PAUSE if self._asked or time.monotonic() - started > SETTLED else min(2 * pause, LONGEST_PAUSE)
            reason = self._asked or f"The bot has ended with exit code {code}"
            self._announce(f"{reason}. It starts again in {pause:g} s.")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
        return code

    def _comes_back(self, code: int, tries: int) -> bool:
        if self._asked:
            return True
        return code not in FINAL_CODES and (tries == 0 or (code < 0 and tries < MOST_TRIES))

    def restart(self) -> None:
        """Ask the bot to stop, as an operator does; it comes back."""
        if self._is_running and self._bot is not None and self.phase is not Phase.STOPPING:
            self._asked = "The bot was restarted from the page"
            self._stopping = asyncio.create_task(self._bot.stop(self._stop_within), name="playground bot restart")

    def kill(self) -> None:
        """End the bot at once, as a power cut does; it comes back."""
        if self._is_running and self._bot is not None:
            self._asked = "The bot was killed (-9) from the page"
            self._bot.kill()

    @property
    def workers(self) -> int | None:
        """How many processes beside the bot's draw on this machine now; None where none ever does."""
        found = self._found()
        return None if found is None else len(found)

    async def kill_worker(self) -> None:
        """End the one that draws the most at once, as a crash does. The bot has to start another one."""
        await kill_busiest(self._found() or [])

    def _found(self) -> list[int] | None:
        actors = actors_of(self._actors) if self._actors is not None else None
        if self._workers is None and actors is None:
            return None
        if not self._is_running or self._bot is None:
            return []
        children = workers_of(self._bot.process.pid, self._workers) if self._workers is not None else []
        return children + (actors or [])

    async def stop(self) -> int | None:
        """Ask the bot to stop, for good; its exit code, if it ran. The second call ends it at once."""
        if self._ending.is_set() and self._is_running and self._bot is not None:
            self._bot.kill()
        self._ending.set()
        return await self._bot.stop(self._stop_within) if self._bot is not None and self._is_running else None
