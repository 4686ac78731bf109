"""Measures the bot's parts on the record of a busy year: `python -m tests.growth [JOBS]`, into .bench/growth.json."""

import asyncio
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bot.records import Member, Place
from bot.services.stars import Position
from bot.storage.clearing import clear_rest
from bot.storage.inspection import remove_leftovers
from generation.errors import Refusal
from tests.bot.services.conftest import HandClock, House
from tests.growth.history import HEAVIEST, LARGEST, Size, build

RESULTS = Path(".bench/growth.json")


@dataclass
class Table:
    """What was measured, and what it may be at most."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, value: float, bar: float) -> None:
        self.rows.append({"name": name, "value": round(value, 1), "bar": bar})
        print(f"{name:44} {value:10.1f}  {'ok' if value <= bar else 'TOO MUCH'} (at most {bar:g})", flush=True)


class Lateness:
    """How late the event loop is at worst."""

    def __init__(self) -> None:
        self.worst = 0.0

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            self.worst = max(self.worst, time.perf_counter() - before - 0.005)


async def measure(folder: Path, jobs: int) -> list[dict[str, Any]]:
    """Build the record and ask it what the bot asks."""
    table, now = Table(), datetime.now(UTC)
    size = Size(jobs=jobs)
    build(folder / "bot.db", now, size)
    for number in range(size.kept_pictures):
        file = folder / "images" / f"{number % 256:02x}" / f"{number:032x}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    memory = resident()
    house, late = House(folder, HandClock(now)), Lateness()
    async with late.watched():
        table.add("start, ms", await start(house), 2000)
        table.add("memory of the start, MiB", resident() - memory, 50)
        heavy = Member(id=HEAVIEST, name="H", server=LARGEST, channel="5000", is_admin=True)
        table.add("accept, ms", await once(lambda: imagine(house, heavy)), 25)
        long_ago = now - timedelta(days=180)
        middle = Position(at=long_ago, job=UUID(int=0))
        for name, work in {
            "/usage, ms": lambda: house.images.usage(heavy),
            "/result and its autocomplete, ms": lambda: house.results.of(heavy),
            "/history, the newest page, ms": lambda: house.history.page(heavy),
            "/history, a page of long ago, ms": lambda: house.history.page(heavy, middle),
            "/admin limits show, ms": lambda: house.admin.limits(heavy),
            "/admin stats of 7 days, ms": lambda: house.admin.stats(heavy),
            "/admin stats of 90 days, ms": lambda: house.admin.stats(heavy, 90),
            "/admin quarantine, ms": lambda: house.admin.quarantined(heavy),
            "/queue, ms": lambda: house.images.queue(heavy),
        }.items():
            table.add(name, await once(work), 150)
        sweeping = asyncio.create_task(house.retention(gigabytes=8).sweep())
        refused, waits = 0, [0.0]
        for number in range(20):
            member = Member(id=f"20{number}", name="M", server=LARGEST, channel="5000")
            try:
                waits.append(await once(lambda member=member: imagine(house, member)))
            except Refusal:
                refused += 1
            await asyncio.sleep(0.1)
        table.add("worst /imagine beside a sweep, ms", max(waits), 150)
        table.add("refused beside a sweep", refused, 0)
        table.add("pictures swept", await sweeping, size.kept_pictures)
    table.add("event loop late at worst, ms", late.worst * 1000, 50)
    await house.close()
    return table.rows


async def start(house: House) -> float:
    """What a start does before commands are answered, in ms."""
    began = time.perf_counter()
    await house.database.open()
    await clear_rest(house.database, house.files, house.clock())
    await remove_leftovers(house.database, house.folder / "images")
    await house.restart.learn_costs()
    await house.restart.recover()
    took = (time.perf_counter() - began) * 1000
    await house.dispatcher.start()
    await house.dispatcher.ready()
    return took


async def imagine(house: House, member: Member) -> None:
    await house.images.imagine(house.request(), member, at=Place(channel="5000"))


def resident() -> float:
    """What the process holds now, in MiB; the peak would be that of building the record."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def once(work: Callable[[], Awaitable[Any]]) -> float:
    """How long it takes, in ms."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Measure, print and write it down; 1 where something takes too much."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder), jobs))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1))
    return int(any(row["value"] > row["bar"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
