"""Held pictures: the moderators' channel, the queue, what is delivered, and what everybody is told."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import discord
import pytest
from simcord.backend.models import Overwrite
from simcord.builders import ChannelHandle
from simcord.enums import OverwriteType

from bot.records import Decision, JobRecord, Member
from bot.services.reviews import Reviews
from bot.storage import holds
from generation.job import JobStatus
from tests.bot.discord_ui.world import RESULT, World, labels, words
from tests.bot.fake_check import FakeCheck

DECISIONS = ["Approve", "Keep back", "False positive"]


@pytest.fixture
def check(world: World) -> FakeCheck:
    """What is asked for with the word "secret" is unsafe, whatever draws it."""
    assert world.check is not None
    world.check.by_words["secret"] = 0.9
    return world.check


@pytest.fixture
async def mods(world: World, check: FakeCheck) -> ChannelHandle:
    """The moderators' channel; all held pictures are shown there."""
    hidden, seen = (discord.PermissionOverwrite(view_channel=may) for may in (False, True))
    readers = {world.guild.me: seen, **{world.guild.roles[name]: seen for name in ("mods", "admins")}}
    channel = world.guild.create_text_channel("mods", overwrites={world.guild.roles["@everyone"]: hidden, **readers})
    await world.env.settle()
    await world.admin.slash(world.channel, "admin safety review", channel=channel)
    await world.admin.slash(world.channel, "admin safety set", policy="review")
    return channel


async def asked(world: World, *, prompt: str = "a secret **cat**", **options: Any) -> Any:
    """A result whose pictures are held; the message that says so."""
    answer = await world.alice.slash(world.channel, "imagine", prompt=prompt, model="pinwheel", **options)
    await world.env.settle()
    return answer


async def only_job(world: World) -> JobRecord:
    return (await world.jobs())[-1]


def told(world: World) -> list[str]:
    """What Alice was told by direct message."""
    return [message.content for message in world.alice.user.dm_channel.history()]


# The moderators' channel


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


# Bad days


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
    reviews = Reviews(database=world.database, clock=discord.utils.utcnow)
    await reviews.decide(job.images[0].id, Decision.APPROVED, admin)
    for _ in range(2):
        await world.restart(crash=True)
        assert len(world.channel.history()) == before + 1
    assert len(world.channel.last_message.attachments) == 1
    assert "Approved" in mods.last_message.content
    assert len([one for one in told(world) if "let your picture through" in one]) == 1


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


# The queue


async def test_the_queue_shows_one_after_the_other_and_decides(world: World, check: FakeCheck) -> None:
    for number in range(3):
        await asked(world, prompt=f"a secret cat {number}")
        await world.env.advance_time(1)
    answer = await world.admin.slash(world.channel, "admin safety queue")
    assert answer.ephemeral
    message = answer.response
    assert "3 waiting" in message.content
    assert "secret cat 0" in words(message)
    assert message.attachments[0].filename.startswith("SPOILER_")
    assert labels(message) == [*DECISIONS, "◀ Newer"]
    await world.admin.click(message, label="◀ Newer")
    assert "secret cat 1" in words(message)
    assert labels(message) == [*DECISIONS, "◀ Newer", "Older ▶"]
    await world.admin.click(message, label="Approve")
    assert "secret cat 2" in words(message)
    assert "2 waiting" in message.content
    await world.admin.click(message, label="Keep back")
    assert "secret cat 0" in words(message)
    await world.admin.click(message, label="False positive")
    assert "No held picture waits" in message.content
    assert not message.attachments
    assert not labels(message)
    assert [job.images[0].decision for job in await world.jobs()] == [
        Decision.FALSE_POSITIVE,
        Decision.APPROVED,
        Decision.KEPT_BACK,
    ]


async def test_a_page_of_the_queue_is_shown_to_no_one_else(world: World, check: FakeCheck) -> None:
    await asked(world)
    other = await world.bob.slash(world.channel, "imagine", prompt="a dog")
    before = len(world.channel.history())
    for actor in (world.bob, world.mod):
        answer = await world.press(actor, other.response, f"held:older:{'9' * 16}:{'f' * 32}")
        said = answer.followups[-1] if answer.followups else answer.response
        assert said.ephemeral
        assert "Manage Server" in words(said)
    assert len(world.channel.history()) == before


async def test_a_held_picture_whose_file_is_gone_can_still_be_kept_out_of_the_queue(
    world: World, check: FakeCheck
) -> None:
    await asked(world)
    for file in (world.folder / "images").rglob("*.png"):
        file.unlink()
    message = (await world.admin.slash(world.channel, "admin safety queue")).response
    assert "its file is gone" in message.content
    await world.admin.click(message, label="Keep back")
    assert "No held picture waits" in message.content


# Strikes and the list


