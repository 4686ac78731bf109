"""A done job says what decided its last bits: versions, device, precision, and how many rows its calls had."""

import diffusers
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.events import JobDone
from generation.job import Job
from generation.result import DrawnWith
from tests.generation.diffusion.conftest import load_tiny, make_job


def drawn_with(engine: DiffusionEngine, *jobs: Job) -> list[DrawnWith]:
    """What each of these was drawn with, in order."""
    for job in jobs:
        engine.admit(job)
    done = {}
    while engine.busy:
        done |= {event.job_id: event.drawn_with for event in engine.step() if isinstance(event, JobDone)}
    return [done[job.id] for job in jobs]


def test_a_job_says_what_it_was_drawn_with() -> None:
    (known,) = drawn_with(DiffusionEngine(load_tiny("epsilon"), max_rows=8), make_job("a heart", steps=2))
    assert (known.torch, known.diffusers) == (torch.__version__, diffusers.__version__)
    assert known.device.startswith("cpu ")
    assert known.dtype == "float32"
    assert known.rows == 2, "one image, guided"


def test_the_rows_are_the_most_that_a_call_had_while_the_job_was_in_it() -> None:
    engine = DiffusionEngine(load_tiny("epsilon"), max_rows=8)
    long, short = make_job("a heart", steps=5), make_job("a star", steps=2, count=3)
    assert [known.rows for known in drawn_with(engine, long, short)] == [8, 8]
    (alone,) = drawn_with(engine, make_job("a heart", steps=2, guidance_scale=1.0))
    assert alone.rows == 1


def test_with_fixed_rows_the_rows_are_those() -> None:
    engine = DiffusionEngine(load_tiny("epsilon"), max_rows=4, reproducible=True)
    (known,) = drawn_with(engine, make_job("a heart", steps=2))
    assert known.rows == 4
