"""SH: the bot on 2,500 servers over two connections, against the bot on one: its start, memory and answers.

The simulated Discord is this process, over the real network stack; nothing has a device. Each server has 40 channels,
25 roles and 30 emojis.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from simcord.builders import GuildHandle

from bot.playground import BotProcess, PlaygroundServer
from tests.benchmarks.figures import Figure
from tests.e2e.launcher import Play
from tests.load.crowd import Crowd, Meter

SERVERS, SHARDS = 2500, 2
CHANNELS, ROLES, EMOJIS = 40, 25, 30
BEGINNING = 1_500_000_000_000  #: milliseconds; a server's id is made of the moment at which it was made
MEMBERS = 100  #: who ask, each on a server of their own as long as there are enough
RATE, SECONDS = 30, 10.0  #: interactions a second, and for how long


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one run saw."""

    start: float  #: seconds from the process' start until it knows all servers
    processor: float  #: seconds, of these
    memory: float  #: MiB when all of it was there
    answers: list[float]  #: seconds
    lag: float  #: seconds, p95 of how late the simulated Discord's own loop was while it measured them


async def measure_shards() -> list[Figure]:
    """Both, one after the other."""
    one, many = await _seen(1, 1), await _seen(SERVERS, SHARDS)
    first, last = (statistics.quantiles(seen.answers, n=20)[-1] for seen in (one, many))
    middle = statistics.median(many.answers)
    return [
        Figure(
            name="SH_start",
            meaning="start on 2,500 servers with two shards until all are known",
            value=many.start,
            bar=20,
            unit="s",
            note=f"{many.processor:.1f} s of processor; one server {one.start:.1f} s, {one.processor:.1f} s",
        ),
        Figure(
            name="SH_memory",
            meaning="memory that 2,499 servers more take",
            value=many.memory - one.memory,
            bar=150,
            unit="MiB",
            note=f"{many.memory:.0f} MiB in all",
        ),
        Figure(
            name="SH_answer",
            meaning=f"p95 of the first answer, {RATE} interactions a second",
            value=1000 * last,
            bar=250,
            unit="ms",
            note=f"median {1000 * middle:.0f} ms, Discord's own loop late by p95 {1000 * many.lag:.0f} ms; "
            f"one server p95 {1000 * first:.0f} ms, {1000 * one.lag:.0f} ms",
        ),
    ]


async def _seen(servers: int, shards: int) -> Seen:
    with tempfile.TemporaryDirectory() as folder:
        async with PlaygroundServer(port=0, answer_within=60, shards=shards) as server:
            crowd = Crowd(server, channels=1)
            homes = [_server(server, number) for number in range(1, servers)]
            crowd.gather(MEMBERS, homes[:: max(1, len(homes) // MEMBERS)][:MEMBERS])
            environment = {**server.environment(), "DATA_DIR": folder, "DATABASE_URL": "", "SAFETY": "off"}
            command = [sys.executable, "-m", "tests.e2e.launcher"]
            play = Play(seconds=0.02, room=16).environment()
            began = time.perf_counter()
            async with (
                BotProcess(command, {**environment, **play}, output=Path(folder) / "bot.log") as bot,
                Meter(pid=bot.process.pid) as meter,
            ):
                async with asyncio.timeout(120):
                    while f"in {servers} servers" not in bot.text():  # noqa: ASYNC110 - another process' log
                        await asyncio.sleep(0.05)
                start, processor = time.perf_counter() - began, meter.bot_seconds
                meter.lags.clear()
                for number in range(int(RATE * SECONDS)):
                    member = crowd.members[number % MEMBERS]
                    if number % 3:
                        crowd.use(member, "queue")
                    else:
                        crowd.use(member, "imagine", prompt="a red heart", steps=2)
                    await asyncio.sleep(max(0.0, began + start + number / RATE - time.perf_counter()))
                await server.until(lambda: crowd.unanswered == 0, within=60, what="an answer for everybody")
                memory = max(amount for _, amount in meter.memory)
                answers = [one.seconds for one in crowd.asked.values()]
                lag = statistics.quantiles(meter.lags, n=20)[-1]
                return Seen(start=start, processor=processor, memory=memory, answers=answers, lag=lag)


def _server(server: PlaygroundServer, number: int) -> GuildHandle:
    made = server.world.create_guild(f"server {number}", id=(BEGINNING + number) << 22)
    for channel in range(CHANNELS):
        made.create_text_channel(f"channel-{channel}", topic="What this channel is about, in a few words")
    for role in range(ROLES):
        made.create_role(f"role {role}")
    for emoji in range(EMOJIS):
        made.create_emoji(f"emoji_{emoji}")
    return made
