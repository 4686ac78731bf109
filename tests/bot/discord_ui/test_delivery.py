"""Getting pictures to their requester: past tokens, size limits, closed places, and once only."""

import io
from datetime import timedelta
from typing import Any

import discord
import pytest
from PIL import Image
from sqlalchemy import update

from bot.records import JobRecord, Member
from bot.services.answers import Shown
from bot.services.images import ImageService
from bot.services.policies import Where
from bot.storage.image_files import ImageFiles
from bot.storage.tables import JOBS
from generation.job import JobStatus
from tests.bot.discord_ui.world import RESULT, World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


@HELD
async def test_a_picture_that_takes_longer_than_the_token_lives_is_posted(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="very slow")
    await world.env.advance_time(16 * 60)
    world.parts.worker.release()
    await world.until(lambda: labels(answer.response) == RESULT)
    assert len(answer.response.attachments) == 1
    assert world.edits()[-1].path.startswith("/channels/")


async def test_of_many_results_that_wait_to_be_posted_few_are_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        await world.alice.slash(world.channel, "imagine", prompt=f"cat {number}")
    long_ago = discord.utils.utcnow() - timedelta(hours=1)
    unposted = update(JOBS).values(status=JobStatus.RENDERED, ended_at=None, rendered_at=long_ago)
    await world.database.write(lambda transaction: transaction.execute(unposted).rowcount)
    in_memory: list[int] = [0]
    read, posted = ImageFiles.read, ImageService.posted

    async def reading(*args: Any) -> bytes:
        in_memory.append(in_memory[-1] + 1)
        return await read(*args)

    async def posting(*args: Any, **options: Any) -> bool:
        in_memory.append(in_memory[-1] - 1)
        return await posted(*args, **options)

    monkeypatch.setattr(ImageFiles, "read", reading)
    monkeypatch.setattr(ImageService, "posted", posting)
    await world.try_again()
    assert in_memory[-1] == 0, "all are posted"
    assert 1 < max(in_memory) <= 30


@pytest.mark.parametrize("status", [503, 500, 429])
async def test_a_dropped_connection_loses_no_picture(world: World, status: int) -> None:
    world.env.inject_error("PATCH", "/webhooks/*/messages/@original", status=status, times=2)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1


async def test_a_connection_that_drops_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = world.drop_connections(monkeypatch)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert drop["POST"] == drop["PATCH"] == 0  # the acknowledgement once, after it had arrived; the result once, before
    assert len(answer.response.attachments) == 1
    assert len(world.channel.history()) == 1
    (job,) = await world.jobs()
    assert job.place.message == str(answer.response.id)


async def test_a_token_that_dies_early_loses_no_picture(world: World) -> None:
    world.env.inject_error("PATCH", "/webhooks/*", status=401, code=50027, times=1)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1
    assert world.edits()[-1].path.startswith("/channels/")


SMALLER = [
    ("WebP", "webp", 256),
    ("JPEG:", "jpeg", 256),
    ("JPEG at half the size", "jpeg", 128),
    ("JPEG at a quarter of the size", "jpeg", 64),
]


@pytest.mark.parametrize(("refusals", "form"), [*enumerate(SMALLER, 1)], ids=[words for words, *_ in SMALLER])
async def test_files_that_are_too_large_are_sent_smaller(
    world: World, refusals: int, form: tuple[str, str, int]
) -> None:
    said, suffix, side = form
    world.env.inject_error("PATCH", "/webhooks/*", status=413, code=40005, times=refusals)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    (picture,) = answer.response.attachments
    assert picture.filename.endswith(f".{suffix}")
    assert picture.description.startswith("a cat")
    assert said in answer.response.content
    with Image.open(io.BytesIO(await picture.read())) as image:
        assert (image.format, image.width) == (suffix.upper(), side)


async def test_files_that_are_too_large_in_every_form_are_kept(world: World) -> None:
    world.env.inject_error("PATCH", "/webhooks/*", status=413, code=40005, times=5)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "too large" in answer.response.content
    assert "/result" in answer.response.content
    assert (await world.jobs())[0].is_kept
    assert not [entry for entry in world.env.backend.http_requests if entry.path.endswith("/channels")], "no DM"


