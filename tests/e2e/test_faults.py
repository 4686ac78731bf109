"""A fault at any request or state of a job still ends in one message with its pictures.

The bot is a process on the playground's Discord with discord.py's own network stack; only its worker has no device.
"""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from bot.playground import BotProcess, PlaygroundServer, Post
from bot.process import EXIT_CANNOT_RUN, EXIT_WORKER_LOST
from bot.settings import IMAGES, INPUTS, read_settings
from bot.storage.database import Database
from bot.storage.inspection import inspect
from bot.upkeep import check
from generation.inputs import InputPicture
from tests.bot.discord_ui.world import RESULT
from tests.bot.postgres import Server
from tests.e2e.faults import Fault, Moment, Trouble
from tests.e2e.launcher import Play
from tests.e2e.records import rows
from tests.pictures import png_of

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]

COMMAND = [sys.executable, "-m", "tests.e2e.launcher"]
WORKER = Play(seconds=0.02)
QUICK, LONG = 1, 150  #: steps; a long one shows progress first

PASSING = (Fault.BAD_GATEWAY, Fault.RATE_LIMITED, Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER)
_numbers = itertools.count(1)


class Scene:
    """A Discord, the data of one bot, and one channel for what happens in a test."""

    def __init__(self, server: PlaygroundServer, data: Path, database_url: str | None = None) -> None:
        self.server = server
        self.data = data
        self.settings = read_settings(_env_file=None, data_dir=data, database_url=database_url)
        self.channel = f"channel-{next(_numbers)}"
        server.world.channels[self.channel] = server.world.server.create_text_channel(self.channel)

    def bot(self, play: Play = WORKER, **settings: str) -> BotProcess:
        """Another run of the bot on this data."""
        where = {"DATA_DIR": str(self.data), "DATABASE_URL": self.settings.database}
        environment = {**self.server.environment(), **where, **settings}
        environment |= play.environment()
        return BotProcess(COMMAND, environment, output=self.data.parent / "bot.log")

    async def ask(self, *, steps: int = QUICK, **options: Any) -> None:
        """Ben wants a picture."""
        await self.server.slash("Ben", "imagine", where=self.channel, prompt=self.channel, steps=steps, **options)

    def rows(self) -> list[tuple[str, str | None]]:
        """The status and the message of each job that was asked for here."""
        query = "SELECT status, message FROM jobs WHERE request ->> 'prompt' = :prompt ORDER BY accepted_at"
        return rows(self.settings.database, query, prompt=self.channel)

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
        assert all([button.label for button in post.buttons] == RESULT for post in posts)
        return posts

    async def written(self, query: str) -> list[tuple[Any, ...]]:
        """Wait until the query finds something, and return that."""
        async with asyncio.timeout(60):
            while not (found := rows(self.settings.database, query)):  # noqa: ASYNC110 - a row tells no Event
                await asyncio.sleep(0.1)
        return found

    async def agrees(self) -> bool:
        """What `python -m bot check` says, and as many pictures as there are posts."""
        database = Database(self.settings.database)
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


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str | None:
    """An empty database on a server, for a test `on_both`; None for the file in the data folder."""
    on_a_server = getattr(request, "param", "sqlite") == "postgres"
    return request.getfixturevalue("postgres").new_database() if on_a_server else None


on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path, database_url: str | None) -> AsyncIterator[Scene]:
    """A Discord, a data folder and a database of the test's own."""
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield Scene(server, tmp_path / "data", database_url)


@pytest.mark.parametrize(
    ("state", "killed", "database_url"),
    [
        *((state, killed, "sqlite") for state in STATES for killed in ("before", "after")),
        *(pytest.param(state, "after", "postgres", marks=pytest.mark.long) for state in STATES),
    ],
    indirect=["database_url"],
)
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


@pytest.mark.parametrize(
    ("where", "killed"),
    [
        ("bot.storage.input_files:InputFiles.write", "after"),
        ("bot.services.images:ImageService.imagine", "after"),
        *((where, "after") for where in STATES.values()),
    ],
)
async def test_a_bot_killed_around_any_state_of_a_job_that_begins_with_a_picture(
    stage: Scene, where: str, killed: str
) -> None:
    """The picture is there as long as its job is, and not without it."""
    picture = InputPicture.decode(png_of(Image.new("RGB", (64, 64), "red")))
    async with stage.bot(replace(WORKER, killed_at=where, killed=killed)) as bot:
        await stage.server.until_ready("imagine", within=60)
        asking = asyncio.create_task(stage.ask(steps=10, image=("in.png", picture.png)))
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    async with stage.bot() as bot:
        await stage.server.until_ready("imagine", within=60)
        if stage.rows():
            await stage.posted()
            assert (stage.data / INPUTS / picture.sha256).read_bytes() == picture.png
        else:
            await stage.server.until(lambda: not list((stage.data / INPUTS).iterdir()), what="the picture's end")
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text(), bot.text()
    assert await check(stage.settings, mend=False) == 0


@on_both
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


