"""The queue of held pictures, strikes, the list of unwanted pictures, and Delete by a moderator."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from simcord.builders import ChannelHandle

from bot.records import Decision, JobRecord
from bot.services.reviews import Reviews
from bot.storage import holds
from generation.job import JobId
from tests.bot.discord_ui.moderating import DECISIONS, asked, only_job, told
from tests.bot.discord_ui.world import World, labels, words
from tests.bot.fake_check import FakeCheck


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


async def test_delete_takes_what_is_being_delivered_at_that_moment(
    world: World, mods: ChannelHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await asked(world)
    posted, is_deleted, given, deleted = asyncio.Event(), asyncio.Event(), Reviews.given, Reviews.deleted

    async def given_late(reviews: Reviews, image_id: UUID) -> None:
        posted.set()
        await world.env.external_wait(is_deleted.wait(), reason="a slow database")
        await given(reviews, image_id)

    async def deleted_before(reviews: Reviews, job_id: JobId) -> JobRecord | None:
        job = await deleted(reviews, job_id)
        is_deleted.set()
        return job

    monkeypatch.setattr(Reviews, "given", given_late)
    monkeypatch.setattr(Reviews, "deleted", deleted_before)
    await world.mod.click(mods.last_message, label="Approve")
    await posted.wait()
    assert len(world.channel.last_message.attachments) == 1
    await world.alice.click(first.response, label="Delete")
    await world.env.settle()
    assert not world.channel.history()
    assert not mods.history()


async def test_a_deleted_job_that_waits_goes_from_the_moderators_channel(world: World, mods: ChannelHandle) -> None:
    first = await asked(world)
    world.env.inject_error("DELETE", f"/channels/{mods.id}/messages/*", status=503, times=7)
    await world.alice.click(first.response, label="Delete")
    await world.env.settle()
    assert len(mods.history()) == 1
    await world.look_after_held()
    assert not mods.history()
