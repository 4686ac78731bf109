"""Held pictures while something is gone, dies or refuses: nothing is lost, and nothing is shown twice."""

import logging
from datetime import timedelta

import discord
import pytest
from simcord.builders import ChannelHandle

from bot.records import Decision, Member
from bot.services.reviews import Reviews
from generation.job import JobStatus
from tests.bot.discord_ui.moderating import asked, only_job, told
from tests.bot.discord_ui.world import World, clock_is_right, labels, words


async def test_another_moderators_channel_takes_over_what_waits(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    assert len(mods.history()) == 1
    other = world.guild.create_text_channel("mods 2")
    await world.env.settle()
    await world.admin.slash(world.channel, "admin safety review", channel=other)
    for _ in range(2):
        await world.look_after_held()
        assert not mods.history()
        assert len(other.history()) == 1


async def test_a_moderators_channel_that_is_gone_leaves_the_queue_and_is_told_of_once(
    world: World, mods: ChannelHandle, caplog: pytest.LogCaptureFixture
) -> None:
    known = world.parts.bot.get_channel(mods.id)
    assert isinstance(known, discord.TextChannel)
    await known.delete()
    await world.env.settle()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await asked(world)
            await world.look_after_held()
    assert len([one for one in caplog.records if "moderators' channel" in one.getMessage()]) == 1
    answer = await world.admin.slash(world.channel, "admin safety queue")
    assert "2 waiting" in answer.response.content
    assert "where I cannot post" in words((await world.admin.slash(world.channel, "admin safety show")).response)


async def test_a_moderators_channel_without_rights_gets_what_waits_when_it_has_them_again(
    world: World, mods: ChannelHandle
) -> None:
    world.deny("attach_files", mods)
    await world.env.settle()
    await asked(world)
    assert not mods.history()
    world.allow("attach_files", mods)
    world.allow("view_channel", mods)
    await world.env.settle()
    await world.look_after_held()
    assert len(mods.history()) == 1


async def test_a_review_that_could_not_be_posted_is_posted_later_once(world: World, mods: ChannelHandle) -> None:
    world.env.inject_error("POST", f"/channels/{mods.id}/messages", status=503, times=7)
    await asked(world)
    assert not mods.history()
    for _ in range(2):
        await world.look_after_held()
        assert len(mods.history()) == 1


async def test_a_review_whose_message_was_not_written_down_is_found_again(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    await world.forget_reviews()
    await world.restart(crash=True)
    assert [message.id for message in mods.history()] == [shown.id]
    await world.mod.click(shown, label="Keep back")
    assert "Kept back" in mods.last_message.content


async def test_what_was_approved_before_a_crash_is_delivered_after_the_start_once(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world)
    job = await only_job(world)
    before = len(world.channel.history())
    # The row, and then the process ends.
    admin = Member(
        id=str(world.admin.id), name="admin", server=str(world.guild.id), channel=str(mods.id), is_admin=True
    )
    reviews = Reviews(database=world.database, clock=discord.utils.utcnow, clock_is_right=clock_is_right)
    await reviews.decide(job.images[0].id, Decision.APPROVED, admin)
    for _ in range(2):
        await world.restart(crash=True)
        assert len(world.channel.history()) == before + 1
    assert len(world.channel.last_message.attachments) == 1
    assert "Approved" in mods.last_message.content
    assert len([one for one in told(world) if "let your picture through" in one]) == 1


async def test_what_was_kept_back_before_a_crash_leaves_the_moderators_channel_at_the_start(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world)
    before = len(told(world))
    # The row, and then the process ends.
    admin = Member(
        id=str(world.admin.id), name="admin", server=str(world.guild.id), channel=str(mods.id), is_admin=True
    )
    reviews = Reviews(database=world.database, clock=discord.utils.utcnow, clock_is_right=clock_is_right)
    await reviews.decide((await only_job(world)).images[0].id, Decision.KEPT_BACK, admin)
    for _ in range(2):
        await world.restart(crash=True)
        (shown,) = mods.history()
        assert "Kept back" in shown.content
        assert not shown.attachments
        assert not labels(shown)
    assert len(told(world)) == before + 1


async def test_what_is_kept_back_leaves_the_moderators_channel_when_discord_is_back(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world)
    before = len(told(world))
    answer = await world.admin.slash(world.channel, "admin safety queue")
    world.env.inject_error("PATCH", f"/channels/{mods.id}/messages/*", status=503, times=7)
    await world.admin.click(answer.response, label="Keep back")
    await world.env.settle()
    (shown,) = mods.history()
    assert shown.attachments
    for _ in range(2):
        await world.look_after_held()
        (shown,) = mods.history()
        assert not shown.attachments
    assert len(told(world)) == before + 1


async def test_what_was_delivered_before_a_crash_and_not_written_down_is_not_delivered_again(
    world: World, mods: ChannelHandle
) -> None:
    await asked(world)
    (shown,) = mods.history()
    await world.mod.click(shown, label="Approve")
    late = world.channel.last_message
    await world.forget_given()
    await world.restart(crash=True)
    assert world.channel.last_message.id == late.id
    assert (await only_job(world)).images[0].given_at is not None


async def test_what_discord_does_not_take_for_a_while_is_delivered_later(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    before = len(world.channel.history())
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=503, times=7)
    await world.mod.click(shown, label="Approve")
    assert len(world.channel.history()) == before
    for _ in range(2):
        await world.look_after_held()
        assert len(world.channel.history()) == before + 1


async def test_what_goes_to_a_closed_channel_comes_by_direct_message(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    (shown,) = mods.history()
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50013, times=None)
    await world.mod.click(shown, label="Approve")
    sent = world.alice.user.dm_channel.last_message
    assert len(sent.attachments) == 1
    assert not labels(sent)


async def test_a_picture_of_a_member_who_left_is_decided_as_any_other(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    await asked(world)
    dm = world.alice.user.dm_channel
    world.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)
    world.guild.remove_member(world.alice)
    await world.env.settle()
    kept, approved = mods.history()
    await world.mod.click(kept, label="Keep back")
    await world.mod.click(approved, label="Approve")
    assert len(world.channel.last_message.attachments) == 1
    assert {job.status for job in await world.jobs()} == {JobStatus.FAILED, JobStatus.POSTED}


async def test_what_nobody_decides_about_expires_and_its_requester_is_told(world: World, mods: ChannelHandle) -> None:
    await asked(world)
    await world.age_holds(timedelta(days=15))
    await world.look_after_held()
    assert (await only_job(world)).images[0].decision is Decision.EXPIRED
    assert [one for one in told(world) if "decided about your picture in time" in one]
    (after,) = mods.history()
    assert "Nobody decided in time" in after.content
    assert not after.attachments
    before = len(told(world))
    await world.look_after_held()
    assert len(told(world)) == before
