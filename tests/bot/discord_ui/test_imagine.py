"""/imagine, from the command to the picture."""

import asyncio
import hashlib
import io
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import discord
import pytest
from PIL import Image

from bot.discord_ui.delivery.pacing import MESSAGE_INTERVAL
from bot.discord_ui.delivery.post import FIRST_LOOK
from bot.discord_ui.words import text
from bot.discord_ui.words.content import Content
from bot.errors import StorageFault
from generation.catalog import ModelCatalog, ModelSpec
from generation.errors import DoesNotFit
from generation.forecast import MEANWHILE
from generation.job import JobStatus
from generation.loras import LoraFile, LoraOffer, parse_loras
from generation.reading import Reading, Thing
from tests.bot.discord_ui.world import CATALOG, RESULT, World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


async def test_imagine_draws_a_picture(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a red heart", seed=7)
    message = answer.response
    assert message is not None
    assert not message.ephemeral
    assert labels(message) == RESULT
    assert "`7`" in words(message)
    assert "64×64" in words(message)
    assert "taken " in words(message)
    assert "**alice**" in words(message)
    assert [attachment.description for attachment in message.attachments] == ["a red heart (seed 7)"]
    assert (await message.attachments[0].read()).startswith(b"\x89PNG")
    (job,) = await world.jobs()
    assert job.status is JobStatus.POSTED
    assert job.place.message == str(message.id)
    assert job.place.token is None


async def test_imagine_takes_all_options(world: World) -> None:
    options: dict[str, Any] = {
        "negative_prompt": "blue",
        "aspect": "2:1",
        "steps": 3,
        "guidance": 2.5,
        "seed": 2**32 - 1,
        "count": 4,
        "scheduler": "euler a",
        "model": "Builtin",
    }
    answer = await world.alice.slash(world.channel, "imagine", prompt="a red heart", **options)
    assert len(answer.response.attachments) == 4
    assert "`4294967295`, `0`, `1`, `2`" in words(answer.response)
    (job,) = await world.jobs()
    request = job.request
    assert (request.negative_prompt, request.steps, request.guidance_scale) == ("blue", 3, 2.5)
    assert (request.width, request.height) == (96, 48)
    assert (request.scheduler, request.model) == ("Euler a", "builtin")


@pytest.mark.parametrize(
    ("option", "value"), [("aspect", "9:1"), ("aspect", "wide"), ("scheduler", "magic"), ("model", "gpt")]
)
async def test_imagine_refuses_privately_what_it_cannot_do(world: World, option: str, value: str) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", **{option: value})
    assert answer.ephemeral
    assert f"**{option}**" in answer.response.content
    assert value in answer.response.content
    assert not await world.jobs()


def lora(name: str, *triggers: str) -> LoraFile:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return LoraFile(name=name, path=name, sha256=digest, rank=8, size=1, modified=1, triggers=triggers)


LORAS = LoraOffer(files=(lora("chalk", "chalk drawing"), lora("ink"), lora("a" * 60), lora("b" * 60)))
HAS_LORAS = pytest.mark.parametrize(
    "started_world", [{"catalog": ModelCatalog([replace(CATALOG.default, loras=LORAS)])}], indirect=True
)


@HAS_LORAS
async def test_imagine_takes_loras_which_the_models_and_the_record_tell(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a heart", lora="Chalk:0.8, ink:-0.5")
    (job,) = await world.jobs()
    uses = (("chalk", 0.8, LORAS.files[0].sha256), ("ink", -0.5, LORAS.files[1].sha256))
    assert tuple((use.name, use.weight, use.sha256) for use in job.request.loras) == uses
    assert answer.response.attachments
    assert " · chalk:0.8, ink:-0.5 · taken " in answer.response.content
    assert "LoRAs (4): chalk (chalk drawing), ink" in words((await world.alice.slash(world.channel, "models")).response)
    told = words((await world.alice.click(answer.response, label="Info")).response)
    assert "<lora:chalk:0.8> <lora:ink:-0.5>" in told
    assert "chalk:0.8, ink:-0.5" in told
    shown = words((await world.alice.slash(world.channel, "show", job=str(job.id))).response)
    assert "chalk:0.8, ink:-0.5" in shown
    assert f"chalk: {uses[0][2][:12]}, ink: {uses[1][2][:12]}" in shown


@HAS_LORAS
@pytest.mark.parametrize(("given", "said"), [("chalk:3", "-2 to 2"), ("chlk", "chalk"), ("ink:x", "lora weight")])
async def test_imagine_refuses_loras_privately(world: World, given: str, said: str) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="a heart", lora=given)
    assert answer.ephemeral
    assert said in answer.response.content


@HAS_LORAS
async def test_imagine_suggests_loras_after_those_that_are_typed(world: World) -> None:
    async def offered(typed: str) -> list[tuple[str, str]]:
        found = await world.alice.autocomplete(world.channel, "imagine", "lora", typed)
        return [(choice["name"], choice["value"]) for choice in found]

    assert (await offered(""))[:2] == [("chalk (chalk drawing)", "chalk"), ("ink", "ink")]
    assert await offered("chalk:0.8, IN") == [("chalk:0.8, ink", "chalk:0.8, ink")]
    assert await offered("ink:0.5,chalk:0.7") == [("ink:0.5, chalk:0.7 (chalk drawing)", "ink:0.5, chalk:0.7")]
    ((_, long),) = await offered(f"{'a' * 60}:0.5, bbb")
    assert [use.name for use in LORAS.resolved(parse_loras(long))] == ["a" * 60, "b" * 60]


async def test_imagine_suggests_models_schedulers_and_aspects(world: World) -> None:
    models = await world.alice.autocomplete(world.channel, "imagine", "model", "pi")
    assert [choice["value"] for choice in models] == ["pinwheel"]
    schedulers = await world.alice.autocomplete(world.channel, "imagine", "scheduler", "euler")
    assert [choice["value"] for choice in schedulers] == ["Euler", "Euler a"]
    aspects = await world.alice.autocomplete(world.channel, "imagine", "aspect", "16")
    assert [choice["value"] for choice in aspects] == ["16:9", "9:16"]


async def test_somebody_elses_words_do_no_harm(world: World) -> None:
    prompt = "@everyone **bold** [x](https://evil.example) ```" + "long " * 1200
    prompt = prompt[:6000]
    answer = await world.alice.slash(world.channel, "imagine", prompt=prompt)
    message = answer.response.message
    assert "@everyone" not in words(answer.response)
    assert not message.mention_everyone
    assert not message.mentions
    assert r"\*\*bold\*\*" in words(answer.response)
    assert len(words(answer.response)) < 1000
    (job,) = await world.jobs()
    assert job.request.prompt == prompt


@HELD
async def test_a_message_shows_the_place_then_steps_and_preview_then_the_picture(world: World) -> None:
    world.parts.worker.places = 1
    first = await world.alice.slash(world.channel, "imagine", prompt="first", steps=10)
    second = await world.bob.slash(world.channel, "imagine", prompt="second", steps=10)
    assert "place 1" in second.response.content
    assert labels(second.response) == ["Cancel"]

    job = world.parts.worker.drawn[0]
    world.parts.worker.steps(job.id, 4)
    await world.env.advance_time(MESSAGE_INTERVAL)
    assert "**40 %**" in first.response.content
    assert [attachment.filename for attachment in first.response.attachments] == ["preview.jpg"]

    world.parts.worker.release()
    await world.until(lambda: labels(second.response) == RESULT)
    assert labels(first.response) == RESULT
    assert [attachment.filename[-4:] for attachment in first.response.attachments] == [".png"]


@HELD
async def test_progress_is_paced_and_says_nothing_twice(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow", steps=100)
    job = world.parts.worker.drawn[0]
    before = len(world.edits())
    for step in range(1, 31):
        world.parts.worker.steps(job.id, step)
        await world.env.advance_time(0.5)
    assert 5 <= len(world.edits()) - before <= 6  # 15 seconds, one each 2.5
    before = len(world.edits())
    await world.env.advance_time(20)
    assert len(world.edits()) - before <= 1
    assert "**30 %**" in answer.response.content


@HELD
async def test_what_may_not_be_shown_yet_is_not_put_into_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hints, worded, progress = Counter[str](), [], Content.progress

    def hint(model: ModelSpec, prompt: str) -> str:
        hints[prompt] += 1
        return "unknown"

    def put_into_words(*args: Any, **options: Any) -> Content:
        worded.append(args)
        return progress(*args, **options)

    monkeypatch.setattr(text, "hint", hint)
    monkeypatch.setattr(Content, "progress", put_into_words)
    for number in range(4):
        await world.alice.slash(world.channel, "imagine", prompt=f"unknown {number}")
    before = len(world.edits())
    for step in range(1, 61):
        for job in world.parts.worker.drawn:
            world.parts.worker.steps(job.id, step)
        await world.env.advance_time(0.5)
    shown = len(world.edits()) - before
    assert shown > 0
    assert len(worded) == shown + 4  # beside the four first answers
    assert set(hints.values()) == {1}
    assert len(hints) == 4


@HELD
async def test_progress_stops_at_the_first_refusal_and_the_result_still_comes(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow", steps=100)
    job = world.parts.worker.drawn[0]
    world.env.inject_error("PATCH", "/webhooks/*", status=403, code=50013, times=1)
    before = len(world.edits())
    for step in range(1, 11):
        world.parts.worker.steps(job.id, step)
        await world.env.advance_time(2.5)
    assert len(world.edits()) - before == 1
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 1)


async def test_nobody_to_answer_means_no_job(world: World) -> None:
    world.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062, times=1)
    world.parts.worker.hold = True
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.until(lambda: not world.parts.dispatcher.running())
    (job,) = await world.jobs()
    assert job.status is JobStatus.CANCELLED


@pytest.mark.parametrize("started_world", [{"options": {"answer_deadline": 0.2}}], indirect=True)
async def test_an_answer_that_would_come_too_late_is_a_kind_no(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(world.parts.images, "imagine", slow)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert answer.ephemeral
    assert "very busy" in answer.response.content
    assert not world.parts.worker.drawn


async def test_a_failed_job_says_so_kindly(world: World) -> None:
    world.parts.worker.fail_next(DoesNotFit(64, 64, detail="CUDA out of memory"))
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "does not fit" in answer.response.content
    assert "CUDA" not in answer.response.content
    assert "Rerun" in labels(answer.response)
    (job,) = await world.jobs()
    assert job.status is JobStatus.FAILED


async def test_an_unexpected_failure_has_a_reference(world: World) -> None:
    world.parts.worker.fail_next(ValueError("secret detail"))
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "reference: `" in answer.response.content
    assert "secret" not in answer.response.content


@HELD
async def test_the_fifth_job_at_once_is_refused(world: World) -> None:
    for number in range(4):
        await world.alice.slash(world.channel, "imagine", prompt=f"number {number}")
    answer = await world.alice.slash(world.channel, "imagine", prompt="one more")
    assert answer.ephemeral
    assert "4" in answer.response.content
    assert len(await world.jobs()) == 4


@pytest.mark.parametrize(
    ("flag", "name"),
    [("attach_files", "Attach Files"), ("embed_links", "Embed Links"), ("send_messages", "Send Messages")],
)
async def test_missing_permissions_are_named_before_any_drawing(world: World, flag: str, name: str) -> None:
    channel = world.channel_without(flag)
    answer = await world.alice.slash(channel, "imagine", prompt="a cat")
    assert answer.ephemeral
    assert f"**{name}**" in answer.response.content
    assert not world.parts.worker.drawn
    assert not await world.jobs()


async def test_imagine_draws_in_direct_messages(world: World) -> None:
    answer = await world.alice.user.slash("imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1
    assert [reaction.emoji for reaction in answer.response.message.reactions] == ["🔁"]


async def test_imagine_draws_in_a_thread(world: World) -> None:
    thread = await world.thread()
    answer = await world.alice.slash(thread, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1


async def test_the_result_is_one_edit(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat", count=4)
    (edit,) = world.edits()
    assert len(edit.json["attachments"]) == 4
    assert sum(len(row["components"]) for row in edit.json["components"]) == len(RESULT)
    assert edit.json["allowed_mentions"] == {"parse": []}


async def test_the_bot_asks_for_no_privileged_intent(world: World) -> None:
    intents = world.parts.bot.intents
    assert not any((intents.message_content, intents.members, intents.presences))
    assert intents.guilds
    assert intents.guild_reactions
    assert intents.dm_reactions
    assert world.parts.bot.allowed_mentions is not None
    assert world.parts.bot.allowed_mentions.to_dict() == discord.AllowedMentions.none().to_dict()


async def test_a_busy_database_does_not_take_a_shown_picture_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted, busy = world.parts.images.posted, [StorageFault(detail="database is locked")] * 2

    async def posted_at_last(*args: Any, **kwargs: Any) -> None:
        if busy:
            raise busy.pop()
        await posted(*args, **kwargs)

    monkeypatch.setattr(world.parts.images, "posted", posted_at_last)
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(drawn.response.attachments) == 1
    assert not busy
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_a_picture_that_can_never_be_written_down_stays_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: Any, **kwargs: Any) -> None:
        raise StorageFault(detail="disk full")

    monkeypatch.setattr(world.parts.images, "posted", never)
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(drawn.response.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.RENDERED, "the next start looks after it"


async def test_a_fault_while_following_costs_nobody_anything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.expects_errors = True

    async def broken(*args: Any, **kwargs: Any) -> None:
        raise KeyError("a bug of ours")

    monkeypatch.setattr(world.parts.images, "answered", broken)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "reference" in answer.response.content
    (job,) = await world.jobs()
    assert job.status is JobStatus.CANCELLED


@HELD
async def test_a_job_is_told_when_it_will_be_done(world: World) -> None:
    world.parts.worker.places = 1
    slow = await world.alice.slash(world.channel, "imagine", prompt="first", steps=10)
    assert "<t:" not in slow.response.content, "nothing was measured yet"
    request = world.parts.worker.drawn[0].request
    world.parts.dispatcher.estimates.learn(request, 60.0)
    waiting = await world.bob.slash(world.channel, "imagine", prompt="second", steps=10)
    promised = re.search(r"done <t:(\d+):R>", waiting.response.content)
    assert promised is not None
    assert 120 <= int(promised[1]) - discord.utils.utcnow().timestamp() <= 120 + 60 * MEANWHILE + 1


@HELD
async def test_a_promise_is_not_changed_for_a_trifle(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow", steps=100)
    job = world.parts.worker.drawn[0]
    world.parts.dispatcher.estimates.learn(job.request, 600.0)
    said = []
    for step in (10, 11, 12, 13):
        world.parts.worker.steps(job.id, step)
        await world.env.advance_time(2.5)
        said.append(re.search(r"<t:(\d+):R>", answer.response.content))
    assert all(said)
    assert len({promise[1] for promise in said if promise}) == 1


@HELD
async def test_a_job_that_stands_says_its_place_and_never_that_it_starts(world: World) -> None:
    """Before its first step, and later when somebody's shorter job goes first."""
    world.parts.worker.stands = True
    await world.alice.slash(world.channel, "imagine", prompt="slow", steps=100)
    answer = await world.bob.slash(world.channel, "imagine", prompt="slow", steps=150, aspect="2:1")
    assert "In line: **place 1**" in answer.response.content
    job_id = world.parts.worker.drawn[1].id
    world.parts.worker.give_rows(job_id)
    world.parts.worker.steps(job_id, 30)
    world.parts.worker.give_rows(job_id, has_rows=False)
    await world.env.advance_time(3)
    assert "**20 %**; **place 1** in line" in answer.response.content


@HELD
async def test_progress_is_seen_soon_after_the_start(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow", steps=10, count=2)
    world.parts.worker.steps(world.parts.worker.drawn[0].id, 5)
    await world.env.advance_time(FIRST_LOOK + 0.1)
    assert "**25 %** of 2 pictures" in answer.response.content
    (preview,) = answer.response.attachments
    assert preview.filename == "preview.jpg"
    seen = Image.open(io.BytesIO(await preview.read())).size
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 2)
    assert {Image.open(io.BytesIO(await one.read())).size for one in answer.response.attachments} == {seen}


async def test_the_words_that_a_small_model_does_not_know_are_named(world: World) -> None:
    reading = Reading([Thing(name="heart"), Thing(name="star")], colours={"red": ()}, words={"minor": ("a", "the")})
    small = replace(world.catalog.default, reading=reading, examples=("a heart",))
    world.parts.images.catalog = ModelCatalog([small])
    answer = await world.alice.slash(world.channel, "imagine", prompt="a red heart over the *castle*")
    assert r"does not know: over, castle. It draws, for example: a heart." in words(answer.response)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a red heart")
    assert "does not know" not in words(answer.response)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a hearth")
    assert "does not know: hearth. What it knows that is nearest: heart, star." in words(answer.response)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a star a heart")
    assert "draws one thing at a time, here: star." in words(answer.response)


async def test_a_prompt_longer_than_the_model_reads_says_which_words_it_did_not_read(world: World) -> None:
    world.parts.worker.unread = "and a red heart"
    answer = await world.alice.slash(world.channel, "imagine", prompt="lovely " * 90 + "and a red heart")
    assert "did not read the end of this prompt: and a red heart" in words(answer.response)
