"""Pictures that the check finds unsafe: nobody sees them, whatever way they would take, and their requester is told."""

import io
import logging
from datetime import timedelta
from typing import Any

import discord
import pytest
from PIL import Image, ImageChops, ImageStat

from bot.discord_ui.words.attachments import BLOCKS, Attachment
from bot.errors import CheckFault, StorageFault
from bot.records import Decision
from bot.services.policies import Policy, SafetySettings
from bot.services.reviews import EXPIRES_AFTER
from bot.services.safety import TOPIC
from bot.storage import holds, servers
from generation.job import JobStatus
from tests.bot.discord_ui.test_keeping import favourites, gallery, restrict
from tests.bot.discord_ui.world import RESULT, World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


@pytest.fixture(autouse=True)
def unsafe(request: pytest.FixtureRequest) -> None:
    """What is asked for with these words is found unsafe; `pinwheel` is a model that is no exception."""
    if "world" not in request.fixturenames:
        return
    world: World = request.getfixturevalue("world")
    assert world.check is not None
    world.check.by_words = {"secret": 0.9, "doubtful": 0.6}


async def asked(world: World, prompt: str = "a secret", channel: Any = None, **options: Any) -> Any:
    return await world.alice.slash(channel or world.channel, "imagine", prompt=prompt, model="pinwheel", **options)


async def only_the_second(world: World) -> None:
    """From now on one of the pictures is found unsafe."""
    scores = iter((0.0, 0.9, 0.0, 0.0))

    async def score(png: bytes, *, asked: str) -> float:
        return next(scores)

    world.check.score = score  # pyright: ignore


async def decide(world: World, decision: Decision) -> None:
    """What a moderator does with all that waits."""

    def put(transaction: Any) -> None:
        for _, image in holds.waiting(transaction, str(world.guild.id), 10):
            holds.decide(transaction, image.id, decision, "7", discord.utils.utcnow())

    await world.database.write(put)


async def policy(world: World, settings: SafetySettings) -> None:
    def put(transaction: Any) -> None:
        servers.ensure(transaction, str(world.guild.id))
        servers.put_settings(transaction, str(world.guild.id), TOPIC, settings.to_data())

    await world.database.write(put)


def sent_pictures(world: World) -> int:
    """How many files went to Discord so far."""
    sent = [entry.json for entry in world.env.backend.http_requests if isinstance(entry.json, dict)]
    return sum(len(message.get("attachments") or ()) for message in sent)


async def test_what_is_held_is_shown_to_nobody_and_its_requester_is_told_privately(world: World) -> None:
    answer = await asked(world)
    assert "held back" in answer.response.content
    assert not answer.response.attachments
    assert labels(answer.response) == ["Info", "Delete"]
    (told,) = answer.followups
    assert told.ephemeral
    assert "held back the picture" in told.content
    (job,) = await world.jobs()
    assert (job.status, job.error_code, job.images[0].is_held) == (JobStatus.RENDERED, "held", True)

    for command in ("result", "history", "favourites"):
        shown = await world.alice.slash(world.channel, command, **({"job": str(job.id)} if command == "result" else {}))
        assert not shown.response.attachments, command
    await world.alice.react(answer.response, "✉️")
    await world.alice.react(answer.response, "⭐")
    assert not [message for message in world.alice.user.dm_channel.history() if message.attachments]
    assert "a secret" in await favourites(world, world.alice)
    await world.env.advance_time(600)
    await world.try_again()
    await world.restart()
    assert sent_pictures(world) == 0
    assert [message.id for message in world.channel.history()] == [answer.response.id]


async def test_one_of_four_is_held_and_the_others_are_posted(world: World) -> None:
    await only_the_second(world)
    answer = await asked(world, "a cat", count=4)
    assert "3 pictures" in answer.response.content
    assert "1 picture is held back" in answer.response.content
    assert len(answer.response.attachments) == 3
    assert labels(answer.response) == RESULT
    assert "held back 1 of the 4 pictures" in answer.followups[0].content
    assert "whether it may be shown" in answer.followups[0].content
    (job,) = await world.jobs()
    assert job.status is JobStatus.POSTED
    shown = await world.alice.slash(world.channel, "result")
    assert len(shown.response.attachments) == 3


async def test_what_nobody_finds_unsafe_is_posted_as_ever(world: World) -> None:
    answer = await asked(world, "a cat")
    assert len(answer.response.attachments) == 1
    assert not answer.followups
    assert (await world.jobs())[0].images[0].score == 0.0


async def test_in_an_age_restricted_channel_it_is_a_spoiler_up_to_a_score(world: World) -> None:
    restrict(world, world.channel)
    doubtful = await asked(world, "doubtful")
    (file,) = doubtful.response.attachments
    assert file.filename.startswith("SPOILER_")
    assert not (await asked(world, "a secret")).response.attachments


