"""Pictures alone against in a crowd, in decibels."""

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from generation.diffusion.engine.loop import DiffusionEngine
from generation.events import ImageReady
from generation.job import Job
from tests.benchmarks import peers


def alone_and_in_a_crowd(engine: Callable[[], DiffusionEngine], jobs: Sequence[Job]) -> list[float]:
    """The signal to noise ratio of each job's picture, drawn with the others and alone; infinite where equal."""
    together = _pictures(engine(), jobs)
    return [_decibels(_pictures(engine(), [job])[job.request.seed], together[job.request.seed]) for job in jobs]


def _pictures(engine: DiffusionEngine, jobs: Sequence[Job]) -> dict[int, bytes]:
    return {event.image.seed: event.image.png for event in peers.drive(engine, jobs) if isinstance(event, ImageReady)}


def _decibels(one: bytes, other: bytes) -> float:
    """Peak signal to noise ratio, 10 log10(255^2 / mean square error)."""
    first, second = (np.asarray(Image.open(io.BytesIO(png))).astype(float) for png in (one, other))
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
