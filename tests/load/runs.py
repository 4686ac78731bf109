"""The runs: a mix of everything at a steady rate, the same with kill -9, and everybody at the same moment."""

import asyncio
import os
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.playground import BotProcess, PlaygroundServer
from tests.e2e import records
from tests.e2e.launcher import Play
from tests.load.crowd import PROMPTS, Asked, Crowd, Meter

BOT = [sys.executable, "-m", "tests.e2e.launcher"]
ROOM = 8  #: images that the worker without a device draws at once, in the rush
UNFINISHED = ("accepted", "started", "rendered")


@dataclass(kw_only=True)
class Report:
    """What one run saw."""

    name: str
    asked: list[Asked]
    refused: Counter[str]  #: words of the refusals -> how often
    jobs: Counter[str]  #: status -> rows
    mistakes: list[str]  #: where rows, files and messages do not agree
    errors: list[str]  #: lines of the bot's log that speak of a fault
    growth: float  #: MiB, last quarter over first
    memory: float  #: MiB at the most
    bot_seconds: float  #: of processor time
    own_seconds: float  #: of processor time, the simulated Discord's and the members'
    wall_seconds: float
    lag: float  #: seconds, p99 of how late this process' own loop was
    slowdown: float  #: how many times slower the bot was than with a processor to itself
    calls: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        """Seconds to the first answer, of all interactions."""
        waits = sorted(asked.seconds for asked in self.asked)
        return waits[min(int(len(waits) * share), len(waits) - 1)]

    def lines(self) -> list[str]:
        """The table."""
        waits = sorted(asked.seconds for asked in self.asked)
        kinds = Counter(asked.kind for asked in self.asked)
        slowest = {kind: max(asked.seconds for asked in self.asked if asked.kind == kind) for kind in sorted(kinds)}
        return [
            f"== {self.name}: {len(self.asked)} interactions in {self.wall_seconds:.1f} s",
            f"answered after     median {statistics.median(waits):.3f} s, p95 {self.quantile(0.95):.3f} s, "
            f"p99 {self.quantile(0.99):.3f} s, worst {waits[-1]:.3f} s",
            "slowest by kind    " + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in slowest.items()),
            f"rows               {dict(self.jobs)}",
            f"refused            {dict(self.refused)}",
            f"memory             {self.memory:.0f} MiB at most, last quarter {self.growth:+.1f} MiB over the first",
            f"processor          bot {self.bot_seconds:.1f} s, simulated Discord {self.own_seconds:.1f} s of "
            f"{self.wall_seconds:.1f} s; its own loop late by p99 {self.lag * 1000:.0f} ms; "
            f"the bot {self.slowdown:.1f} times slower than with a processor to itself",
            f"requests           {sum(self.calls.values())}: {dict(self.calls.most_common(8))}",
            f"disagreements      {len(self.mistakes)} {self.mistakes[:5]}",
            f"faults in the log  {len(self.errors)} {self.errors[:3]}",
        ]


async def mixed(folder: Path, *, rate: int, seconds: float, members: int, database: str = "") -> Report:
    """All commands and buttons, so many a second, with a worker that takes a twentieth of a second a job."""
    play = Play(seconds=0.025, room=16)
    data = Data(folder, database)
    async with _bot(data, play, members) as (crowd, bot), Meter(pid=bot.process.pid) as meter:
        await crowd.mix(rate, seconds)
        await _answered(crowd)
        await data.finished(within=60)
        return await _report(f"{rate} interactions a second for {seconds:g} s", crowd, bot, data, meter)


async def rush(folder: Path, *, members: int, capacity: int, engine: bool, database: str = "") -> Report:
    """Everybody's /imagine at once, more than the queue holds."""
    play = Play(seconds=None if engine else 1.0, room=ROOM, capacity=capacity)
    data = Data(folder, database)
    async with _bot(data, play, members) as (crowd, bot):
        if engine:
            await _until_it_draws(crowd, data)
        async with Meter(pid=bot.process.pid) as meter:
            for number, member in enumerate(crowd.members):
                prompt = PROMPTS[number % len(PROMPTS)]
                crowd.use(member, "imagine", prompt=prompt, steps=1 + number % 2, guidance=1.0)
            await _answered(crowd)
            await data.finished(within=400)
            return await _report(f"/imagine by {members} members at once", crowd, bot, data, meter)


async def kills(folder: Path, *, times: int, rate: int = 40, members: int = 100, database: str = "") -> Report:
    """The mix of commands, with so many kill -9 at moments that chance chooses; then one run to the end."""
    play, chance, data = Play(seconds=0.05, room=4), random.Random(times), Data(folder, database)
    async with PlaygroundServer(port=0, answer_within=60) as server:
        crowd = Crowd(server)
        crowd.gather(members)
        for killed in range(times + 1):
            async with _started(server, data, play, connections=killed + 1) as bot:
                if killed == times:
                    async with Meter(pid=bot.process.pid) as meter:
                        await data.finished(within=120)
                        return await _report(f"{times} times killed", crowd, bot, data, meter)
                mixing = asyncio.create_task(crowd.mix(rate, 60))
                await asyncio.sleep(chance.uniform(0.2, 2.5))  # the moment of the kill
                mixing.cancel()
                bot.kill()
                await bot.wait()
    raise AssertionError("the last run returns")


