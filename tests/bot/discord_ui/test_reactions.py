"""Reactions on results."""

import asyncio
from datetime import timedelta
from typing import Any

import discord
import pytest

from bot.discord_ui.delivery.deliveries import ANSWER_DEADLINE
from bot.discord_ui.reactions import Refusals
from bot.errors import NothingToCancel
from bot.records import JobRecord, Member
from generation.job import JobId
from tests.bot.discord_ui.world import World, words


async def test_the_bot_puts_the_first_reaction_under_a_result(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert [(reaction.emoji, reaction.count) for reaction in answer.response.message.reactions] == [("🔁", 1)]
    assert len(await world.jobs()) == 1  # its own reaction asks for nothing


@pytest.mark.parametrize("flag", ["add_reactions", "read_message_history"])
async def test_the_bot_puts_no_reaction_where_it_lacks_the_permission(world: World, flag: str) -> None:
    channel = world.channel_without(flag)
    answer = await world.alice.slash(channel, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1
    assert not answer.response.message.reactions
    assert not [entry for entry in world.env.backend.http_requests if "/reactions/" in entry.path]


@pytest.mark.parametrize("emoji", ["🔁", "🔄", "🔁\ufe0f", "🔄\ufe0f"])
async def test_anyone_may_ask_again_by_reaction(world: World, emoji: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=1)
    await world.bob.react(first.response, emoji)
    reply = world.channel.last_message
    assert reply.reference.message_id == first.response.id
    assert len(reply.attachments) == 1
    assert "**bob**" in reply.content
    original, rerun = await world.jobs()
    assert rerun.requester == str(world.bob.id)
    assert rerun.parent == original.id
    assert rerun.place.message == str(reply.id)
    assert rerun.request.seed != original.request.seed


async def test_a_reaction_on_the_reply_works_too(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "🔁")
    await world.alice.react(world.channel.last_message, "🔁")
    assert len(await world.jobs()) == 3


async def test_other_messages_emoji_and_bots_are_left_alone(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    said = await world.alice.send(world.channel, "hello")
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    await world.bob.react(first.response, "👍")
    await world.bob.react(said, "🔁")
    await robot.react(first.response, "🔁")
    assert len(await world.jobs()) == 1


async def test_a_refusal_is_told_by_direct_message(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin block", member=world.bob, reason="too many cats")
    before = len(world.channel.history())
    await world.bob.react(first.response, "🔁")
    (told,) = world.bob.user.dm_channel.history()
    assert "blocked" in told.content
    assert len(world.channel.history()) == before
    assert len(await world.jobs()) == 1


async def test_a_refused_reaction_writes_nothing_to_the_channel_also_where_direct_messages_are_closed(
    world: World,
) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin block", member=world.bob)
    dm = world.bob.user.dm_channel
    world.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)
    before = len(world.channel.history())
    await world.bob.react(first.response, "🔁")
    assert len(world.channel.history()) == before
    assert not dm.history()


async def test_refused_reactions_send_one_direct_message_a_member_and_minute(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    second = await world.alice.slash(world.channel, "imagine", prompt="a dog")
    for member in (world.bob, world.mod):
        await world.admin.slash(world.channel, "admin block", member=member)
    for number in range(12):
        message, emoji = (first, second)[number % 2].response, "🔁🔄"[number // 2 % 2]
        await world.bob.react(message, emoji)
        await world.bob.unreact(message, emoji)
    await world.mod.react(first.response, "🔁")
    assert len(world.bob.user.dm_channel.history()) == 1
    assert len(world.mod.user.dm_channel.history()) == 1, "each member has a minute of their own"
    await world.env.advance_time(61)
    await world.bob.react(first.response, "🔁")
    assert len(world.bob.user.dm_channel.history()) == 2


async def test_refused_reactions_are_told_of_after_a_clock_that_was_ahead_is_set_back(world: World) -> None:
    now = [discord.utils.utcnow() + timedelta(days=1)]
    refusals = Refusals(world.parts.bot, lambda: now[0])
    emoji = discord.PartialEmoji(name="🔁")
    ids: Any = {"channel_id": world.channel.id, "message_id": 1, "user_id": world.bob.id, "type": 0}
    reaction = discord.RawReactionActionEvent(ids, emoji, "REACTION_ADD")
    with world.env.time_context():
        await refusals.tell(reaction, NothingToCancel())
        now[0] -= timedelta(days=1)
        await refusals.tell(reaction, NothingToCancel())
    assert len(world.bob.user.dm_channel.history()) == 2


async def test_a_rerun_by_reaction_says_which_permissions_the_bot_lacks(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.deny("attach_files")
    await world.bob.react(first.response, "🔁")
    (told,) = world.bob.user.dm_channel.history()
    assert "Attach Files" in told.content
    assert len(await world.jobs()) == 1


async def test_a_cross_by_requester_or_moderator_deletes(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    second = await world.alice.slash(world.channel, "imagine", prompt="a dog")
    await world.bob.react(first.response, "❌")
    assert first.response is not None
    await world.alice.react(first.response, "❌")
    assert first.response is None
    await world.mod.react(second.response, "❌")
    assert second.response is None
    assert "deleted" in world.alice.user.dm_channel.last_message.content
    assert all(job.deleted_at for job in await world.jobs())


@pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)
async def test_what_is_no_result_yet_cannot_be_repeated(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "🔁")
    assert len(await world.jobs()) == 1


async def test_reactions_work_in_direct_messages(world: World) -> None:
    user = world.alice.user
    first = await user.slash("imagine", prompt="a cat")
    await user.set_reaction(first.response, "🔁", reacted=True)
    assert len(await world.jobs()) == 2
    assert len(user.dm_channel.last_message.attachments) == 1


async def test_an_unexpected_error_is_told_with_a_reference(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    monkeypatch.setattr(world.parts.images, "rerun", broken)
    await world.bob.react(first.response, "🔁")
    (told,) = world.bob.user.dm_channel.history()
    assert "secret" not in told.content
    assert told.content.split("`")[1] in caplog.text


async def test_a_reply_that_cannot_be_written_leaves_no_job(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50013, times=1)
    world.parts.worker.hold = True
    await world.bob.react(first.response, "🔁")
    await world.until(lambda: not world.parts.dispatcher.running())
    assert [str(job.status) for job in await world.jobs()] == ["posted", "cancelled"]
    assert "seed" in words(first.response).lower()


async def test_a_rerun_by_reaction_that_takes_too_long_is_refused_and_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")

    async def slow(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(world.parts.images, "imagine", slow)
    await world.bob.react(first.response, "🔁")
    await world.env.advance_time(ANSWER_DEADLINE + 0.1)
    (told,) = world.bob.user.dm_channel.history()
    assert "very busy" in told.content
    assert len(await world.jobs()) == 1


async def test_a_reaction_in_flight_is_answered_before_the_bot_disconnects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    begun, go_on, delete = asyncio.Event(), asyncio.Event(), world.parts.images.delete

    async def slow(job_id: JobId, member: Member) -> JobRecord:
        begun.set()
        await world.env.external_wait(go_on.wait(), reason="a slow database")
        return await delete(job_id, member)

    monkeypatch.setattr(world.parts.images, "delete", slow)
    await world.alice.react(first.response, "❌")
    assert begun.is_set()
    with world.env.time_context():
        closing = asyncio.ensure_future(world.parts.bot.close())
    await asyncio.sleep(0)
    assert not world.parts.bot.is_closed()
    go_on.set()
    await closing
    assert world.parts.bot.is_closed()
    assert world.channel.last_message is None
