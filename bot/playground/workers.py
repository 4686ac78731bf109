"""The bot's workers: its children or a Ray cluster's actors. Found in /proc, so on Linux and on this machine only."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LOOK = 0.2  #: seconds of work by which the busiest is known


@dataclass(frozen=True, kw_only=True, slots=True)
class Actors:
    """Which processes of a Ray cluster draw, whichever bot has started them: a cluster is one bot's."""

    kind: str  #: the name of their class, which Ray puts into their titles
    address: str  #: host:port of the cluster's head, as its raylets were told


def workers_of(pid: int, word: str) -> list[int]:
    """The children of a process that have this word in their command line."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children if word in _command(child)]


def actors_of(actors: Actors) -> list[int] | None:
    """Those on this machine that belong to this cluster and to our user; None where it has no node here."""
    commands = dict(_ours())
    head = f"--gcs-address={actors.address}"
    nodes = {pid for pid, command in commands.items() if command[0].endswith("/raylet") and head in command}
    title = f"ray::{actors.kind}."  # "ray::FarActor" at rest, "ray::FarActor.reports" at work
    drawing = [pid for pid, command in commands.items() if f"{command[0]}.".startswith(title)]
    return [pid for pid in drawing if _parent(pid) in nodes] if nodes else None


async def kill_busiest(workers: list[int]) -> None:
    """End the one that works hardest just now, at once, as a crash of its driver does: SIGKILL."""
    before = {worker: _processor(worker) for worker in workers}
    await asyncio.sleep(_LOOK)
    busiest = max(workers, key=lambda worker: _processor(worker) - before[worker], default=None)
    if busiest is not None and _command(str(busiest)):
        os.kill(busiest, signal.SIGKILL)


def _ours() -> Iterator[tuple[int, list[str]]]:
    """The processes of our user, each with its command."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is gone
            if entry.stat().st_uid == os.geteuid():
                yield int(entry.name), _command(entry.name).split("\0")


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:  # it is gone
        return ""


def _parent(pid: int) -> int:
    return int(fields[1]) if (fields := _figures(pid)) else 0


def _processor(pid: int) -> int:
    """The clock ticks that it has worked."""
    return int(fields[11]) + int(fields[12]) if (fields := _figures(pid)) else 0


def _figures(pid: int) -> list[str]:
    """What stands behind its name in /proc/PID/stat; nothing once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