@dataclass(frozen=True)
class Data:
    """What the bot writes: its folder, and its database there or on a server."""

    folder: Path
    database: str = ""  #: a URL; empty for a file in the folder

    @property
    def environment(self) -> dict[str, str]:
        return {"DATA_DIR": str(self.folder / "data"), "DATABASE_URL": self.database, "LOG_LEVEL": "WARNING"}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        return records.rows(self.database or f"sqlite:///{self.folder / 'data' / 'bot.db'}", query)

    async def finished(self, *, within: float) -> None:
        """Wait until no row is waiting, running or undelivered; looked at from outside, for there is no other way."""
        query = f"SELECT count(*) FROM jobs WHERE status IN {UNFINISHED}"  # noqa: S608 - a constant
        async with asyncio.timeout(within):
            while self.rows(query) != [(0,)]:  # noqa: ASYNC110 - another process' file tells no Event
                await asyncio.sleep(0.25)


@asynccontextmanager
async def _bot(data: Data, play: Play, members: int) -> AsyncIterator[tuple[Crowd, BotProcess]]:
    """A simulated Discord with so many members, and the bot on it."""
    async with PlaygroundServer(port=0, answer_within=60) as server:
        crowd = Crowd(server)
        crowd.gather(members)
        async with _started(server, data, play, connections=1) as bot:
            yield crowd, bot


@asynccontextmanager
async def _started(server: PlaygroundServer, data: Data, play: Play, *, connections: int) -> AsyncIterator[BotProcess]:
    """The bot, once it is there; `connections` is how often one has come by then."""
    environment = {**server.environment(), **data.environment, **play.environment()}
    async with BotProcess(BOT, environment, output=data.folder / "bot.log") as bot:
        try:
            await server.until_ready("imagine", within=60)
            await server.until(lambda: server.gateway.identified >= connections, within=60, what="the bot")
        except TimeoutError as error:
            error.add_note(bot.text()[-2000:])
            raise
        yield bot


async def _until_it_draws(crowd: Crowd, data: Data) -> None:
    """One picture before it begins: the model is loaded then."""
    crowd.use(crowd.members[0], "imagine", prompt="a red heart", steps=1)
    await _answered(crowd)
    await data.finished(within=120)
    crowd.asked.clear()


async def _answered(crowd: Crowd) -> None:
    await crowd.server.until(lambda: crowd.unanswered == 0, within=60, what="an answer for everybody")


async def _quiet(crowd: Crowd) -> None:
    """Wait until the bot has nothing more to say: last words are no loss that a stop should be blamed for."""
    before = -1
    while before != sum(crowd.calls.values()):
        before = sum(crowd.calls.values())
        await asyncio.sleep(0.5)


async def _report(name: str, crowd: Crowd, bot: BotProcess, data: Data, meter: Meter) -> Report:
    spent = meter.bot_seconds, meter.own_seconds, meter.wall_seconds, meter.slowdown
    await _quiet(crowd)
    code = await bot.stop(within=30)
    asked = list(crowd.asked.values())
    lags = sorted(meter.lags)
    log = (data.folder / "bot.log").read_text()
    return Report(
        name=name,
        asked=asked,
        refused=Counter(words for one in asked if (words := _refusal(crowd, one))),
        jobs=Counter(str(status) for (status,) in data.rows("SELECT status FROM jobs")),
        mistakes=[*disagreements(crowd, data), *([] if code == 0 else [f"the bot ended with {code}"])],
        errors=[line for line in log.splitlines() if " ERROR " in line or "Traceback" in line],
        growth=meter.growth(),
        memory=max(amount for _, amount in meter.memory),
        bot_seconds=spent[0],
        own_seconds=spent[1],
        wall_seconds=spent[2],
        lag=lags[int(len(lags) * 0.99)],
        slowdown=spent[3],
        calls=crowd.calls,
    )


def _refusal(crowd: Crowd, asked: Asked) -> str | None:
    """What somebody was told instead of getting a picture."""
    if asked.kind not in ("imagine", "button rerun") or not asked.interaction.ephemeral:
        return None
    message_id = asked.interaction.message_id
    stored = crowd.server.world.backend.messages[asked.interaction.channel_id].get(message_id or 0)
    return stored.content if stored is not None else "?"


def disagreements(crowd: Crowd, data: Data) -> list[str]:
    """Where rows, files and messages do not agree one to one, once the bot has stopped."""
    found: list[str] = []
    done = subprocess.run(
        [sys.executable, "-m", "bot", "check"],
        env={**os.environ, **data.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        found.append(f"check: {done.stderr[-500:]}")
    backend = crowd.server.world.backend
    pictures = {
        message.id: len(message.attachments)
        for channel in backend.messages.values()
        for message in channel.values()
        if message.attachments and message.content.startswith("✅")
    }
    posted = data.rows("SELECT message, count FROM jobs WHERE status = 'posted' AND deleted_at IS NULL")
    expected = Counter({int(str(message)): int(str(count)) for message, count in posted})
    if len(expected) != len(posted):
        found.append(f"{len(posted) - len(expected)} rows share a message")
    found += [f"row without its pictures: message {message}" for message in expected if message not in pictures]
    found += [f"pictures without a row: message {message}" for message in pictures if message not in expected]
    found += [
        f"message {message} has {pictures[message]} of {count}"
        for message, count in expected.items()
        if pictures.get(message, count) != count
    ]
    unfinished = data.rows(f"SELECT id FROM jobs WHERE status IN {UNFINISHED}")  # noqa: S608 - a constant
    found += [f"unfinished: {job_id}" for (job_id,) in unfinished]
    return found