@HELD
async def test_a_channel_that_loses_its_restriction_while_a_job_is_drawn_shows_nothing_unsafe(world: World) -> None:
    restrict(world, world.channel)
    answer = await asked(world, "doubtful")
    restrict(world, world.channel, nsfw=False)
    world.parts.worker.release()
    await world.until(lambda: "held back" in answer.response.content)
    assert not answer.response.attachments


async def test_a_thread_follows_its_channel(world: World) -> None:
    await policy(world, SafetySettings(channels={str(world.channel.id): Policy.OFF}))
    thread = await world.thread()
    answer = await asked(world, channel=thread)
    assert len(answer.response.attachments) == 1


async def test_in_direct_messages_the_operators_policy_holds_and_nobody_decides(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answers = [await world.alice.user.slash("imagine", prompt="a secret", model="pinwheel") for _ in range(2)]
        await world.env.settle()
    assert len([one for one in caplog.records if "in direct messages is held back" in one.getMessage()]) == 1
    (image,) = (await world.jobs())[0].images
    assert image.held_at is not None
    for answer in answers:
        assert "held back" in answer.response.content
        assert not answer.response.attachments
        (told,) = answer.followups
        assert "Direct messages have no moderator who could let it through." in told.content
    assert f"<t:{int((image.held_at + EXPIRES_AFTER).timestamp())}:R>" in answers[0].followups[0].content

    await world.age_holds(EXPIRES_AFTER + timedelta(hours=1))
    await world.look_after_held()
    assert "was held back, and it is not shown" in answers[0].response.content
    told_again = [one for one in world.alice.user.dm_channel.history() if "Nobody decided" in one.content]
    assert len(told_again) == 2
    usage = await world.alice.user.slash("usage")
    assert "Pictures 0" in words(usage.response)


async def test_a_channel_whose_pictures_go_by_direct_message_cannot_lend_them_its_policy(world: World) -> None:
    await policy(world, SafetySettings(policy=Policy.OFF))
    world.env.inject_error("PATCH", "*", status=403, code=50013, times=None)
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50001, times=None)
    await asked(world)
    (post,) = world.alice.user.dm_channel.history()
    assert not post.attachments
    assert "held back" in post.content
    assert (await world.jobs())[0].is_held


async def test_what_was_posted_as_a_spoiler_is_not_shown_in_a_channel_that_wants_none(world: World) -> None:
    restrict(world, world.channel)
    await asked(world, "doubtful")
    other = world.guild.create_text_channel("other")
    await world.env.settle()
    shown = await world.alice.slash(other, "result")
    assert "not for this channel" in shown.response.content
    assert not shown.response.attachments
    assert not (await world.alice.slash(other, "history")).response.attachments
    here = await world.alice.slash(world.channel, "result")
    assert here.response.attachments[0].filename.startswith("SPOILER_")


async def test_a_gallery_gets_no_copy_that_its_own_policy_keeps_from_it(world: World) -> None:
    await policy(world, SafetySettings(channels={str(world.channel.id): Policy.OFF}))
    there = await gallery(world)
    answer = await asked(world)
    assert len(answer.response.attachments) == 1
    await world.bob.react(answer.response, "⭐")
    assert not there.history()


async def test_nothing_is_made_from_a_picture_that_is_held(world: World) -> None:
    await only_the_second(world)
    answer = await asked(world, "a cat", count=2)
    (job,) = await world.jobs()
    asks = await world.alice.click(answer.response, label="Vary")
    refused = await world.alice.select(asks.response, values=["1:subtle"])
    assert "held back" in refused.followups[0].content
    assert refused.followups[0].ephemeral
    assert [one.id for one in await world.jobs()] == [job.id]


async def test_a_picture_to_begin_with_that_is_unsafe_is_refused_privately(world: World) -> None:
    assert world.check is not None
    cat = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.check.score_of_all = 0.9
    asks = await world.alice.click(cat.response, label="Vary")
    refused = await world.alice.select(asks.response, values=["0:subtle"])
    assert "unsuitable" in refused.followups[0].content
    assert refused.followups[0].ephemeral
    assert len(await world.jobs()) == 1
    await policy(world, SafetySettings(policy=Policy.OFF))
    asks = await world.alice.click(cat.response, label="Vary")
    await world.alice.select(asks.response, values=["0:subtle"])
    assert len(await world.jobs()) == 2


