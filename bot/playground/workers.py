"""The bot's workers: those of its children that draw. Found in /proc, so on Linux only."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

_LOOK = 0.2  #: seconds of work by which the busiest is known


def workers_of(pid: int, word: str) -> list[int]:
    """The children of a process that have this word in their command line."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children if word in _command(child)]


async def kill_busiest(workers: list[int]) -> None:
    """End the one that works hardest just now, at once, as a crash of its driver does: SIGKILL."""
    before = {worker: _processor(worker) for worker in workers}
    await asyncio.sleep(_LOOK)
    busiest = max(workers, key=lambda worker: _processor(worker) - before[worker], default=None)
    if busiest is not None and _command(str(busiest)):
        os.kill(busiest, signal.SIGKILL)


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it is gone
        return ""


def _processor(pid: int) -> int:
    """The clock ticks that it has worked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