async def test_strikes_refuse_privately_until_an_admin_resets_them(world: World, mods: ChannelHandle) -> None:
    await world.admin.slash(world.channel, "admin safety set", strikes=2)
    for _ in range(2):
        await asked(world)
        await world.mod.click(mods.last_message, label="Keep back")
    refused = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert refused.ephemeral
    assert "kept back 2 pictures of yours" in refused.response.content
    assert "<t:" in refused.response.content
    shown = await world.admin.slash(world.channel, "admin safety strikes", member=world.alice)
    assert "2 pictures" in shown.response.content
    reset = await world.admin.slash(world.channel, "admin safety strikes", member=world.alice, reset=True)
    assert "begins anew" in reset.response.content
    again = await world.admin.slash(world.channel, "admin safety strikes", member=world.alice, reset=True)
    assert "Nothing counted" in again.response.content
    assert not (await world.alice.slash(world.channel, "imagine", prompt="a cat")).ephemeral


async def test_the_list_is_shown_and_taken_back_from(world: World, mods: ChannelHandle) -> None:
    assert "Nothing is on the list" in words((await world.admin.slash(world.channel, "admin safety unwanted")).response)
    await asked(world)
    await world.mod.click(mods.last_message, label="Keep back")
    (one,) = await world.database.read(lambda tx: holds.unwanted(tx, str(world.guild.id)))
    assert one.look[:12] in words((await world.admin.slash(world.channel, "admin safety unwanted")).response)
    (choice,) = await world.admin.autocomplete(world.channel, "admin safety unwanted", "take_back", "")
    assert choice["value"] == one.look
    taken = await world.admin.slash(world.channel, "admin safety unwanted", take_back=one.look)
    assert "off the list" in taken.response.content
    again = await world.admin.slash(world.channel, "admin safety unwanted", take_back=one.look)
    assert "not on the list" in again.response.content


# Delete


async def test_a_moderator_is_asked_why_and_only_this_goes(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", model="pinwheel")
    asked_why = await world.mod.click(first.response, label="Delete")
    assert asked_why.ephemeral
    assert labels(asked_why.response) == ["Only this", "For its content"]
    assert first.response.id in [message.id for message in world.channel.history()], "nothing is gone yet"
    shown = first.response.id
    await world.mod.click(asked_why.response, label="Only this")
    assert "It is deleted." in asked_why.response.content
    assert shown not in [message.id for message in world.channel.history()]
    assert [one for one in told(world) if "deleted your pictures" in one]
    assert await world.database.read(lambda tx: holds.unwanted(tx, str(world.guild.id))) == ()


async def test_what_goes_for_its_content_is_held_back_when_it_comes_again(world: World) -> None:
    drawing: dict[str, Any] = {"prompt": "a cat", "model": "pinwheel", "seed": 7}
    first = await world.alice.slash(world.channel, "imagine", **drawing)
    asked_why = await world.mod.click(first.response, label="Delete")
    await world.mod.click(asked_why.response, label="For its content")
    assert "held back here" in asked_why.response.content
    again = await world.bob.slash(world.channel, "imagine", **drawing)
    assert not again.response.attachments
    assert (await only_job(world)).images[0].waits


async def test_requesters_delete_their_own_without_a_question(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    shown = first.response.id
    await world.alice.click(first.response, label="Delete")
    assert shown not in [message.id for message in world.channel.history()]


async def test_made_up_answers_to_the_question_delete_nothing(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    job = await only_job(world)
    for why in ("this", "content"):
        answer = await world.press(world.bob, first.response, f"remove:{why}:{job.id.hex}")
        assert answer.followups[-1].ephemeral
    assert (await only_job(world)).deleted_at is None
    assert await world.database.read(lambda tx: holds.unwanted(tx, str(world.guild.id))) == ()


@pytest.mark.parametrize("below_the_late_one", [True, False])
async def test_delete_takes_what_came_later_and_the_review_with_it(
    world: World, mods: ChannelHandle, below_the_late_one: bool
) -> None:
    first = await asked(world)
    await world.mod.click(mods.last_message, label="Approve")
    late, shown = world.channel.last_message, first.response.id
    await world.alice.click(late if below_the_late_one else first.response, label="Delete")
    await world.env.settle()
    assert not {shown, late.id} & {message.id for message in world.channel.history()}
    assert not mods.history()


async def test_a_deleted_job_that_waits_goes_from_the_moderators_channel(world: World, mods: ChannelHandle) -> None:
    first = await asked(world)
    world.env.inject_error("DELETE", f"/channels/{mods.id}/messages/*", status=503, times=7)
    await world.alice.click(first.response, label="Delete")
    await world.env.settle()
    assert len(mods.history()) == 1
    await world.look_after_held()
    assert not mods.history()
