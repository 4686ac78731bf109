"""`python -m tests.load [mixed] [rush] [kills]`: the full runs, each in its own table. Wants an idle machine."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bot.postgres import running_server
from tests.load.runs import Report, kills, mixed, rush


def main() -> int:
    """Run and show; 1 where something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("runs", nargs="*", choices=["mixed", "rush", "kills", []], help="default: mixed and rush")
    parser.add_argument("--rate", type=int, default=200, help="interactions a second of the mix")
    parser.add_argument("--times", type=int, default=31, help="how often the bot is killed")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server that is started for this")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    lost = 0
    with ExitStack() as stack:
        server = stack.enter_context(running_server()) if options.postgres else None
        for name in options.runs or ["mixed", "rush"]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            report = asyncio.run(_run(name, folder, server.new_database() if server else "", options))
            print("\n".join(report.lines()), flush=True)
            lost += len(report.mistakes)
    return 1 if lost else 0


def _run(name: str, folder: Path, database: str, options: argparse.Namespace) -> Coroutine[Any, Any, Report]:
    match name:
        case "mixed":
            return mixed(folder, rate=options.rate, seconds=10, members=1000, database=database)
        case "rush":
            return rush(folder, members=1000, capacity=800, engine=True, database=database)
        case _:
            return kills(folder, times=options.times, database=database)


if __name__ == "__main__":
    sys.exit(main())
