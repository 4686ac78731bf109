"""`python -m tests.load`: the full runs, each in its own table. Wants a machine with nothing else to do."""

import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.load.runs import mixed, rush


def main() -> int:
    """Run and show; 1 where something was lost."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    lost = 0
    wanted = sys.argv[1:] or ["mixed", "rush"]
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(
                mixed(Path(folder), rate=200, seconds=10, members=1000)
                if name == "mixed"
                else rush(Path(folder), members=1000, capacity=800, engine=True)
            )
        print("\n".join(report.lines()), flush=True)
        lost += len(report.mistakes)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
