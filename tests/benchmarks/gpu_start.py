"""`python -m tests.benchmarks.gpu_start eager|compiled CACHE [--smoke]`: a cold start to the first picture, for H10."""

import subprocess
import sys
import tempfile
from pathlib import Path

import generation.diffusion  # noqa: F401 - sets how OpenMP waits, before torch is imported
from tests.benchmarks.peers import drive, make_jobs, seconds


def time_start(mode: str, *, smoke: bool) -> float:
    """Seconds of a whole process: imports, model, the graphs if they come first, one picture."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "tests.benchmarks.gpu_start", mode, cache]
        if smoke:
            command.append("--smoke")
        root = Path(__file__).parent.parent.parent
        return seconds(lambda: subprocess.run(command, check=True, cwd=root, stdout=subprocess.DEVNULL))


def main() -> None:
    """In the process that is timed."""
    from generation.diffusion.engine.loop import DiffusionEngine
    from tests.benchmarks.gpu_bench import SD, Bench

    mode, cache = sys.argv[1:3]
    bench = Bench(smoke="--smoke" in sys.argv, cache=Path(cache))
    model = bench.model(SD)
    if mode == "compiled":
        bench.prepare({SD: (2,)})
        if not all((model.graphs.folder / f"{key.name}.pt2").exists() for key in bench.keys(SD, (2,))):
            sys.exit("a graph was not made")
    drive(DiffusionEngine(model), make_jobs(model.spec, steps=[bench.steps(30)]))


if __name__ == "__main__":
    main()
