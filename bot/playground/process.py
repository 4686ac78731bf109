"""The bot as a process of its own: started, asked to stop, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _ask_for_an_end_with_ours() -> None:
    """In the new process: SIGTERM when this one is gone, even by kill -9. Else the bot would hold on to its folder."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class BotProcess:
    """One run of a bot. Its output goes where ours goes, or into a file."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, output: Path | None = None) -> None:
        self._command = command
        self._env = {**os.environ, **env}
        self._output = output
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the bot was not started")
        return self._process

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def start(self) -> None:
        with contextlib.ExitStack() as files:
            output = files.enter_context(self._output.open("ab")) if self._output is not None else None
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                # A terminal's Ctrl-C reaches the whole group. In its own, the bot hears from us alone, once.
                start_new_session=True,
                preexec_fn=_ask_for_an_end_with_ours if sys.platform == "linux" else None,
            )

    async def wait(self) -> int:
        return await self.process.wait()

    def terminate(self) -> None:
        """Ask it to stop, as an init system does: SIGTERM."""
        if self.returncode is None:
            self.process.terminate()

    def kill(self) -> None:
        """End it at once, as a crash or an out-of-memory killer does: SIGKILL."""
        if self.returncode is None:
            self.process.kill()

    async def stop(self, within: float = 20.0) -> int:
        """Ask, wait, and end it if it does not go. Its exit code; -9 if it had to be killed."""
        self.terminate()
        try:
            async with asyncio.timeout(within):
                return await self.wait()
        except TimeoutError:
            return await self._end()
        except asyncio.CancelledError:
            await self._end()
            raise

    async def _end(self) -> int:
        self.kill()
        return await self.wait()

    def text(self) -> str:
        """What it wrote so far, if that went into a file."""
        return self._output.read_text(errors="replace") if self._output is not None and self._output.exists() else ""

    async def __aenter__(self) -> BotProcess:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