@pytest.mark.parametrize("killed_at", ["bot.services.images:ImageService.delete", "bot.services.images:clear"])
async def test_a_bot_killed_inside_delete_removes_files_and_message_at_the_next_start(
    stage: Scene, killed_at: str
) -> None:
    """Between the row and the files, or between the files and the message."""
    when = "before" if killed_at.endswith("clear") else "after"
    async with stage.bot(replace(WORKER, killed_at=killed_at, killed=when)) as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.ask()
        [post] = await stage.posted()
        pressing = asyncio.create_task(stage.server.click("Ben", post, label="Delete"))
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
    assert len(stage.posts()) == 1
    async with stage.bot():
        await stage.server.until(lambda: not stage.posts(), within=60, what="the message's end")
        assert not [file for file in (stage.data / IMAGES).rglob("*") if file.is_file()]
    assert await stage.agrees()


async def test_a_bot_killed_between_checking_a_picture_and_posting_it_posts_it_by_the_next_start(stage: Scene) -> None:
    play = replace(WORKER, killed_at="bot.services.safety:Safety.judged", killed="after")
    async with stage.bot(play, SAFETY="demonstration") as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.ask()
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
    assert rows(stage.settings.database, "SELECT score FROM images") == [(0.0,)]
    assert not any(post.attachments[0].filename.endswith(".png") for post in stage.posts() if post.attachments)
    async with stage.bot(SAFETY="demonstration"):
        await stage.posted()
    assert await stage.agrees()


@pytest.mark.parametrize(
    ("killed_at", "when"), [("safety:Safety.judged", "after"), ("images:ImageService.withheld", "before")]
)
async def test_a_bot_killed_before_it_has_told_what_is_held_tells_it_at_the_next_start(
    stage: Scene, killed_at: str, when: str
) -> None:
    """Between the picture's row and the message, or between the message and the job's row."""
    play = replace(WORKER, killed_at=f"bot.services.{killed_at}", killed=when)
    async with stage.bot(play, SAFETY="demonstration") as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.server.slash("Ben", "imagine", where=stage.channel, prompt="a secret")
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
    assert rows(stage.settings.database, "SELECT status, error_code FROM jobs") == [("rendered", None)]
    async with stage.bot(SAFETY="demonstration"):
        await stage.written("SELECT id FROM jobs WHERE error_code = 'held'")
    [post] = stage.posts()
    assert "held back" in post.content
    assert not post.attachments
    assert any("held back the picture" in one.content for one in stage.server.messages("dm", viewer="Ben"))


@pytest.mark.parametrize(("killed_at", "when", "delivered"), [("decide", "after", 0), ("given", "before", 1)])
async def test_a_bot_killed_after_a_moderators_decision_delivers_the_picture_once_by_the_next_start(
    stage: Scene, killed_at: str, when: str, delivered: int
) -> None:
    """Between the decision's row and the message, or between the message and the row that says so."""
    play = replace(WORKER, killed_at=f"bot.services.reviews:Reviews.{killed_at}", killed=when)
    async with stage.bot(play, SAFETY="demonstration") as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.server.slash("Ben", "imagine", where=stage.channel, prompt="a secret", steps=QUICK)
        await stage.written("SELECT id FROM jobs WHERE error_code = 'held'")
        queue = await stage.server.slash("Ada", "admin safety queue", where=stage.channel)
        await stage.server.until(lambda: queue.post is not None and queue.post.buttons, within=10, what="the queue")
        assert queue.post is not None
        pressing = asyncio.create_task(stage.server.click("Ada", queue.post, label="Approve"))
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
    assert rows(stage.settings.database, "SELECT decision, given_at FROM images") == [("approved", None)]
    assert len([post for post in stage.posts() if post.attachments]) == delivered
    async with stage.bot(SAFETY="demonstration") as bot:
        await stage.written("SELECT id FROM images WHERE given_at IS NOT NULL")
        assert await bot.stop() == 0
    first, late = stage.posts()
    assert not first.attachments
    assert (len(late.attachments), late.reply_to) == (1, first.id)
    assert await check(stage.settings, mend=False) == 0


@pytest.mark.parametrize(("killed_at", "when", "copies"), [("star", "after", 0), ("copied", "before", 1)])
async def test_a_bot_killed_around_a_gallerys_copy_posts_it_once_by_the_next_start(
    stage: Scene, killed_at: str, when: str, copies: int
) -> None:
    """Between the row and the message, or between the message and the row."""
    gallery = Scene(stage.server, stage.data)
    async with stage.bot(replace(WORKER, killed_at=f"bot.services.stars:Stars.{killed_at}", killed=when)) as bot:
        await stage.server.until_ready("imagine", within=60)
        await stage.server.slash("Ada", "admin gallery", channel=gallery.channel, stars=1)
        await stage.ask()
        [post] = await stage.posted()
        starring = asyncio.create_task(stage.server.react("Cleo", post, "⭐"))
        assert await asyncio.wait_for(bot.wait(), 30) == -signal.SIGKILL
        starring.cancel()
        await asyncio.gather(starring, return_exceptions=True)
    assert len(gallery.posts()) == copies
    async with stage.bot():
        found = await stage.written("SELECT message FROM gallery_copies WHERE message IS NOT NULL")
    [copy] = gallery.posts()
    assert found == [(str(copy.id),)]
    assert len(copy.attachments) == 1


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


