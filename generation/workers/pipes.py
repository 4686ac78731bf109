"""The far ends of the pipes to a child process: what it reads, and what it writes to in any thread."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable

from generation.workers.messages import Logged
from generation.workers.wire import encode

BUFFER = 2**20  #: bytes that are read ahead; a picture has a few times as many


class Outlet:
    """The pipe back. May be written to in any thread."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "wb")
        self._lock = threading.Lock()

    def say(self, message: object) -> None:
        """Send a message, however long the other side takes to read what came before."""
        frame = encode(message)
        with self._lock:
            try:
                self._pipe.write(frame)
                self._pipe.flush()
            except BrokenPipeError:
                os._exit(0)  # nobody is there whom to work for


class LogOutlet(logging.Handler):
    """Sends the log's lines, with traces, to where the other lines are."""

    def __init__(self, say: Callable[[Logged], None]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Send one."""
        self._say(Logged(logger=record.name, level=record.levelno, line=self.format(record)))


def take_pipes() -> tuple[int, Outlet]:
    """Keep stdin, a descriptor, and stdout for messages; what libraries print goes to stderr, the log with messages.

    A service manager's signals may go to all processes; what they mean is for the other side to decide.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    inlet, outlet = os.dup(0), Outlet(os.dup(1))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, handlers=[LogOutlet(outlet.say)])
    return inlet, outlet


async def reader_of(inlet: int) -> asyncio.StreamReader:
    """Return what reads a pipe."""
    reader = asyncio.StreamReader(limit=BUFFER)
    pipe = os.fdopen(inlet, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
