"""A fault at any request or state of a job still ends in one message with its pictures.

The bot is a process on the playground's Discord with discord.py's own network stack; only its worker has no device.
"""

import asyncio
import itertools
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import BotProcess, PlaygroundServer, Post
from bot.process import EXIT_WORKER_LOST
from bot.settings import IMAGES, read_settings
from bot.storage.database import Database
from bot.storage.inspection import inspect
from bot.upkeep import check
from tests.e2e.faults import Fault, Moment, Trouble
from tests.e2e.launcher import Play

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]

COMMAND = [sys.executable, "-m", "tests.e2e.launcher"]
WORKER = Play(seconds=0.02)
QUICK, LONG = 1, 150  #: steps; a long one shows progress first

PASSING = (Fault.BAD_GATEWAY, Fault.RATE_LIMITED, Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER)
_numbers = itertools.count(1)


class Scene:
    """A Discord, the data of one bot, and one channel for what happens in a test."""

    def __init__(self, server: PlaygroundServer, data: Path) -> None:
        self.server = server
        self.data = data
        self.channel = f"channel-{next(_numbers)}"
        server.world.channels[self.channel] = server.world.server.create_text_channel(self.channel)

    def bot(self, play: Play = WORKER, **settings: str) -> BotProcess:
        """Another run of the bot on this data."""
        environment = {**self.server.environment(), "DATA_DIR": str(self.data), "DATABASE_URL": "", **settings}
        environment |= play.environment()
        return BotProcess(COMMAND, environment, output=self.data.parent / "bot.log")

    async def ask(self, *, steps: int = QUICK) -> None:
        """Ben wants a picture."""
        await self.server.slash("Ben", "imagine", where=self.channel, prompt=self.channel, steps=steps)

    def rows(self) -> list[tuple[str, str | None]]:
        """The status and the message of each job that was asked for here."""
        query = "SELECT status, message FROM jobs WHERE request ->> 'prompt' = ? ORDER BY accepted_at"
        with sqlite3.connect(f"file:{self.data / 'bot.db'}?mode=ro", uri=True) as connection:
            return connection.execute(query, (self.channel,)).fetchall()

    def posts(self) -> list[Post]:
        """What everybody sees here."""
        return [post for post in self.server.messages(self.channel) if not post.ephemeral]

    async def posted(self, jobs: int = 1) -> list[Post]:
        """Wait until so many jobs are posted: one message each, with its pictures, and no other message."""
        await self.server.until(
            lambda: [status for status, _ in self.rows()] == ["posted"] * jobs, within=60, what=f"{jobs} posted rows"
        )
        posts = self.posts()
        assert sorted(str(post.id) for post in posts) == sorted(str(message) for _, message in self.rows())
        assert [len(post.attachments) for post in posts] == [1] * jobs
        assert all([button.label for button in post.buttons] == ["Rerun", "Info", "Delete"] for post in posts)
        return posts

    async def agrees(self) -> bool:
        """What `python -m bot check` says, and as many pictures as there are posts."""
        settings = read_settings(_env_file=None, data_dir=self.data)
        database = Database(settings.database)
        findings = await inspect(database, self.data / IMAGES)
        await database.close()
        return findings.agree and findings.pictures == len(self.posts())


# ------------------------------------------------------------------------------ one bot, and a Discord in trouble


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: PlaygroundServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The data folder of a bot that goes through all of this. In the end its records agree."""
    data = tmp_path_factory.mktemp("running") / "data"
    scene = Scene(server, data)
    async with scene.bot() as bot:
        await server.until_ready("imagine", within=60)
        yield data
        assert bot.returncode is None, bot.text()
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text(), bot.text()
    assert await check(read_settings(_env_file=None, data_dir=data), mend=False) == 0


@pytest_asyncio.fixture(loop_scope="module")
async def scene(server: PlaygroundServer, running: Path) -> Scene:
    return Scene(server, running)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("moment", [Moment.ANSWER, Moment.PROGRESS, Moment.PICTURES, Moment.REACTION])
async def test_a_request_that_fails_at_any_moment_costs_no_picture(scene: Scene, moment: Moment, fault: Fault) -> None:
    with Trouble(scene.server, moment, fault) as trouble:
        await scene.ask(steps=LONG if moment is Moment.PROGRESS else QUICK)
        await scene.posted()
        await scene.server.until(lambda: trouble.happened == 1, what="the trouble")  # the reaction comes last


@pytest.mark.parametrize("fault", PASSING)
async def test_a_reaction_whose_answer_fails_gets_its_picture(scene: Scene, fault: Fault) -> None:
    await scene.ask()
    [post] = await scene.posted()
    with Trouble(scene.server, Moment.REPLY, fault) as trouble:
        await scene.server.react("Cleo", post, "🔁")
        _, reply = await rerun_of(scene, post)
    assert trouble.happened == 1
    assert reply.reply_to == post.id


@pytest.mark.parametrize("fault", PASSING)
async def test_pictures_whose_message_fails_twice_are_posted(scene: Scene, fault: Fault) -> None:
    with Trouble(scene.server, Moment.PICTURES, fault, times=2) as trouble:
        await scene.ask()
        await scene.posted()
    assert trouble.happened == 2


@pytest.mark.parametrize("steps", [QUICK, LONG])
async def test_a_job_whose_token_has_expired_is_posted(scene: Scene, steps: int) -> None:
    """Progress and pictures then go by the bot's own rights, into the same message."""
    with Trouble(scene.server, Moment.TOKEN, Fault.EXPIRED, times=float("inf")) as trouble:
        await scene.ask(steps=steps)
        await scene.posted()
    assert trouble.happened >= 1


