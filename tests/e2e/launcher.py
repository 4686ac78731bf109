"""`python -m tests.e2e.launcher`: the bot as `python -m bot run`, with what a test plays in its process.

The environment variable PLAY says what, as JSON; see `Play`. Nothing of the bot knows that this exists.
"""

import functools
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.app import local_worker
from bot.settings import Settings
from generation.catalog import ModelSpec
from generation.dispatcher import Dispatcher
from generation.errors import KnownError
from generation.events import WorkerEvent
from generation.job import Job, JobId
from generation.workers.base import Drawing, Worker, told_nobody
from generation.workers.local import LocalWorker
from tests.generation.workers.timed import TimedWorker

VARIABLE = "PLAY"
_WAS_KILLED = "was-killed"  #: a file in the data folder: once is enough


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """What is played. As it stands: nothing, the bot with its engine."""

    seconds: float | None = None  #: a worker without a device takes so long for a step; None: the engine draws
    room: int = 8  #: images that worker has room for
    capacity: int | None = None  #: jobs the queue holds
    #: Where the process is killed, once: "bot.storage.journal:StoredJournal.started" and "before" or "after" it.
    killed_at: str | None = None
    killed: str = "before"
    hangs: bool = False  #: the device, at the first thing it is given

    def environment(self) -> dict[str, str]:
        """The same for a process."""
        return {VARIABLE: json.dumps(asdict(self))}

    def make_worker(self, settings: Settings, specs: Sequence[ModelSpec]) -> Worker:
        """What draws."""
        if self.hangs:
            return LocalWorker(HangingEngine, patience=0.2)
        return local_worker(settings, specs) if self.seconds is None else TimedWorker(self.seconds, self.room)

    def begin(self, data: Path) -> None:
        """Put everything in its place. `data` remembers that the process was killed already."""
        if self.capacity is not None:
            Dispatcher.__init__ = functools.partialmethod(  # type: ignore[assignment, method-assign]
                Dispatcher.__init__, capacity=self.capacity
            )
        if self.killed_at is not None:
            _kill_once(self.killed_at, self.killed, data / _WAS_KILLED)


class HangingEngine:
    """A device that answers no more once it has something to do."""

    def __init__(self) -> None:
        self.drawing: Drawing = told_nobody
        self._jobs: set[JobId] = set()

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    def admit(self, job: Job, *, cancelled: Callable[[], bool]) -> None:
        self._jobs.add(job.id)

    def reorder(self, order: Sequence[JobId]) -> None:
        """None is ever done."""

    def step(self) -> list[WorkerEvent]:
        self.drawing(frozenset(self._jobs))
        threading.Event().wait()
        return []

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        return []

    def idle(self) -> bool:
        return False


def _kill_once(place: str, when: str, marker: Path) -> None:
    module, _, path = place.partition(":")
    owner_path, _, name = path.rpartition(".")
    owner: Any = importlib.import_module(module)
    for part in owner_path.split(".") if owner_path else ():
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    async def fatal(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die(marker)
        done = await original(*args, **kwargs)
        _die(marker)
        return done

    if not marker.exists():
        setattr(owner, name, fatal)


def _die(marker: Path) -> None:
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Play, then be the bot."""
    from bot.__main__ import main as run_bot

    play = Play(**json.loads(os.environ[VARIABLE]))
    play.begin(Path(os.environ["DATA_DIR"]))
    sys.argv = ["bot", "run"]
    return run_bot(make_worker=play.make_worker)


if __name__ == "__main__":
    sys.exit(main())
