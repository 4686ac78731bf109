"""`make bench`: run the CPU benchmarks, print the table, write `.bench/cpu.json`."""

import asyncio
import os
import platform
from pathlib import Path

from tests.benchmarks.figures import keep, show
from tests.benchmarks.loop_lag import measure_loop_lag


def main() -> None:
    """Measure, show, keep."""
    # Only now: loop_lag has imported generation.diffusion, which sets how OpenMP waits before torch is loaded.
    import torch

    from tests.benchmarks.equality import measure_equality

    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads")
    figures = [*measure_equality(), *asyncio.run(measure_loop_lag())]
    show(figures)
    keep(figures, Path(".bench/cpu.json"))


if __name__ == "__main__":
    main()