@pytest.mark.parametrize("times", [1, 2])
async def test_pictures_that_are_too_large_are_posted_smaller(scene: Scene, times: int) -> None:
    with Trouble(scene.server, Moment.PICTURES, Fault.TOO_LARGE, times=times) as trouble:
        await scene.ask()
        [post] = await scene.posted()
    assert trouble.happened == times
    assert not post.attachments[0]["filename"].endswith(".png")


@pytest.mark.parametrize("forget", [False, True], ids=["resume", "identify"])
@pytest.mark.parametrize("when", ["before it is asked", "while it is drawn"])
async def test_a_lost_gateway_costs_no_picture(scene: Scene, when: str, forget: bool) -> None:
    gateway = scene.server.gateway
    came_back = gateway.identified if forget else gateway.resumed
    if when == "before it is asked" and forget:
        scene.server.drop_connections(forget=True)
        await scene.server.until(lambda: gateway.identified > came_back, what="the new session")
        await scene.ask()
    elif when == "before it is asked":
        scene.server.drop_connections()
        await scene.ask()  # what happens meanwhile is told on RESUME
    else:
        await scene.ask(steps=LONG)
        scene.server.drop_connections(forget=forget)
    await scene.posted()
    await scene.server.until(
        lambda: (gateway.identified if forget else gateway.resumed) > came_back, what="the bot, back again"
    )


async def rerun_of(scene: Scene, post: Post) -> tuple[Post, Post]:
    """The post and the one that a reaction to it asked for."""
    first, second = await scene.posted(2)
    return (first, second) if first.id == post.id else (second, first)


# ------------------------------------------------------------------------------------------ a bot that dies, or stops

#: The calls that write down a job's life, in order.
STATES = {
    "accepted": "bot.services.images:ImageService.imagine",
    "answered": "bot.services.images:ImageService.answered",
    "started": "bot.storage.journal:StoredJournal.started",
    "rendered": "bot.storage.journal:StoredJournal.rendered",
    "posted": "bot.services.images:ImageService.posted",
}


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path) -> AsyncIterator[Scene]:
    """A Discord and a data folder of the test's own."""
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield Scene(server, tmp_path / "data")


@pytest.mark.parametrize("killed", ["before", "after"])
@pytest.mark.parametrize("state", STATES)
async def test_a_bot_killed_around_any_state_of_a_job_posts_it_after_the_next_start(
    stage: Scene, state: str, killed: str
) -> None:
    """kill -9 around each line that is written down about a job; the next start goes on with it."""
    async with stage.bot(replace(WORKER, killed_at=STATES[state], killed=killed)) as bot:
        await stage.server.until_ready("imagine", within=60)
        asking = asyncio.create_task(stage.ask())
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    async with stage.bot() as bot:
        await stage.server.until_ready("imagine", within=60)
        if (state, killed) == ("accepted", "before"):
            # Nothing was promised to anybody: asked again, it is a new job.
            assert stage.rows() == []
            await stage.ask()
        await stage.posted()
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text(), bot.text()
    assert len(stage.posts()) == 1, "nothing was sent again by the last request"
    assert await stage.agrees()


async def test_a_bot_killed_while_jobs_run_and_wait_posts_all_of_them_after_the_next_start(stage: Scene) -> None:
    async with stage.bot(replace(WORKER, room=1)) as bot:
        await stage.server.until_ready("imagine", within=60)
        for steps in (LONG, QUICK, QUICK):
            await stage.ask(steps=steps)
        bot.kill()
        await bot.wait()
    async with stage.bot(replace(WORKER, room=1)):
        await stage.posted(3)
    assert await stage.agrees()


async def test_a_device_that_hangs_ends_the_process_and_the_next_start_goes_on(stage: Scene) -> None:
    async with stage.bot(replace(WORKER, hangs=True)) as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.ask()
        assert await asyncio.wait_for(bot.wait(), 30) == EXIT_WORKER_LOST
    assert [status for status, _ in stage.rows()] == ["started"], "it counts as having been in a crash"
    async with stage.bot():
        await stage.posted()
    assert await stage.agrees()


async def test_a_bot_stopped_while_it_draws_goes_on_after_the_next_start(stage: Scene) -> None:
    """SIGTERM in the middle of a job: said in its message, and gone on with by the next start."""
    async with stage.bot(DRAIN_SECONDS="0") as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.ask(steps=LONG)
        assert await bot.stop() == 0
    [(status, message)] = stage.rows()
    [post] = stage.posts()
    assert (status, message) == ("accepted", str(post.id))
    assert "restart" in post.text
    async with stage.bot():
        await stage.posted()
    assert await stage.agrees()


async def test_pictures_are_posted_though_discord_fails_while_the_bot_starts_again(stage: Scene) -> None:
    """Killed with pictures that nobody has; what finds them a message then fails, too."""
    async with stage.bot(replace(WORKER, killed_at=STATES["rendered"], killed="after")) as bot:
        await stage.server.until_ready("imagine", within=60)
        asking = asyncio.create_task(stage.ask())
        await bot.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    with Trouble(stage.server, Moment.PICTURES, Fault.DROPPED_AFTER) as trouble:
        async with stage.bot():
            await stage.posted()
    assert trouble.happened == 1
    assert await stage.agrees()
