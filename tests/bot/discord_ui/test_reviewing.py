"""Held pictures: the moderators' channel, what is delivered, and what everybody is told."""

import asyncio
from datetime import timedelta
from typing import Any

import discord
import pytest
from simcord.backend.models import Overwrite
from simcord.builders import ChannelHandle
from simcord.enums import OverwriteType

from bot.records import Decision
from generation.job import JobStatus
from tests.bot.discord_ui.moderating import DECISIONS, asked, only_job, told
from tests.bot.discord_ui.world import RESULT, World, labels, words
from tests.bot.fake_check import FakeCheck


async def test_a_held_picture_is_shown_to_the_moderators_with_all_they_need(world: World, mods: ChannelHandle) -> None:
    first = await asked(world)
    assert not first.response.attachments
    (shown,) = mods.history()
    (attachment,) = shown.attachments
    assert attachment.filename.startswith("SPOILER_")
    assert labels(shown) == DECISIONS
    assert world.alice.mention in shown.content
    assert f"https://discord.com/channels/{world.guild.id}/{world.channel.id}/{first.response.id}" in shown.content
    assert r"a secret \*\*cat\*\*" in words(shown)
    assert "Score 0.90" in words(shown)


async def test_an_approved_picture_answers_the_first_message_and_everybody_is_told(
    world: World, mods: ChannelHandle
) -> None:
    first = await asked(world)
    (shown,) = mods.history()
    await world.mod.click(shown, label="Approve")
    late = world.channel.last_message
    assert late.id != first.response.id
    assert late.reference is not None
    assert late.reference.message_id == first.response.id
    assert len(late.attachments) == 1
    assert labels(late) == RESULT
    assert "**alice**" in late.content
    (before,) = [message for message in world.channel.history() if message.id == first.response.id]
    assert "let through by a moderator, see below" in before.content
    (after,) = mods.history()
    assert not after.attachments
    assert not after.components
    assert f"Approved by {world.mod.mention}" in after.content
    (said,) = [one for one in told(world) if "let your picture through" in one]
    assert f"/{late.id}" in said
    job = await only_job(world)
    assert (job.status, job.error_code, job.images[0].decision) == (JobStatus.POSTED, None, Decision.APPROVED)
    assert job.images[0].given_at is not None
    again = await world.bob.click(late, label="Rerun")
    assert again.response is not None
    assert (await only_job(world)).parent == job.id


async def test_a_picture_that_is_kept_back_is_delivered_nowhere_and_its_requester_knows(
    world: World, mods: ChannelHandle
) -> None:
    first = await asked(world)
    before = len(world.channel.history())
    (shown,) = mods.history()
    await world.mod.click(shown, label="Keep back")
    assert len(world.channel.history()) == before
    (after,) = mods.history()
    assert not after.attachments
    assert f"Kept back by {world.mod.mention}" in after.content
    message = next(one for one in world.channel.history() if one.id == first.response.id)
    assert "not shown" in message.content
    (said,) = [one for one in told(world) if "kept your picture back" in one]
    assert "After 3 of them you can ask for no more for a while; this is 1." in said
    assert (await only_job(world)).error_code == "kept_back"
    assert "0 of" not in words((await world.alice.slash(world.channel, "usage")).response)


