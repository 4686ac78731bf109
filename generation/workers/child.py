"""`python -m generation.workers.child TITLE`: the far end of a PipeLink."""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.catalog import ModelSpec
from generation.diffusion.loading.sources import inspect_model
from generation.loras import LoraOffer
from generation.workers.base import Worker
from generation.workers.far_side import serve
from generation.workers.local import LocalWorker
from generation.workers.messages import Make
from generation.workers.pipes import Outlet, reader_of, take_pipes
from generation.workers.wire import read


def local_worker(specs: Sequence[ModelSpec], *, device: str, cache: Path | None, **settings: Any) -> Make:
    """Ask for a LocalWorker that draws with these models, and with the LoRAs that they offer.

    The other settings are those of `LocalWorker.for_models`: plain data.
    """
    models = tuple((spec.source, spec.config, spec.loras) for spec in specs)
    arguments = {"models": models, "device": device, "cache": str(cache) if cache else None, **settings}
    function = "generation.workers.child:make_local_worker"
    return Make(function=function, arguments=tuple(arguments.items()), device=device)


def make_local_worker(
    *, models: Sequence[tuple[str, str | None, LoraOffer]], cache: str | None, **settings: Any
) -> Worker:
    """Make it, over there. Raises ModelUnavailable."""
    specs = [replace(inspect_model(source, config), loras=loras) for source, config, loras in models]
    return LocalWorker.for_models(specs, cache=Path(cache) if cache else None, **settings)


async def _serve(inlet: int, outlet: Outlet) -> None:
    reader = await reader_of(inlet)

    async def receive() -> object:
        try:
            return await read(reader)
        except asyncio.IncompleteReadError:
            os._exit(0)  # nobody is there whom to draw for

    await serve(receive, outlet.say)


def main() -> None:
    """Draw for the process that started this one."""
    inlet, outlet = take_pipes()
    asyncio.run(_serve(inlet, outlet))
    logging.shutdown()
    os._exit(0)  # the interpreter's own end would wait for the device


if __name__ == "__main__":
    main()
