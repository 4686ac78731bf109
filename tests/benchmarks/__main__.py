"""`make bench`: run the CPU benchmarks, print the table, write `.bench/cpu.json`.

`python -m tests.benchmarks PART ...` runs some of them, in which case only theirs are renewed in the file.
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.busy_hour import measure_estimates
from tests.benchmarks.fair_hour import measure_fairness
from tests.benchmarks.figures import Figure, keep, show
from tests.benchmarks.loop_lag import measure_loop_lag
from tests.benchmarks.placing import measure_placement
from tests.benchmarks.shards import measure_shards


def main() -> None:
    """Measure, show, keep."""
    # Only now: loop_lag has imported generation.diffusion, which sets how OpenMP waits before torch is loaded.
    import torch

    from generation.diffusion.loading.loading import load_model
    from generation.diffusion.loading.model import LoadedModel
    from generation.diffusion.loading.sources import BUILTIN, inspect_model
    from tests.benchmarks.exactness import measure_exactness
    from tests.benchmarks.loras import measure_loras
    from tests.benchmarks.speed import measure_beside, measure_previews, measure_speed
    from tests.benchmarks.start import measure_start
    from tests.generation.diffusion.conftest import load_tiny

    def builtin() -> LoadedModel:
        return load_model(inspect_model(BUILTIN), device="cpu")

    parts: dict[str, Callable[[], Sequence[Figure]]] = {
        "speed": lambda: measure_speed(builtin(), ""),
        "speed_tiny": lambda: measure_speed(load_tiny("epsilon"), "_tiny", repetitions=3),
        "beside": lambda: [measure_beside(builtin())],
        "previews": lambda: [measure_previews(builtin())],
        "loras": measure_loras,
        "exactness": measure_exactness,
        "estimates": lambda: [measure_estimates()],
        "fairness": measure_fairness,
        "placement": measure_placement,
        "start": lambda: [measure_start()],
        "shards": lambda: asyncio.run(measure_shards()),
        "loop_lag": lambda: asyncio.run(measure_loop_lag()),
    }
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="The CPU benchmarks.")
    parser.add_argument("parts", nargs="*", metavar="PART", help="some of " + ", ".join(parts))
    chosen: list[str] = parser.parse_args().parts or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads")
    began = time.perf_counter()
    figures: list[Figure] = []
    for name in chosen:
        started = time.perf_counter()
        found = parts[name]()
        show(found)
        print(f"({name}: {time.perf_counter() - started:.0f} s)")
        figures += found
    keep(figures, Path(".bench/cpu.json"), add=chosen != list(parts))
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