async def test_pictures_that_cannot_be_checked_are_posted_when_they_can(world: World) -> None:
    assert world.check is not None
    world.check.fault = CheckFault(detail="gone")
    answer = await asked(world, "a cat")
    assert "cannot check them" in answer.response.content
    assert not answer.response.attachments
    assert (await world.jobs())[0].status is JobStatus.RENDERED
    refused = await world.alice.slash(world.channel, "result")
    assert "cannot check" in (refused.followups or [refused.response])[0].content
    await world.env.advance_time(180)
    await world.try_again()
    assert not answer.response.attachments
    world.check.fault = None
    await world.try_again()
    assert len(answer.response.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_a_process_that_ends_between_check_and_post_posts_what_was_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.check is not None
    await killed_before(world, monkeypatch, "posted")
    await asked(world, "a cat")
    await world.restart(crash=True)
    assert world.check.asked == ["a cat"], "once"
    (message,) = world.channel.history()
    assert len(message.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_a_process_that_ends_before_it_is_told_what_is_held_tells_it_at_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await killed_before(world, monkeypatch, "withheld")
    await asked(world)
    before = len(world.alice.user.dm_channel.history())
    await world.restart(crash=True)
    told = world.alice.user.dm_channel.history()[before:]
    assert ["held back the picture" in message.content for message in told] == [True]
    (message,) = world.channel.history()
    assert "held back" in message.content
    assert not message.attachments
    assert (await world.jobs())[0].is_held


async def killed_before(world: World, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    async def killed(*_: Any, **__: Any) -> None:
        raise StorageFault(detail="as if killed here")

    monkeypatch.setattr(world.parts.images, step, killed)


async def test_what_is_kept_back_is_told_at_the_next_start_and_not_counted(world: World) -> None:
    answer = await asked(world)
    await decide(world, Decision.KEPT_BACK)
    await world.restart()
    assert "was held back, and it is not shown" in answer.response.content
    assert "Pictures 0" in words((await world.alice.slash(world.channel, "usage")).response)


async def test_what_is_let_through_is_seen_by_its_requester_again(world: World) -> None:
    await asked(world)
    await decide(world, Decision.APPROVED)
    shown = await world.alice.slash(world.channel, "result")
    assert len(shown.response.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_what_was_let_through_before_the_others_could_be_posted_comes_with_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await only_the_second(world)
    await killed_before(world, monkeypatch, "posted")
    await asked(world, "a cat", count=2)
    await decide(world, Decision.APPROVED)
    await world.restart(crash=True)
    (message,) = world.channel.history()
    assert len(message.attachments) == 2
    (job,) = await world.jobs()
    assert job.status is JobStatus.POSTED
    assert job.images[1].given_at is not None


@HELD
async def test_what_is_unfinished_is_blocks_of_colour_where_pictures_are_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for chosen, hides in ((Policy.WITHHOLD, True), (Policy.SPOILER, True), (Policy.OFF, False)):
        await policy(world, SafetySettings(policy=chosen))
        made: list[bool] = []

        def preview(jpeg: bytes, prompt: str, *, is_hidden: bool = False, made: list[bool] = made) -> Attachment:
            made.append(is_hidden)
            return Attachment(filename="preview.jpg", data=jpeg)

        monkeypatch.setattr(Attachment, "preview", preview)
        await asked(world, f"a cat {chosen}")
        (job,) = [job for job in world.parts.worker.drawn if str(chosen) in job.request.prompt]
        world.parts.worker.steps(job.id, 5)
        await world.env.advance_time(5)
        assert set(made) == {hides}, chosen


@pytest.mark.parametrize("size", [(64, 96), (512, 512)])
def test_blocks_of_colour_are_twelve_a_side_in_the_size_that_follows(size: tuple[int, int]) -> None:
    noise, jpeg = Image.effect_noise(size, 100).convert("RGB"), io.BytesIO()
    noise.save(jpeg, "JPEG", quality=95)
    hidden, clear = (
        Image.open(io.BytesIO(Attachment.preview(jpeg.getvalue(), "a cat", is_hidden=hides).data))
        for hides in (True, False)
    )
    assert hidden.size == clear.size
    blocks = hidden.resize((BLOCKS, BLOCKS), Image.Resampling.BOX).resize(hidden.size, Image.Resampling.NEAREST)
    differ = ImageStat.Stat(ImageChops.difference(hidden.convert("L"), blocks.convert("L"))).rms[0]
    assert differ < 4, "nothing is in it beside its blocks"
    assert ImageStat.Stat(hidden.convert("L")).stddev[0] < ImageStat.Stat(clear.convert("L")).stddev[0] / 3


async def test_a_members_delete_takes_what_is_held_with_it(world: World) -> None:
    answer = await asked(world)
    await world.alice.click(answer.response, label="Delete")
    (job,) = await world.jobs()
    assert job.deleted_at is not None
    assert not await world.database.read(lambda tx: holds.waiting(tx, str(world.guild.id), 10))
    assert not list((world.folder / "images").rglob("*.png"))
