"""/queue, /cancel, /usage and /models."""

import asyncio
from dataclasses import replace
from inspect import signature
from typing import Any

import discord
import pytest

from bot.discord_ui.client import ANSWERS
from bot.errors import UnknownJob
from bot.records import Member
from bot.services.answers import Usage
from generation.catalog import ModelCatalog
from generation.job import JobStatus
from generation.reading import Reading, Thing
from tests.bot.discord_ui.world import World, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


async def test_an_empty_queue_is_said(world: World) -> None:
    answer = await world.alice.slash(world.channel, "queue")
    assert answer.ephemeral
    assert "Nobody" in words(answer.response)


@HELD
async def test_the_queue_hides_other_peoples_prompts(world: World) -> None:
    world.parts.worker.places = 1
    await world.alice.slash(world.channel, "imagine", prompt="apples")
    await world.bob.slash(world.channel, "imagine", prompt="bananas", count=2)
    seen = words((await world.bob.slash(world.channel, "queue")).response)
    assert "bananas" in seen
    assert "apples" not in seen
    assert "2 pictures" in seen
    assert "`1.`" in seen


@HELD
async def test_a_long_queue_fits_a_message(world: World) -> None:
    world.parts.worker.places = 1
    for number in range(8):
        member = world.guild.add_member(world.env.create_user(f"member {number}"))
        for _ in range(4):
            await member.slash(world.channel, "imagine", prompt="*" * 200)
    seen = await world.alice.slash(world.channel, "queue")
    assert "more" in words(seen.response)


@HELD
async def test_cancel_takes_the_latest_or_the_one_named(world: World) -> None:
    for prompt in ("first", "second", "third"):
        await world.alice.slash(world.channel, "imagine", prompt=prompt)
    offered = await world.alice.autocomplete(world.channel, "cancel", "job", "")
    assert len(offered) == 3
    (first,) = await world.alice.autocomplete(world.channel, "cancel", "job", "first")
    answer = await world.alice.slash(world.channel, "cancel", job=first["value"])
    assert answer.ephemeral
    assert "Cancelled" in answer.response.content
    await world.alice.slash(world.channel, "cancel")
    await world.until(lambda: len(world.parts.dispatcher.running()) == 1)
    statuses = {job.request.prompt: job.status for job in await world.jobs()}
    assert statuses["first"] is JobStatus.CANCELLED
    assert JobStatus.CANCELLED in (statuses["second"], statuses["third"])


@HELD
async def test_other_members_may_not_cancel_a_job(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="mine")
    job = world.parts.worker.drawn[0]
    assert not await world.bob.autocomplete(world.channel, "cancel", "job", "")
    refused = await world.bob.slash(world.channel, "cancel", job=str(job.id))
    assert refused.ephemeral
    assert world.parts.dispatcher.running()
    assert len(await world.mod.autocomplete(world.channel, "cancel", "job", "")) == 1
    await world.mod.slash(world.channel, "cancel", job=str(job.id))
    await world.until(lambda: not world.parts.dispatcher.running())


@pytest.mark.parametrize(("options", "expected"), [({}, "no job waiting"), ({"job": "nonsense"}, "do not know")])
async def test_without_jobs_there_is_nothing_to_cancel(world: World, options: dict[str, Any], expected: str) -> None:
    answer = await world.alice.slash(world.channel, "cancel", **options)
    assert answer.ephemeral
    assert expected in answer.response.content