async def test_a_message_that_is_gone_is_replaced_by_a_new_one(world: World) -> None:
    world.env.inject_error("PATCH", "*", status=404, code=10008, times=None)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(world.edits()) == 1, "it is not asked for again"
    post = world.channel.last_message
    assert len(post.attachments) == 1
    assert labels(post) == RESULT
    (job,) = await world.jobs()
    assert (job.status, job.place.message) == (JobStatus.POSTED, str(post.id))


async def test_a_closed_channel_does_not_keep_pictures_from_their_requester(world: World) -> None:
    world.env.inject_error("PATCH", "*", status=403, code=50013, times=None)
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50001, times=None)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    (post,) = world.alice.user.dm_channel.history()
    assert len(post.attachments) == 1
    assert f"<#{world.channel.id}>" in post.content
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_what_nobody_can_be_given_is_kept_for_result(world: World) -> None:
    world.env.inject_error("PATCH", "/webhooks/*", status=403, code=50013, times=1)
    world.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, times=1)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    (job,) = await world.jobs()
    assert (job.status, job.error_code) == (JobStatus.RENDERED, "discord_50007")
    assert "Pictures 1" in words((await world.alice.slash(world.channel, "usage")).response), "it is counted"

    (offered,) = await world.alice.autocomplete(world.channel, "result", "job", "cat")
    assert offered["name"].startswith("not delivered")
    shown = await world.alice.slash(world.channel, "result", job=offered["value"])
    assert shown.ephemeral
    assert len(shown.response.attachments) == 1
    (job,) = await world.jobs()
    assert (job.status, job.error_code) == (JobStatus.POSTED, None)


async def test_result_shows_the_latest_of_ones_own_and_nobody_elses(world: World) -> None:
    for prompt in ("older", "newer"):
        await world.alice.slash(world.channel, "imagine", prompt=prompt)
        await world.env.advance_time(60)
    shown = await world.alice.slash(world.channel, "result")
    assert "newer" in words(shown.response)
    assert not labels(shown.response)
    nothing = await world.bob.slash(world.channel, "result")
    assert "no finished pictures" in (nothing.followups or [nothing.response])[0].content
    job = (await world.jobs())[0]
    refused = await world.bob.slash(world.channel, "result", job=str(job.id))
    assert "do not know" in (refused.followups or [refused.response])[0].content
    assert not await world.bob.autocomplete(world.channel, "result", "job", "")