# ----------------------------------------------------------------------- one that stands by, and a server that is away


async def said(bot: BotProcess, words: str, *, times: int = 1) -> None:
    """Wait until its log has these words so often."""
    async with asyncio.timeout(60):
        while bot.text().count(words) < times:  # noqa: ASYNC110 - another process' file tells no Event
            await asyncio.sleep(0.1)


@on_both
async def test_a_bot_that_stands_by_takes_over_within_15_seconds_of_the_others_death(stage: Scene) -> None:
    """It has loaded no model and is not connected before that; then every job goes on, and one more is taken."""
    async with stage.bot(replace(WORKER, room=1)) as first:
        await stage.server.until_ready("imagine", within=60)
        async with stage.bot(STANDBY="1") as second:
            await said(second, "standing by")
            for steps in (LONG, QUICK):
                await stage.ask(steps=steps)
            assert stage.server.gateway.identified == 1
            first.kill()
            await first.wait()
            died = asyncio.get_running_loop().time()
            await stage.server.until(lambda: stage.server.gateway.identified == 2, within=15, what="the second bot")
            await stage.ask()
            assert asyncio.get_running_loop().time() - died < 15
            await stage.posted(3)
            assert await second.stop() == 0
    assert await stage.agrees()


async def test_a_bot_that_stands_by_can_be_stopped_and_leaves_the_other_alone(stage: Scene) -> None:
    async with stage.bot():
        await stage.server.until_ready("imagine", within=60)
        async with stage.bot(STANDBY="1") as second:
            await said(second, "standing by")
            assert await second.stop() == 0
        await stage.ask()
        await stage.posted()


@on_both
async def test_a_bot_with_another_folder_does_not_even_stand_by(stage: Scene) -> None:
    url = stage.settings.database
    async with stage.bot() as first:
        await stage.server.until_ready("imagine", within=60)
        elsewhere = str(stage.data.parent / "elsewhere")
        async with stage.bot(STANDBY="1", DATA_DIR=elsewhere, DATABASE_URL=url) as second:
            assert await asyncio.wait_for(second.wait(), 30) == EXIT_CANNOT_RUN
        assert "is not the folder this database was used with" in second.text()
        assert await first.stop() == 0
    async with stage.bot(DATA_DIR=elsewhere, DATABASE_URL=url) as third:
        assert await asyncio.wait_for(third.wait(), 30) == EXIT_CANNOT_RUN


@pytest_asyncio.fixture(loop_scope="module")
async def on_a_server(tmp_path: Path, postgres: Server) -> AsyncIterator[Scene]:
    """A Discord and a data folder, with the database on a server that can be stopped."""
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield Scene(server, tmp_path / "data", postgres.new_database())


@pytest.mark.long
async def test_a_database_server_that_is_away_for_6_seconds_costs_no_job(on_a_server: Scene, postgres: Server) -> None:
    async with on_a_server.bot(Play(seconds=0.5, room=2)) as bot:
        await on_a_server.server.until_ready("imagine", within=60)
        for member in ("Ada", "Ben", "Cleo"):
            for _ in range(4):
                await on_a_server.server.slash(
                    member, "imagine", where=on_a_server.channel, prompt=on_a_server.channel, steps=1
                )
        postgres.stop()
        await asyncio.sleep(6)  # how long it is away
        postgres.start()
        await on_a_server.posted(12)
        assert await bot.stop() == 0
    assert await on_a_server.agrees()


@pytest.mark.long
async def test_a_database_server_that_is_down_at_the_start_is_waited_for(on_a_server: Scene, postgres: Server) -> None:
    postgres.stop()
    try:
        async with on_a_server.bot() as bot:
            await said(bot, "trying again", times=7)  # a locked file gets fewer tries
            postgres.start()
            await on_a_server.server.until_ready("imagine", within=60)
            await on_a_server.ask()
            await on_a_server.posted()
            postgres.stop()
        async with on_a_server.bot() as bot:
            await said(bot, "trying again", times=bot.text().count("trying again") + 1)
            assert await bot.stop(within=5) == 0, "who waits can be told to stop"
    finally:
        postgres.start()


async def test_a_bot_whose_database_another_one_has_taken_ends_with_75_and_writes_nothing_more(
    on_a_server: Scene, postgres: Server
) -> None:
    async with on_a_server.bot(Play(seconds=0.5)) as bot:
        await on_a_server.server.until_ready("imagine", within=60)
        await on_a_server.ask(steps=LONG)
        postgres.stop()
        postgres.start()
        other = Database(on_a_server.settings.database)
        await other.hold()
        assert await asyncio.wait_for(bot.wait(), 30) == EXIT_WORKER_LOST
        assert on_a_server.rows()[0][0] == "started"
        await other.close()
