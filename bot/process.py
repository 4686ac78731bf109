"""The process: signals, the lock on its data, exit codes, and what is done again and again."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from bot.errors import CheckFault, DatabaseInUse, DataInUse, StorageFault
from bot.operator_words import operator_words
from bot.retrying import Pause
from generation.dispatcher import Dispatcher
from generation.errors import KnownError, WorkerLost

log = logging.getLogger(__name__)

#: Exit codes, beside 0 for a clean stop.
EXIT_CANNOT_RUN = 1  #: a mistake that a restart will not mend: settings, token, model, a second bot on the same data
EXIT_UNEXPECTED = 70  #: a fault of ours, or the database is in trouble; the log says more, a restart may help
EXIT_WORKER_LOST = 75  #: the device hangs or is gone, or the lock on the database; a new process goes on with every job


class ToldToStop(Exception):
    """SIGTERM or Ctrl-C came while the bot was still starting."""


async def exit_code(work: Awaitable[int]) -> int:
    """What the work returns, or the code for what it raises; the operator reads why in the log."""
    try:
        return await work
    except KnownError as error:
        log.error("%s", operator_words(error))
        if isinstance(error, DatabaseInUse) and error.was_ours:
            return EXIT_WORKER_LOST
        # Somebody else may have locked the database, filled the disk or kept the processor busy: that passes.
        codes: dict[type[KnownError], int] = {
            WorkerLost: EXIT_WORKER_LOST,
            StorageFault: EXIT_UNEXPECTED,
            CheckFault: EXIT_UNEXPECTED,
        }
        return codes.get(type(error), EXIT_CANNOT_RUN)
    except ToldToStop:
        log.info("told to stop before I was ready")
        return 0
    except Exception:
        log.exception("the bot stopped unexpectedly")
        return EXIT_UNEXPECTED


class StopSignals:
    """SIGTERM and Ctrl-C: the first asks to stop in good order, the second to wait for nobody, a third just ends.

    A terminal that is closed (SIGHUP) asks to stop too. It says so twice, by way of the shell and of the kernel, so it
    never hurries; under `nohup` it says nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self._loop = loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.receive)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self.asked.set)

    async def pause(self, seconds: float) -> None:
        """Wait so long. Raises ToldToStop as soon as one came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.asked.wait()
        if self.asked.is_set():
            raise ToldToStop

    def receive(self) -> None:
        """One more signal."""
        if not self.asked.is_set():
            self.asked.set()
            return
        self.hurried.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(number)


def make_folder(folder: Path) -> None:
    """Make the data folder. Raises DataInUse where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.name != "nt" and folder.stat().st_mode & 0o077:
            log.warning("%s can be read by others than its owner: chmod -R go= %s", folder, folder)
    except OSError as error:
        raise DataInUse(str(folder), detail=str(error)) from error


def lock_folder(folder: Path, parts: AsyncExitStack) -> None:
    """Keep others out of the data folder. Raises DataInUse."""
    try:
        parts.enter_context(FileLock(folder / "bot.lock", timeout=0))
    except Timeout:
        raise DataInUse(str(folder)) from None
    except OSError as error:
        raise DataInUse(str(folder), detail=str(error)) from error


async def first_of(*work: Coroutine[Any, Any, Any]) -> None:
    """Wait until the first of these ends, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, wait: Pause = asyncio.sleep) -> NoReturn:
    """Do this now and again and again. Upkeep that goes wrong is no reason to stop: next time it may go well."""
    while True:
        try:
            await work()
        except StorageFault as error:
            log.warning("%s", operator_words(error))
        except Exception:
            log.exception("upkeep went wrong")
        await wait(seconds)


async def drained(dispatcher: Dispatcher[Any], stop: StopSignals, grace: float) -> None:
    """Wait to be told to stop; then still connected, refuse what is new and let what runs be finished."""
    await stop.asked.wait()
    log.info("told to stop; what is being drawn has %g seconds", grace)
    await first_of(dispatcher.drain(grace), stop.hurried.wait())


async def model_failure(dispatcher: Dispatcher[Any]) -> None:
    """Ends only with the error of a model that cannot be loaded: a bot that cannot draw should not look alive."""
    await dispatcher.ready()
    # What is here now stays: the collector need not look through all of torch again while somebody waits for an answer.
    gc.collect()
    gc.freeze()
    log.info("ready to draw")
    await asyncio.Event().wait()