async def test_a_false_positive_is_delivered_and_counted_as_one(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    await world.mod.click(shown, label="False positive")
    assert len(world.channel.last_message.attachments) == 1
    assert "pinwheel: 1" in words((await world.admin.slash(world.channel, "admin stats")).response)


async def test_a_picture_with_words_of_its_own_is_shown_and_delivered_with_those(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world, prompt="a {secret|red|blue|green} cat", seed=7, count=4)
    job = await only_job(world)
    assert [prompt for prompt, _ in job.request.texts if "secret" in prompt] == ["a secret cat"]
    (shown,) = mods.history()
    assert shown.embeds[0].description == "a secret cat"
    await world.mod.click(shown, label="Approve")
    late = world.channel.last_message
    assert late.embeds[0].description == "a secret cat"
    assert late.attachments[0].filename == f"a-secret-cat-{job.images[3].seed}.png"
    assert [one for one in told(world) if "let your picture through: a secret cat" in one]


async def test_one_of_four_is_held_and_comes_later(world: World, mods: ChannelHandle, check: FakeCheck) -> None:
    check.by_words.clear()
    check.in_turn = [0.0, 0.9, 0.0, 0.0]
    first = await asked(world, prompt="a cat", count=4)
    assert len(first.response.attachments) == 3
    (shown,) = mods.history()
    await world.mod.click(shown, label="Approve")
    late = world.channel.last_message
    assert late.id != first.response.id
    assert len(late.attachments) == 1
    assert (await only_job(world)).images[1].seed == (await only_job(world)).request.seeds[1]
    assert f"`{(await only_job(world)).request.seeds[1]}`" in late.content


def content_of(world: World, answer: Any) -> str:
    return next(one.content for one in world.channel.history() if one.id == answer.response.id)


@pytest.mark.parametrize(
    ("decided", "said"),
    [
        (["Approve", "Approve"], "-# 🔓 2 pictures let through by a moderator, see below."),
        (["Keep back", "Approve"], "-# 🔒 1 picture let through by a moderator, see below. 1 picture is not shown."),
        (["Keep back", "Keep back"], "-# 🔒 2 pictures are not shown."),
        (["Keep back"], "-# 🔒 1 picture is held back. 1 picture is not shown."),
        (["False positive"], "-# 🔒 1 picture let through by a moderator, see below. 1 picture is held back."),
    ],
)
async def test_the_first_message_of_a_partly_held_job_says_what_was_decided(
    world: World, mods: ChannelHandle, check: FakeCheck, decided: list[str], said: str
) -> None:
    check.by_words.clear()
    check.in_turn = [0.0, 0.9, 0.9, 0.0]
    first = await asked(world, prompt="a cat", count=4)
    before = first.response.content
    assert before.endswith("\n-# 🔒 2 pictures are held back.")
    for shown, label in zip(mods.history(), decided, strict=False):
        await world.mod.click(shown, label=label)
    assert content_of(world, first) == before.replace("-# 🔒 2 pictures are held back.", said)
    assert len(first.response.attachments) == 2


async def test_the_message_of_a_job_without_a_picture_says_what_was_decided(world: World, mods: ChannelHandle) -> None:
    first = await asked(world, count=3)
    left = iter(mods.history())
    await world.mod.click(next(left), label="Keep back")
    assert content_of(world, first) == "🔒 For **alice**: 2 pictures are held back. 1 picture is not shown."
    await world.mod.click(next(left), label="Approve")
    said = "🔒 For **alice**: 1 picture let through by a moderator, see below. 1 picture is "
    assert content_of(world, first) == f"{said}held back. 1 picture is not shown."
    await world.age_holds(timedelta(days=15))
    await world.look_after_held()
    assert content_of(world, first) == said.replace("1 picture is ", "2 pictures are not shown.")


async def test_a_message_that_cannot_be_mended_keeps_nobody_from_their_picture(
    world: World, mods: ChannelHandle, check: FakeCheck
) -> None:
    check.by_words.clear()
    check.in_turn = [0.0, 0.9]
    first = await asked(world, prompt="a cat", count=2)
    path = f"/channels/{world.channel.id}/messages/{first.response.id}"
    world.env.inject_error("GET", path, status=403, code=50001, times=None)
    await world.mod.click(mods.last_message, label="Approve")
    assert len(world.channel.last_message.attachments) == 1
    assert "1 picture is held back" in content_of(world, first)
    assert [one for one in told(world) if "let your picture through" in one]
    await world.look_after_held()
    assert (await only_job(world)).images[1].given_at is not None


async def test_a_member_without_rights_is_refused_privately_and_decides_nothing(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world)
    (shown,) = mods.history()
    reader = world.guild.add_member(world.env.create_user("reader"), roles=[world.guild.roles["mods"]])
    await world.env.settle()
    denied = discord.Permissions(manage_messages=True).value
    world.env.backend.set_overwrite(
        mods.id, Overwrite(target_id=reader.id, type=OverwriteType.MEMBER, allow=0, deny=denied)
    )
    refused = await reader.click(shown, label="Approve")
    assert refused.followups[0].ephemeral
    assert "Only a moderator of the moderators' channel" in refused.followups[0].content
    (same,) = mods.history()
    assert labels(same) == DECISIONS
    assert (await only_job(world)).images[0].waits


async def test_a_made_up_button_elsewhere_decides_nothing(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    job = await only_job(world)
    other = await world.bob.slash(world.channel, "imagine", prompt="a dog")
    for actor in (world.alice, world.bob, world.mod):  # a moderator there, and not in the moderators' channel
        answer = await world.press(actor, other.response, f"review:approved:{job.images[0].id.hex}")
        assert answer.followups[-1].ephemeral
    assert (await only_job(world)).status is JobStatus.POSTED
    assert (await world.jobs())[0].images[0].waits


async def test_the_second_who_presses_is_told_who_decided(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    before = len(world.channel.history())
    await world.mod.click(shown, label="Approve")
    job = await only_job(world)
    other = await world.bob.slash(world.channel, "imagine", prompt="a dog")
    before = len(world.channel.history())
    late = await world.press(world.admin, other.response, f"review:kept_back:{job.images[0].id.hex}")
    assert late.followups[-1].ephemeral
    assert f"{world.mod.mention} let this picture through" in late.followups[-1].content
    assert len(world.channel.history()) == before
    assert (await world.jobs())[0].images[0].decision is Decision.APPROVED


async def test_two_decisions_at_once_deliver_once_and_tell_the_other(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    before = len(world.channel.history())
    await asyncio.gather(
        *(actor.click(shown, label="Approve") for actor in (world.mod, world.admin)), return_exceptions=True
    )
    await world.env.settle()
    assert len(world.channel.history()) == before + 1
    audit = await world.database.read(lambda tx: tx.exec_driver_sql("SELECT action FROM audit").all())
    assert [action for (action,) in audit].count("safety.approved") == 1


async def test_the_buttons_are_alive_after_a_restart(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    await world.restart()
    await world.mod.click(shown, label="Approve")
    assert len(world.channel.last_message.attachments) == 1
    assert len(mods.history()) == 1


async def test_a_policy_that_only_withholds_shows_the_moderators_channel_nothing(
    world: World, mods: ChannelHandle
) -> None:
    await world.admin.slash(world.channel, "admin safety set", policy="withhold")
    await asked(world)
    assert not mods.history()
    await world.look_after_held()
    assert not mods.history()
    await world.admin.slash(world.channel, "admin safety set", policy="review")
    await world.look_after_held()
    assert len(mods.history()) == 1
