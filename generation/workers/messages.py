"""What the two halves of a worker elsewhere say to each other."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

from generation.errors import KnownError, WorkerLost
from generation.events import WorkerEvent
from generation.job import JobId, JobInputs
from generation.request import GenerationRequest

_LIBRARIES = ("torch", "diffusers", "transformers")  #: that decide how pictures look


# there


@dataclass(frozen=True, kw_only=True, slots=True)
class Make:
    """Which worker the other side is to make."""

    function: str  #: makes it, over there; "package.module:name"
    arguments: tuple[tuple[str, Any], ...] = ()  #: that it is called with, by their names
    device: str = ""  #: that it draws on, as torch calls it


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """The first word: bring the worker up, if the versions there are these."""

    versions: tuple[str, ...]
    heartbeat: float  #: seconds between two signs of life
    make: Make


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Draw this job, which begins with these pictures."""

    job_id: JobId
    request: GenerationRequest
    inputs: JobInputs


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """Stop drawing this job, and say so."""

    job_id: JobId


@dataclass(frozen=True, kw_only=True, slots=True)
class Forget:
    """Stop drawing this job; nobody listens any more."""

    job_id: JobId


@dataclass(frozen=True, kw_only=True, slots=True)
class Reorder:
    """Work for these jobs first."""

    order: tuple[JobId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Close:
    """Give the device back, and end."""


Order: TypeAlias = Open | Draw | Cancel | Forget | Reorder | Close


# back


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Which device it is, by its UUID: that no other worker may draw on. Said before anything is loaded onto it."""

    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """The worker can draw; or the error that kept it from that."""

    error: KnownError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """The device works for these jobs next. Said before it does."""

    jobs: frozenset[JobId]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What happened over there since the last one; without events it is a sign of life."""

    events: tuple[WorkerEvent, ...] = ()
    loaded: frozenset[str] | None = None  #: as Worker.loaded
    places: int = 1  #: as Worker.places


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The worker over there is lost, busy or not."""

    error: WorkerLost


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """A line for the log."""

    logger: str
    level: int
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """The last word."""


Report: TypeAlias = Found | Opened | Drawing | Batch | Lost | Logged | Closed


@cache
def versions() -> tuple[str, ...]:
    """Say what has to be the same on both sides: Python, the libraries, and the code of this package by its hash.

    Worked out once in a process, so that it tells of the code that runs, and not of what lies there after an update.
    """
    root = Path(__file__).parent.parent
    code = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        code.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    found = [f"{name} {_version(name)}" for name in _LIBRARIES]
    return f"Python {platform.python_version()}", *found, f"code {code.hexdigest()[:12]}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
