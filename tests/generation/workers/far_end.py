"""A worker in a child process, told what to play: `FarEnd` here, `make` there, and a socket between them."""

import asyncio
import os
import signal
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from generation.errors import DoesNotFit
from generation.events import ImageReady, JobDone
from generation.job import Job
from generation.result import GeneratedImage
from generation.workers.base import Worker
from generation.workers.fake import FakeWorker
from generation.workers.messages import Make
from generation.workers.stream import EventStream
from tests.generation.workers.timed import TimedWorker


class FarEnd:
    """Asks the worker over there to do something, and waits until it has."""

    def __init__(self, *, room: int = 8, loaded: str | None = None) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._folder = tempfile.TemporaryDirectory()
        path = str(Path(self._folder.name) / "far")
        self._listening.bind(path)
        self._listening.listen()
        self._talk: socket.socket | None = None
        self.make = Make(
            function="tests.generation.workers.far_end:make",
            arguments=(("path", path), ("room", room), ("loaded", loaded)),
        )
        self.pid = 0

    def ask(self, *words: str) -> None:
        """Ask it to play. One that is gone need not."""
        with suppress(OSError):
            talk = self._connected()
            talk.sendall(" ".join(words).encode() + b"\n")
            talk.recv(100)

    def kill(self) -> None:
        """End its process at once."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """Let its process stand still."""
        self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        self._connected()
        os.kill(self.pid, number)

    def close(self) -> None:
        """Give the socket back."""
        if self._talk is not None:
            self._talk.close()
        self._listening.close()
        self._folder.cleanup()

    def _connected(self) -> socket.socket:
        if self._talk is None:
            self._talk, _ = self._listening.accept()
            self.pid = int(self._talk.recv(100))
        return self._talk


class LargePictures(FakeWorker):
    """Its pictures have as many bytes as was asked for."""

    size = 0

    def draw(self, job: Job) -> EventStream:
        stream = super().draw(job)
        if self.size:
            png = bytes(self.size - 1) + b"\1"
            stream.put(ImageReady(job_id=job.id, image=GeneratedImage(index=0, seed=0, width=1, height=1, png=png)))
            stream.put(JobDone(job_id=job.id, device_seconds=1.0))
        return stream


def make(*, path: str, room: int, loaded: str | None) -> Worker:
    """Make the worker, in its process."""
    worker = LargePictures(room, hold=True, loaded=loaded)
    loop = asyncio.get_running_loop()
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(path)
    talk.sendall(str(os.getpid()).encode())
    threading.Thread(target=_obey, args=(talk, worker, loop), daemon=True).start()
    return worker


def _obey(talk: socket.socket, worker: LargePictures, loop: asyncio.AbstractEventLoop) -> None:
    for line in talk.makefile():
        word, *rest = line.split()
        while word == "step" and UUID(rest[0]) not in {job.id for job in worker.drawn}:
            time.sleep(0.001)  # it is still on its way
        asyncio.run_coroutine_threadsafe(_play(worker, word, *rest), loop).result()
        talk.sendall(b"done")


async def _play(worker: LargePictures, word: str, *rest: str) -> None:
    match word:
        case "release":
            worker.release()
        case "fail_next":
            worker.fail_next(RuntimeError("boom"))
        case "step":
            worker.steps(UUID(rest[0]), 1)
        case "large":
            worker.size = int(rest[0])
        case "no_memory":
            worker.fail_next(DoesNotFit(32, 32))
        case "lose":
            worker.lose()


def poisonable(*, room: int) -> Worker:
    """Make a worker that takes its time, and whose process dies in the third step for a job that asks for poison."""

    class Poisonable(TimedWorker):
        def steps(self, job_id: UUID, step: int) -> None:
            super().steps(job_id, step)
            if step == 3 and any(job.id == job_id and job.request.prompt == "poison" for job in self.drawn):
                os.kill(os.getpid(), signal.SIGKILL)

    return Poisonable(0.02, room)
