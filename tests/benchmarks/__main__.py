"""`make bench`: run the CPU benchmarks, print the table, write `.bench/cpu.json`."""

import asyncio
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.busy_hour import measure_estimates
from tests.benchmarks.figures import Figure, keep, show
from tests.benchmarks.loop_lag import measure_loop_lag


def main() -> None:
    """Measure, show, keep."""
    # Only now: loop_lag has imported generation.diffusion, which sets how OpenMP waits before torch is loaded.
    import torch

    from generation.diffusion.loading import load_model
    from generation.diffusion.sources import BUILTIN, inspect_model
    from tests.benchmarks.exactness import measure_exactness
    from tests.benchmarks.speed import measure_speed
    from tests.benchmarks.start import measure_start
    from tests.generation.diffusion.conftest import load_tiny

    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads")
    measurements: list[Callable[[], Sequence[Figure]]] = [
        lambda: measure_speed(load_model(inspect_model(BUILTIN), device="cpu"), ""),
        lambda: measure_speed(load_tiny("epsilon"), "_tiny"),
        measure_exactness,
        lambda: [measure_estimates(), measure_start()],
        lambda: asyncio.run(measure_loop_lag()),
    ]
    figures: list[Figure] = []
    for measure in measurements:
        found = measure()
        show(found)
        figures += found
    keep(figures, Path(".bench/cpu.json"))


if __name__ == "__main__":
    main()