async def test_usage_shows_what_was_used_today(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat", count=3)
    await world.bob.slash(world.channel, "imagine", prompt="a dog")
    answer = await world.alice.slash(world.channel, "usage")
    assert answer.ephemeral
    seen = words(answer.response)
    assert "Pictures 3" in seen
    assert "Jobs 1" in seen
    assert "1.5 s" in seen
    assert "jobs at once: **4**" in seen


async def test_models_are_listed_with_their_schedulers(world: World) -> None:
    answer = await world.alice.slash(world.channel, "models")
    assert answer.ephemeral
    seen = words(answer.response)
    assert "builtin" in seen
    assert "Draws pinwheels" in seen
    assert "DPM++ 2M Karras" in seen


async def test_models_that_do_not_fit_into_one_answer_are_counted(world: World) -> None:
    spec = world.catalog.default
    specs = [replace(spec, name=f"model {number}", description="long " * 150) for number in range(12)]
    world.parts.images.catalog = ModelCatalog(specs)
    (shown,) = (await world.alice.slash(world.channel, "models")).response.embeds
    assert f"{12 - len(shown.fields)} more models" in shown.description


async def test_what_a_small_model_knows_is_listed_by_group(world: World) -> None:
    things = [Thing(name="cat", group="animals"), Thing(name="key"), Thing(name="dog", group="animals")]
    reading = Reading(things, styles={"flat": ()})
    world.parts.images.catalog = ModelCatalog([replace(world.catalog.default, reading=reading)])
    seen = words((await world.alice.slash(world.channel, "models")).response)
    assert "Animals (2): cat, dog" in seen
    assert "It knows (1): key" in seen
    assert "Styles: flat" in seen


async def test_an_unexpected_error_in_a_command(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    world.expects_errors = True
    monkeypatch.setattr(world.parts.images, "usage", broken)
    answer = await world.alice.slash(world.channel, "usage")
    told = (answer.followups or [answer.response])[0]
    assert told.ephemeral
    assert "secret" not in told.content
    reference = told.content.split("`")[1]
    assert reference in caplog.text
    assert "secret detail" in caplog.text


async def test_suggestions_that_fail_are_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(world.parts.images, "live_jobs", broken)
    assert await world.alice.autocomplete(world.channel, "cancel", "job", "") == []


async def test_every_press_is_answered_before_the_bot_disconnects(world: World) -> None:
    listeners = [one for cog in world.parts.bot.cogs.values() for one in cog.get_listeners()]
    presses = {name for name, answer in listeners if "interaction" in signature(answer).parameters}
    assert len(presses) > 5
    assert not [name for name in presses if not f"discord.py: {name}".startswith(ANSWERS)]


async def test_a_command_in_flight_is_answered_before_the_bot_disconnects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, usage = asyncio.Event(), asyncio.Event(), world.parts.images.usage

    async def slow(member: Member) -> Usage:
        begun.set()
        await world.env.external_wait(go_on.wait(), reason="a slow database")
        return await usage(member)

    monkeypatch.setattr(world.parts.images, "usage", slow)
    answer = await world.alice.slash(world.channel, "usage")
    assert begun.is_set()
    with world.env.time_context():
        closing = asyncio.ensure_future(world.parts.bot.close())
    await asyncio.sleep(0)
    assert not world.parts.bot.is_closed()
    go_on.set()
    await closing
    assert world.parts.bot.is_closed()
    assert "Your use today" in words(answer.response)


async def test_an_answer_after_the_bot_has_stopped_is_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on, told = asyncio.Event(), asyncio.Event()

    async def slow(_: Member) -> Usage:
        await world.env.external_wait(go_on.wait(), reason="a slow database")
        raise UnknownJob

    async def closed(*_: object, **__: object) -> None:
        told.set()
        raise RuntimeError("Session is closed")

    monkeypatch.setattr(world.parts.images, "usage", slow)
    await world.alice.slash(world.channel, "usage")
    monkeypatch.setattr("bot.discord_ui.client.ANSWERED_WITHIN", 0)
    await world.parts.bot.close()
    monkeypatch.setattr(discord.InteractionResponse, "send_message", closed)
    monkeypatch.setattr(discord.Webhook, "send", closed)
    go_on.set()
    await asyncio.wait_for(told.wait(), 5)
    await asyncio.sleep(0)
    assert "could not be answered" in caplog.text


async def test_options_of_another_type_come_from_an_older_definition(world: World) -> None:
    world.expects_errors = True  # discord.py's own, and answered
    command = next(one for one in world.env.backend.commands[None].values() if one["name"] == "cancel")
    command["options"][0]["type"] = discord.AppCommandOptionType.integer.value  # as somebody's Discord remembers it
    command["options"][0].pop("autocomplete", None)
    answer = await world.alice.slash(world.channel, "cancel", job=7)
    assert answer.ephemeral
    assert "has just changed" in answer.response.content


async def test_help_says_how_to_ask_and_what_can_be_done(world: World) -> None:
    answer = await world.alice.slash(world.channel, "help")
    assert answer.ephemeral
    said = words(answer.response)
    assert all(word in said for word in ("/imagine", "/models", "/usage", "Rerun", "🔁", "❌"))


@HELD
async def test_suggestions_tell_jobs_of_the_same_prompt_apart(world: World) -> None:
    for _ in range(3):
        await world.alice.slash(world.channel, "imagine", prompt="the same")
    offered = await world.alice.autocomplete(world.channel, "cancel", "job", "same")
    assert len({choice["name"] for choice in offered}) == 3


async def test_results_name_their_model_where_several_are_on_offer(world: World) -> None:
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "· builtin ·" in words(drawn.response)
    assert "· builtin ·" in words((await world.alice.slash(world.channel, "result")).response)


async def test_a_members_name_holds_no_link_and_no_markup(world: World) -> None:
    eve = world.guild.add_member(world.env.create_user("**https://evil.example**"))
    drawn = await eve.slash(world.channel, "imagine", prompt="a cat")
    assert "https://" not in drawn.response.content
    assert r"\*\*" in drawn.response.content
