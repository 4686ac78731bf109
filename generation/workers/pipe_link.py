"""PipeLink: the other side is a child process on this machine, which is spoken to through its stdin and stdout."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from generation.errors import WorkerLost
from generation.workers.messages import Closed
from generation.workers.pipes import BUFFER
from generation.workers.wire import Unreadable, encode, read

_CHILD = "generation.workers.child"
ENDING = 10.0  #: seconds to wait for a killed child to be gone


class PipeLink:
    """Starts the child, and carries frames. The kernel says at once when the child is gone."""

    def __init__(self, title: str, *, module: str = _CHILD, environment: Mapping[str, str] | None = None) -> None:
        """`title` is the child's argument, so that `ps` tells which is which; `module` is what runs there.

        `environment` takes the place of this process' own.
        """
        self._command = ("-m", module, title)
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, once it was started."""
        return self._process.pid if self._process is not None else None

    async def open(self) -> None:
        try:
            # In a session of its own: Ctrl-C in a terminal is this process' business.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=BUFFER,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerLost(detail=f"its process cannot be started: {error}") from error

    def tell(self, order: object) -> None:
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None and not pipe.is_closing():
            pipe.write(encode(order))

    async def reports(self) -> AsyncIterator[Any]:
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("open() comes first")
        while True:
            try:
                report = await read(process.stdout)
            except asyncio.IncompleteReadError as end:
                raise WorkerLost(detail=f"its process ended with {await process.wait()}") from end
            except Unreadable as error:
                raise WorkerLost(detail=f"it cannot be understood: {error}") from error
            yield report
            if isinstance(report, Closed):
                return

    async def kill(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):  # one that hangs in the kernel ends when it is let go
            async with asyncio.timeout(ENDING):  # wait_for of Python 3.11 may swallow a cancellation
                await self._process.wait()
