"""A bot that dies or stops at any state of a job still ends in one message with its pictures."""

import asyncio
import signal
from dataclasses import replace

import pytest
from PIL import Image

from bot.process import EXIT_WORKER_LOST
from bot.settings import IMAGES, INPUTS
from bot.upkeep import check
from generation.inputs import InputPicture
from tests.e2e.faults import Fault, Moment, Trouble
from tests.e2e.records import rows
from tests.e2e.scene import LONG, QUICK, WORKER, Scene, on_both
from tests.pictures import png_of

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]


#: The calls that write down a job's life, in order.
STATES = {
    "accepted": "bot.services.images:ImageService.imagine",
    "answered": "bot.services.images:ImageService.answered",
    "started": "bot.storage.journal:StoredJournal.started",
    "rendered": "bot.storage.journal:StoredJournal.rendered",
    "posted": "bot.services.images:ImageService.posted",
}


@pytest.mark.parametrize(
    ("state", "killed", "database_url"),
    [
        *((state, killed, "sqlite") for state in STATES for killed in ("before", "after")),
        *((state, "after", "postgres") for state in STATES),
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
