"""C5 to C8: what does not move with a noisy neighbour. The same checks are tests; here they are numbers."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from generation.diffusion.compiled.graphs import OFTEN, Graphs
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.calls import part_of
from generation.job import Job
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import drive
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import BOUND, crowd, latents_alone, latents_in_a_crowd
from tests.generation.diffusion.tiny_models import KINDS

BUCKETS = (2, 4, 8)
NAMES = {torch.float32: ("C5", 1.1e-4), torch.float64: ("C5_float64", 1.8e-13)}


def measure_exactness() -> list[Figure]:
    """All of them, on tiny random models."""
    return [
        *(_difference(dtype) for dtype in BOUND),
        _bit_equal(),
        _rows_an_image(),
        measure_padding(),
        measure_graphs(),
        _ticks_to_cancel(),
    ]


def _difference(dtype: torch.dtype) -> Figure:
    name, stretch = NAMES[dtype]
    return Figure(
        name=name,
        meaning=f"largest latent difference to diffusers, {str(dtype).removeprefix('torch.')}",
        value=max(_largest(kind, dtype) for kind in KINDS),
        bar=BOUND[dtype],
        stretch=stretch,
        unit="",
        note=f"{len(crowd())} schedulers, {len(KINDS)} kinds of model, joining and leaving",
    )


def _largest(kind: str, dtype: torch.dtype) -> float:
    model = load_tiny(kind, dtype)
    jobs = crowd()
    ours = latents_in_a_crowd(model, jobs)
    return max((ours[job.request.seed] - latents_alone(model, job)).abs().max().item() for job in jobs)


def _bit_equal() -> Figure:
    model, jobs = load_tiny("epsilon"), crowd()
    together = latents_in_a_crowd(model, jobs, reproducible=True)
    alone = {job.request.seed: latents_in_a_crowd(model, [job], reproducible=True)[job.request.seed] for job in jobs}
    equal = [torch.equal(together[seed], latents) for seed, latents in alone.items()]
    return Figure(
        name="C6",
        meaning="share of pictures bit-equal alone and in a crowd, fixed rows",
        value=sum(equal) / len(equal),
        bar=1.0,
        unit="",
        lower_is_better=False,
    )


def _rows_an_image() -> Figure:
    engine, jobs = DiffusionEngine(load_tiny("epsilon")), crowd()
    drive(engine, jobs)
    ideal = sum(job.request.steps * (2 if job.request.guidance_scale > 1 else 1) for job in jobs)
    return Figure(
        name="C7", meaning="U-Net rows / (steps x rows of guidance)", value=engine.rows / ideal, bar=1.0, unit=""
    )


def measure_padding() -> Figure:
    """Jobs of one and of two rows come and go, where row counts of 2, 4 and 8 have a graph."""
    model = load_tiny("epsilon")
    model.row_buckets = lambda shape: BUCKETS  # type: ignore[method-assign]
    engine = DiffusionEngine(model)
    worst, unpadded = 0.0, 0
    arriving = iter([*crowd(), *crowd()])
    engine.admit(next(arriving))
    while engine.busy:
        before = engine.rows
        engine.step()
        unpadded += engine.rows - before not in (0, *BUCKETS)
        worst = max(worst, engine.padded_rows / engine.rows)
        if (job := next(arriving, None)) is not None:
            engine.admit(job)
    if not engine.padded_rows:
        raise RuntimeError("nothing was padded: the figure would mean nothing")
    return Figure(
        name="C7_padding",
        meaning="largest share of padded rows up to any step",
        value=worst,
        bar=0.2,
        unit="",
        note=f"{engine.padded_rows} of {engine.rows} rows; {unpadded} of {engine.calls} calls eager",
    )


def measure_graphs() -> Figure:
    """Graphs that the real rules would have compiled, after calls of every size, for crowds of all kinds of jobs.

    Only the compiler is left out: what is ordered is there at once, and is the eager call.
    """
    with TemporaryDirectory() as folder:
        model = load_tiny("epsilon")
        model.graphs = graphs = Graphs(
            {name: part_of(name, getattr(model.family.parts, name)) for name in ("denoiser", "vae")},
            Path(folder),
            device=model.device,
            maker=_InstantMaker,
            load=lambda path, part, device: part.call,
        )
        engine = DiffusionEngine(model, max_rows=8)
        for rows in (1, 2, 4, 6, 8):
            guidance = 5.0 if rows > 1 else 1.0
            images = range(max(1, rows // 2))
            drive(engine, [make_job(steps=OFTEN["denoiser"], guidance_scale=guidance) for _ in images])
            while engine.idle():
                pass
        known, drawn_by_graph = graphs.ordered, graphs.called
        for _ in range(2):
            for job in crowd():
                engine.admit(job)
                engine.step()
            while engine.busy:
                engine.step()
            while engine.idle():
                pass
    if not known or graphs.called == drawn_by_graph:
        raise RuntimeError("no graph was used: the figure would mean nothing")
    return Figure(
        name="C7_graphs",
        meaning="graphs compiled after warm-up",
        value=graphs.ordered - known,
        bar=0,
        unit="",
        note=f"{known} before; {graphs.called - drawn_by_graph} calls by graphs",
    )


class _InstantMaker:
    """Has made what it is asked for before anybody looks."""

    busy = False

    def __init__(self, folder: Path) -> None:
        """Nothing to prepare."""

    def make(self, order: Mapping[str, Any]) -> None:
        for graph in order["graphs"]:
            Path(graph["path"]).write_bytes(b"a graph")

    def close(self) -> None:
        """Nothing to end."""


def _ticks_to_cancel() -> Figure:
    """Steps until a cancelled job's two rows are missing from the U-Net call."""
    engine = DiffusionEngine(load_tiny("epsilon"))
    cancelled: list[bool] = []
    engine.admit(_long_job())
    engine.admit(_long_job(), cancelled=lambda: bool(cancelled))
    engine.step()
    cancelled.append(True)
    ticks, rows = 0, 4
    while rows > 2:
        before = engine.rows
        engine.step()
        ticks, rows = ticks + 1, engine.rows - before
    return Figure(name="C8", meaning="ticks until a cancelled job uses no rows", value=ticks, bar=1, unit="")


def _long_job() -> Job:
    return make_job(steps=50)
