"""H17: torch.compile of the repeated blocks alone, with torch's own cache artifacts, beside this project's graphs.

The first GPU that this runs on decides which of the two is deleted.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from tests.benchmarks import peers
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.gpu_bench import SD, XL, Bench, ModelFamily, engine_of, kinds_of_calls
from tests.benchmarks.random_models import random_model


def repeated_blocks(bench: Bench) -> list[Figure]:
    """One job and many against the graphs, and a cold start with the artifacts of an earlier one."""
    model, starts = _compiled(bench, SD)
    crowd = peers.make_jobs(model.spec, steps=[bench.steps(30)] * bench.jobs(32))
    note = f"first pictures {starts[1]:.1f} s to {starts[0]:.1f} s"
    return [
        _against_graphs(bench, "H17", SD, model, crowd[:1], bar=1.05),
        _against_graphs(bench, "H17_many", SD, model, crowd, bar=1.05),
        ratio("H17_start", "first picture with artifacts / without", starts[1:], starts[:1], 0.5, 0.2, True, note),
        _against_graphs(bench, "H17_XL", XL, _compiled(bench, XL)[0], None, bar=1.05),
    ]


def _compiled(bench: Bench, family: ModelFamily) -> tuple[LoadedModel, list[float]]:
    """A model without graphs whose blocks are compiled, and the seconds of a first picture before and after saving."""
    model = random_model(family, device=bench.device, dtype=bench.dtype, toy=bench.smoke, graphs=lambda parts: None)
    backend = "eager" if bench.smoke else "inductor"
    model.family.parts.denoiser.compile_repeated_blocks(backend=backend, fullgraph=True, dynamic=True)
    engine, jobs = engine_of(bench, model), peers.make_jobs(model.spec, steps=[2])
    starts = []
    with TemporaryDirectory() as folder:
        for number in range(2):
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder, str(number)))  # nothing but the artifacts is kept
            starts.append(peers.seconds(_drawing(engine, jobs)))
            if number == 0 and (saved := torch.compiler.save_cache_artifacts()) is not None:
                torch.compiler.reset()
                torch.compiler.load_cache_artifacts(saved[0])
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    return model, starts


def _against_graphs(
    bench: Bench, name: str, family: ModelFamily, model: LoadedModel, jobs: Sequence[peers.Job] | None, *, bar: float
) -> Figure:
    jobs = jobs or peers.make_jobs(model.spec, steps=[bench.steps(30)])
    works = [_drawing(engine_of(bench, one), jobs) for one in (model, bench.model(family))]
    ours, theirs = peers.interleaved(
        *(lambda work=work: peers.seconds(work) for work in works), repetitions=1 if bench.smoke else 3
    )
    times = f"{statistics.median(ours):.2f} s to {statistics.median(theirs):.2f} s"
    note = f"{times}; {kinds_of_calls(bench.model(family))}"
    return ratio(name, f"{family}, {len(jobs)} jobs, blocks / graphs", ours, theirs, bar, 1.0, True, note)


def _drawing(engine: DiffusionEngine, jobs: Sequence[peers.Job]) -> Callable[[], object]:
    return lambda: peers.drive(engine, jobs)
