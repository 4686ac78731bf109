"""`python -m generation.workers.child TITLE`: the far end of a PipeLink."""

import asyncio
import importlib
import logging
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.catalog import ModelSpec
from generation.diffusion.loading.sources import inspect_model
from generation.errors import KnownError, ModelUnavailable
from generation.loras import LoraOffer
from generation.workers.base import Worker
from generation.workers.host import Host
from generation.workers.local import LocalWorker
from generation.workers.messages import Closed, Logged, Make, Open, Opened, Report, versions
from generation.workers.pipe_link import BUFFER
from generation.workers.wire import Unreadable, encode, read


def local_worker(specs: Sequence[ModelSpec], *, cache: Path | None, **settings: Any) -> Make:
    """Ask for a LocalWorker that draws with these models, and with the LoRAs that they offer.

    The other settings are those of `LocalWorker.for_models`: plain data.
    """
    models = tuple((spec.source, spec.config, spec.loras) for spec in specs)
    arguments = {"models": models, "cache": str(cache) if cache else None, **settings}
    return Make(function="generation.workers.child:make_local_worker", arguments=tuple(arguments.items()))


def make_local_worker(
    *, models: Sequence[tuple[str, str | None, LoraOffer]], cache: str | None, **settings: Any
) -> Worker:
    """Make it, over there. Raises ModelUnavailable."""
    specs = [replace(inspect_model(source, config), loras=loras) for source, config, loras in models]
    return LocalWorker.for_models(specs, cache=Path(cache) if cache else None, **settings)


class Outlet:
    """The pipe back. May be written to in any thread."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "wb")
        self._lock = threading.Lock()

    def say(self, report: Report) -> None:
        """Send a report, however long the other side takes to read what came before."""
        frame = encode(report)
        with self._lock:
            try:
                self._pipe.write(frame)
                self._pipe.flush()
            except BrokenPipeError:
                os._exit(0)  # nobody is there whom to draw for


class OutletHandler(logging.Handler):
    """Sends the log's lines, with traces, to where the other lines are."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        """Send one."""
        self._outlet.say(Logged(logger=record.name, level=record.levelno, line=self.format(record)))


async def serve(inlet: int, outlet: Outlet) -> None:
    """Be the worker until the other side closes it, or is gone."""
    reader = asyncio.StreamReader(limit=BUFFER)
    pipe = os.fdopen(inlet, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        first = await read(reader)
    except Unreadable:
        first = None
    if not isinstance(first, Open) or first.versions != versions():
        theirs = first.versions if isinstance(first, Open) else ()
        differ = ", ".join(sorted(set(versions()) - set(theirs)))
        outlet.say(Opened(error=ModelUnavailable("?", "other_version", detail=differ)))
        return
    module, _, name = first.make.function.partition(":")
    try:
        worker: Worker = getattr(importlib.import_module(module), name)(**dict(first.make.arguments))
    except KnownError as error:
        outlet.say(Opened(error=error))
        return
    host = Host(worker, outlet.say, heartbeat=first.heartbeat)

    async def listen() -> None:
        try:
            while True:
                host.obey(await read(reader))
        except asyncio.IncompleteReadError:
            os._exit(0)  # nobody is there whom to draw for

    listening = asyncio.create_task(listen())
    await host.run()
    listening.cancel()
    outlet.say(Closed())


def main() -> None:
    """Keep both pipes for frames: what libraries print goes to stderr."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a service manager may tell all processes; the other side decides
    inlet, outlet = os.dup(0), Outlet(os.dup(1))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, handlers=[OutletHandler(outlet)])
    asyncio.run(serve(inlet, outlet))
    logging.shutdown()
    os._exit(0)  # the interpreter's own end would wait for the device


if __name__ == "__main__":
    main()
