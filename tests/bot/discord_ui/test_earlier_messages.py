"""Messages that an earlier run sent: found again, gone on with, and never sent a second time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import discord
import pytest
from sqlalchemy import update

from bot.errors import StorageFault
from bot.records import JobRecord
from bot.storage.tables import JOBS
from generation.job import JobStatus
from tests.bot.discord_ui.world import World

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


@HELD
@pytest.mark.parametrize("minutes", [1, 16])
async def test_an_answer_whose_row_does_not_know_it_is_found_again(world: World, minutes: int) -> None:
    """Killed between the answer and the row that should have named its message."""
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.forget_message()
    await world.env.advance_time(minutes * 60)  # by the token, or in the channel's history
    await world.restart(crash=True)
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 1)
    assert sum(bool(message.attachments) for message in world.channel.history()) == 1
    assert (await world.jobs())[0].place.message == str(answer.response.id)


@HELD
async def test_a_job_that_was_never_answered_is_drawn_and_delivered_all_the_same(world: World) -> None:
    """Killed between the row and the answer."""
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.backend.delete_message(world.channel.id, answer.response.id)
    await world.forget_message()
    await world.env.advance_time(16 * 60)
    await world.restart(crash=True)
    (message,) = world.channel.history()
    assert "Starting to draw for **alice**" in message.content
    assert not message.mentions
    world.parts.worker.release()
    await world.until(lambda: len(world.channel.history()[0].attachments) == 1)


@HELD
async def test_what_the_bot_sent_by_itself_goes_on_after_one_more_restart(world: World) -> None:
    """The row still has a token, which reaches the command's own answer and no other message."""
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.backend.delete_message(world.channel.id, answer.response.id)
    await world.forget_message()
    await world.restart(crash=True)
    (message,) = world.channel.history()
    await world.restart()
    await world.env.advance_time(2.5)
    assert "Starting to draw" in world.channel.history()[0].content
    world.parts.worker.release()
    await world.until(lambda: len(world.channel.history()[0].attachments) == 1)
    assert [shown.id for shown in world.channel.history()] == [message.id]


@HELD
async def test_what_a_start_sent_late_is_found_by_the_next_one(world: World) -> None:
    """Killed between that message and its row, when much had been said in the channel since the command."""
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.backend.delete_message(world.channel.id, answer.response.id)
    await world.forget_message()
    await world.env.advance_time(16 * 60)
    await world.restart()
    (message,) = world.channel.history()
    await world.forget_message()
    # SimCord gives the newest messages since a moment, Discord the first ones: this moment is past reach for both.
    later = discord.utils.utcnow() + timedelta(days=36500)
    late = update(JOBS).values(accepted_at=later)
    await world.database.write(lambda transaction: transaction.execute(late).rowcount)
    await world.restart()
    assert [shown.id for shown in world.channel.history()] == [message.id]


async def test_a_picture_that_was_sent_anew_is_not_sent_a_second_time(world: World, monkeypatch: Any) -> None:
    """Killed between a new message with the pictures and the row that should have said so."""

    async def killed(*args: Any, **kwargs: Any) -> None:
        raise StorageFault(detail="as if killed here")

    monkeypatch.setattr(world.parts.images, "posted", killed)
    world.env.inject_error("PATCH", "/webhooks/*", status=404, code=10008, times=1)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.backend.delete_message(world.channel.id, answer.response.id)
    (sent,) = world.channel.history()
    assert len(sent.attachments) == 1
    await world.restart(crash=True)
    assert [message.id for message in world.channel.history()] == [sent.id]
    (job,) = await world.jobs()
    assert (job.status, job.place.message) == (JobStatus.POSTED, str(sent.id))


async def test_a_picture_that_went_by_direct_message_is_not_sent_a_second_time(world: World, monkeypatch: Any) -> None:
    async def killed(*args: Any, **kwargs: Any) -> None:
        raise StorageFault(detail="as if killed here")

    monkeypatch.setattr(world.parts.images, "posted", killed)
    world.env.inject_error("PATCH", "/webhooks/*", status=403, code=50001, times=None)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(world.alice.user.dm_channel.history()) == 1
    await world.restart(crash=True)
    assert len(world.alice.user.dm_channel.history()) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_what_was_posted_while_a_list_of_the_unposted_was_read_is_not_posted_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    (posted,) = await world.jobs()

    async def stale() -> tuple[JobRecord, ...]:
        return (replace(posted, status=JobStatus.RENDERED),)

    monkeypatch.setattr(world.parts.images, "unposted", stale)
    await world.env.advance_time(180)
    edits = len(world.edits())
    await world.try_again()
    assert len(world.edits()) == edits
    assert [message.id for message in world.channel.history()] == [answer.response.id], "and nobody is called"
