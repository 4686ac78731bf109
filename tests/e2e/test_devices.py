"""Two devices, each a child of the bot: what dies is replaced, and every picture comes once.

The bot is `python -m bot run` on the playground's Discord, with the built-in model in two processes on the CPU.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.errors import Quarantined
from bot.playground import BotProcess, PlaygroundServer
from bot.process import EXIT_CANNOT_RUN
from bot.settings import IMAGES
from bot.storage.database import Database
from bot.storage.inspection import inspect
from tests.e2e.records import rows
from tests.e2e.scene import QUICK, Scene
from tests.waiting import until

pytestmark = [
    pytest.mark.timeout(170),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def scene(server: PlaygroundServer, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path / "data")


LONG = 80  #: steps: some seconds on two CPU devices
KILLS = int(os.environ.get("KILLS_OF_DEVICES", "5"))


def bot_with_two_devices(scene: Scene, **settings: str) -> BotProcess:
    environment = {**scene.server.environment(), "DATA_DIR": str(scene.data), "DEVICES": "cpu,cpu"}
    environment |= {"PING_AFTER_SECONDS": "0", **settings}
    return BotProcess([sys.executable, "-m", "bot", "run"], environment, output=scene.data.parent / "bot.log")


def children_of(bot: BotProcess, word: str = "workers.child") -> list[int]:
    """The processes that draw, the first device's in front; or those with another word in their command line."""
    pid = bot.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def draws(child: str) -> bool:
        try:
            return word in Path(f"/proc/{child}/cmdline").read_text()
        except OSError:  # it is gone
            return False

    return [int(child) for child in listed if draws(child)]


async def both_draw(bot: BotProcess, times: int = 2) -> None:
    """Wait until it was said so many times that a device is ready."""
    await until(lambda: bot.text().count("is ready to draw") >= times)


async def are_gone(processes: list[int]) -> None:
    """Wait until the processes are over, though nobody may have asked yet how they ended."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    await until(lambda: not any(map(runs, processes)))


async def drawn(scene: Scene, jobs: int) -> None:
    await until(lambda: sum(status == "started" for status, _ in scene.rows()) >= jobs)


async def test_a_device_that_is_killed_while_it_draws_is_replaced_and_every_picture_comes_once(scene: Scene) -> None:
    """Each of the two, the first one too, and the one that is idle."""
    async with bot_with_two_devices(scene) as bot:
        await scene.server.until_ready("imagine", within=60)
        await both_draw(bot)
        for number in range(2):
            for _ in range(2):
                await scene.ask(steps=LONG)
            await drawn(scene, 2)
            os.kill(children_of(bot)[number], signal.SIGKILL)
            await scene.posted(2 * (number + 1))
            await both_draw(bot, 3 + number)
        os.kill(children_of(bot)[0], signal.SIGKILL)
        await both_draw(bot, 5)
        assert len(children_of(bot)) == 2
        await scene.ask(steps=QUICK)
        await scene.posted(5)
        assert bot.returncode is None
        assert await bot.stop() == 0
        assert bot.text().count("ended with -9") >= 3
        assert "Traceback" not in bot.text(), bot.text()
    assert await scene.agrees()


async def ended_once_each(scene: Scene) -> None:
    """Wait until every job is over, and compare what was posted with the record.

    Some have to be posted. The others are set aside, each at its second death: the first one is in its row.
    """
    await until(lambda: {status for status, _ in scene.rows()} <= {"posted", "failed"})
    posts = scene.posts()
    assert sorted(str(post.id) for post in posts) == sorted(str(message) for _, message in scene.rows())
    posted = [status for status, _ in scene.rows()].count("posted")
    assert posted > 0
    assert sum(len(post.attachments) for post in posts) == posted
    query = "SELECT error_code, crashes FROM jobs WHERE status = 'failed'"
    assert set(rows(scene.settings.database, query)) <= {(Quarantined.code, 1)}
    database = Database(scene.settings.database)
    assert (await inspect(database, scene.data / IMAGES)).agree
    await database.close()


async def test_no_job_is_blamed_for_the_end_of_the_bot_and_its_children_end_with_it(scene: Scene) -> None:
    for _ in range(2):  # one more than a job may run in
        async with bot_with_two_devices(scene) as bot:
            await scene.server.until_ready("imagine", within=60)
            if not scene.rows():
                await scene.ask(steps=LONG)
            await drawn(scene, 1)
            children = children_of(bot)
            bot.kill()
            await bot.wait()
        await are_gone(children)
    async with bot_with_two_devices(scene) as bot:
        await scene.server.until_ready("imagine", within=60)
        await scene.posted(1)
        assert await bot.stop() == 0
    assert await scene.agrees()


async def test_a_stop_puts_back_what_the_devices_draw(scene: Scene) -> None:
    async with bot_with_two_devices(scene, DRAIN_SECONDS="0") as bot:
        await scene.server.until_ready("imagine", within=60)
        await both_draw(bot)
        for _ in range(3):
            await scene.ask(steps=LONG)
        await drawn(scene, 1)
        assert await bot.stop() == 0
    assert {status for status, _ in scene.rows()} == {"accepted"}
    async with bot_with_two_devices(scene) as bot:
        await scene.server.until_ready("imagine", within=60)
        await scene.posted(3)
        assert await bot.stop() == 0
    assert await scene.agrees()


async def test_devices_that_cannot_be_used_are_a_mistake(scene: Scene) -> None:
    async with bot_with_two_devices(scene, DEVICES="mps,cuda:77") as bot:
        assert await asyncio.wait_for(bot.wait(), 60) == EXIT_CANNOT_RUN
    assert "DEVICES" in bot.text()


@pytest.mark.timeout(max(400, 40 * KILLS))
async def test_random_kills_of_devices_and_bot_lose_nothing_and_draw_nothing_twice(scene: Scene) -> None:
    chance, kills = random.Random(18), 0
    while kills < KILLS:
        async with bot_with_two_devices(scene) as bot:
            await scene.server.until_ready("imagine", within=60)
            while kills < KILLS:
                for _ in range(2):
                    await scene.ask(steps=chance.choice((20, LONG)))  # refused where four are waiting already
                await drawn(scene, 1)
                kills += 1
                if chance.random() < 0.25:
                    bot.kill()
                    await bot.wait()
                    break
                await until(lambda bot=bot: bool(children_of(bot)))
                os.kill(chance.choice(children_of(bot)), signal.SIGKILL)
    async with bot_with_two_devices(scene) as bot:
        await scene.server.until_ready("imagine", within=60)
        await ended_once_each(scene)
        assert await bot.stop() == 0