async def test_result_says_kindly_that_a_file_is_no_longer_kept(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.remove_pictures()
    gone = await world.alice.slash(world.channel, "result")
    assert "no longer kept" in (gone.followups or [gone.response])[0].content
    info = await world.alice.click(answer.response, label="Info")
    assert "no longer kept" in words(info.response)
    again = await world.bob.click(answer.response, label="Rerun")
    assert len(again.response.attachments) == 1


async def test_an_archived_thread_is_opened_again(world: World) -> None:
    thread = await world.thread()
    world.env.inject_error("PATCH", "/webhooks/*", status=400, code=50083, times=1)
    answer = await world.alice.slash(thread, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1
    (opened,) = [entry for entry in world.env.backend.http_requests if entry.path == f"/channels/{thread.id}"][-1:]
    assert opened.json == {"archived": False}


async def test_a_thread_that_is_locked_sends_its_pictures_to_the_channel_above(world: World) -> None:
    thread = await world.thread()
    world.env.inject_error("PATCH", "/webhooks/*", status=400, code=50083, times=1)
    world.env.inject_error("PATCH", f"/channels/{thread.id}", status=403, code=50013, times=1)
    await world.alice.slash(thread, "imagine", prompt="a cat")
    post = world.channel.last_message
    assert len(post.attachments) == 1
    assert f"<#{thread.id}> is closed" in post.content
    (job,) = await world.jobs()
    assert (job.status, job.place.channel, job.place.message) == (JobStatus.POSTED, str(world.channel.id), str(post.id))
    await world.bob.react(post, "🔁")
    assert world.channel.last_message.reference.message_id == post.id


async def test_a_private_thread_tells_nothing_to_the_channel_above(world: World) -> None:
    thread = await world.thread(discord.ChannelType.private_thread)
    seen = await world.parts.bot.fetch_channel(thread.id)
    assert isinstance(seen, discord.Thread)
    await seen.add_user(discord.Object(world.alice.id))
    world.env.inject_error("PATCH", "/webhooks/*", status=400, code=50083, times=1)
    world.env.inject_error("PATCH", f"/channels/{thread.id}", status=403, code=50013, times=1)
    await world.alice.slash(thread, "imagine", prompt="a secret")
    assert not [message for message in world.channel.history() if message.embeds]
    (post,) = world.alice.user.dm_channel.history()
    assert len(post.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED


def sent(world: World) -> list[dict[str, Any]]:
    """The messages that the bot sent to channels."""
    return [
        entry.json
        for entry in world.env.backend.http_requests
        if entry.method == "POST" and entry.path.startswith("/channels/") and entry.path.endswith("/messages")
    ]


async def test_every_new_message_can_be_sent_twice_and_be_there_once(world: World) -> None:
    world.env.inject_error("PATCH", "/webhooks/*", status=404, code=10008, times=1)
    answer = await world.alice.slash(world.channel, "imagine", prompt="anew")
    await world.bob.react(world.channel.last_message, "🔁")
    world.env.inject_error("PATCH", "*", status=403, code=50001, times=None)
    await world.alice.slash(world.channel, "imagine", prompt="privately")
    assert answer.acknowledged
    nonces = [message["nonce"] for message in sent(world)]
    assert len(nonces) == len(set(nonces)) == 3
    assert all(len(nonce) == 22 for nonce in nonces)
    assert all(message["enforce_nonce"] for message in sent(world))


@HELD
@pytest.mark.parametrize(("minutes", "pings"), [(1, 0), (3, 1)])
async def test_a_member_who_waited_long_is_called_once(world: World, minutes: int, pings: int) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow")
    await world.env.advance_time(minutes * 60)
    world.parts.worker.release()
    await world.until(lambda: bool(answer.response.message.reactions))
    messages = world.channel.history()
    assert len(messages) == 1 + pings
    assert not answer.response.message.mentions
    for ping in messages[1:]:
        assert [user.id for user in ping.mentions] == [world.alice.id]
        assert ping.reference.message_id == answer.response.id
        assert "ready" in ping.content
        (request,) = sent(world)
        assert request["allowed_mentions"] == {"parse": [], "users": [world.alice.id]}


@pytest.mark.parametrize("started_world", [{"hold": True, "options": {"ping_after": None}}], indirect=True)
async def test_nobody_is_called_where_that_is_switched_off(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow")
    await world.env.advance_time(3600)
    world.parts.worker.release()
    await world.until(lambda: bool(answer.response.attachments))
    assert len(world.channel.history()) == 1


@HELD
async def test_a_cancellation_by_a_moderator_says_so(world: World) -> None:
    for member, said in ((world.mod, "by a moderator"), (world.alice, "Cancelled.")):
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
        job = world.parts.worker.drawn[-1]
        await member.slash(world.channel, "cancel", job=str(job.id))
        await world.until(lambda answer=answer, said=said: said in answer.response.content)


@HELD
async def test_a_job_that_was_deleted_while_its_pictures_were_on_their_way_is_not_posted_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow")
    (job,) = await world.jobs()
    shown = world.parts.images.pictures.shown

    async def deleted_meanwhile(record: JobRecord, where: Where) -> Shown:
        found = await shown(record, where)
        await world.parts.images.delete(job.id, member)
        channel = world.parts.bot.get_partial_messageable(world.channel.id)
        await channel.get_partial_message(answer.response.id).delete()
        return found

    member = Member(id=job.requester, name="alice", server=job.server, channel=job.place.channel)
    monkeypatch.setattr(world.parts.images.pictures, "shown", deleted_meanwhile)
    world.parts.worker.release()
    await world.until(lambda: not world.parts.deliveries.owed)
    assert not world.channel.history()
    assert not world.alice.user.dm_channel.history()
