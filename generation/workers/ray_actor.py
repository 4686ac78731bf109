"""FarActor is the far side of a RayLink: one process on some machine of a Ray cluster, one device."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

from generation.workers.far_side import serve
from generation.workers.messages import Drawing, Report
from generation.workers.pipes import LogOutlet
from generation.workers.wire import decode, encode

ANSWER = 5.0  #: seconds for which the device waits until it is known over there for whom it works

log = logging.getLogger(__name__)


class FarActor:
    """Ray makes it an actor. Its calls may arrive in any order; orders are obeyed in theirs."""

    def __init__(self) -> None:
        self._early: dict[int, bytes] = {}  #: orders that others come before, by their numbers
        self._next = 0
        self._orders: asyncio.Queue[bytes] = asyncio.Queue()
        self._reports: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._heard: dict[int, threading.Event] = {}
        self._said = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def obey(self, number: int, frame: bytes) -> None:
        """Take an order, the first one has the number 0."""
        self._early[number] = frame
        while (frame := self._early.pop(self._next, b"")) != b"":
            self._next += 1
            self._orders.put_nowait(frame)

    async def heard(self, number: int) -> None:
        """Note that a report has arrived."""
        if (event := self._heard.pop(number, None)) is not None:
            event.set()

    async def reports(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield frames to the end, each with a number where an answer is waited for, or 0."""
        self._loop = asyncio.get_running_loop()
        logging.basicConfig(level=logging.INFO, handlers=[LogOutlet(self._say)], force=True)
        _be_no_nicer()
        serving = asyncio.create_task(serve(self._receive, self._say))
        serving.add_done_callback(lambda _: self._reports.put_nowait(None))
        while (report := await self._reports.get()) is not None:
            yield report
        await serving

    async def _receive(self) -> Any:
        return decode(await self._orders.get())

    def _say(self, report: Report) -> None:
        """Send a report. For whom the device works has to be known before it does: it may take the process down."""
        loop, frame, number = self._loop, encode(report), 0
        if loop is None:
            raise RuntimeError("reports() comes first")
        heard = threading.Event()
        if isinstance(report, Drawing) and report.jobs and not _is_here(loop):
            self._said = number = self._said + 1
            self._heard[number] = heard
        loop.call_soon_threadsafe(self._reports.put_nowait, (number, frame))
        if number:
            heard.wait(ANSWER)


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _be_no_nicer() -> None:
    """Take back the niceness of 15 with which Ray starts processes: they would lose every fight for a core."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    except OSError:
        log.warning(
            "this process has the niceness %d: start Ray with RAY_worker_niceness=0", os.getpriority(os.PRIO_PROCESS, 0)
        )
