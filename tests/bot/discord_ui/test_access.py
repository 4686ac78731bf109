"""/admin access, and what members meet of it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from tests.bot.discord_ui.hostile_files import GOOD
from tests.bot.discord_ui.world import World, words


def told(answer: InteractionResult) -> str:
    """What a private answer says."""
    said = (answer.followups or [answer.response])[-1]
    assert said.ephemeral
    return words(said)


async def choose(who: MemberActor, shown: ResponseMessage) -> InteractionResult:
    """The first of what a private list offers."""
    ((menu,),) = [row["components"] for row in shown.components]
    return await who.select(shown, [menu["options"][0]["value"]], custom_id=menu["custom_id"])


async def by_button(world: World, result: ResponseMessage, label: str) -> InteractionResult:
    answer = await world.bob.click(result, label=label)
    return await choose(world.bob, answer.response) if answer.response.components else answer


async def by_edit(world: World, result: ResponseMessage) -> InteractionResult:
    form = await world.bob.click(result, label="Edit")
    return await world.bob.submit_modal(form, {"prompt": "a dog"})


async def by_replay(world: World, result: ResponseMessage) -> InteractionResult:
    info = await world.bob.click(result, label="Info")
    return await world.bob.click(info.response, label="Replay")


async def by_menu(world: World, result: ResponseMessage) -> InteractionResult:
    form = await world.bob.context_menu(world.channel, "Use as image", result)
    return await world.bob.submit_modal(form, {"prompt": "a dog"})


async def by_command(world: World, _: ResponseMessage) -> InteractionResult:
    return await world.bob.slash(world.channel, "imagine", prompt="a dog")


async def by_picture(world: World, _: ResponseMessage) -> InteractionResult:
    return await world.bob.slash(world.channel, "imagine", prompt="a dog", image=GOOD["9001"])


WAYS: dict[str, Callable[[World, ResponseMessage], Awaitable[InteractionResult]]] = {
    "imagine": by_command,
    "imagine with a picture": by_picture,
    "edit": by_edit,
    "replay": by_replay,
    "use as image": by_menu,
    **{
        label.lower(): lambda world, result, label=label: by_button(world, result, label)
        for label in ("Rerun", "Vary", "Upscale", "More")
    },
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_a_picture_is_refused_privately_where_drawing_is_not_allowed(world: World, way: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    studio = world.guild.create_text_channel("studio")
    await world.admin.slash(world.channel, "admin access channels", add=studio)
    said = told(await WAYS[way](world, first.response))
    assert said == f"I draw elsewhere on this server: in {studio.mention}."
    assert len(await world.jobs()) == 1
    assert len(world.channel.history()) == 1


async def test_a_reaction_is_refused_by_direct_message_with_names_that_can_be_read_there(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin access roles", add=world.guild.roles["mods"])
    await world.bob.react(first.response, "🔁")
    assert "one needs a role to draw: **mods**." in world.bob.user.dm_channel.history()[0].content
    await world.mod.react(first.response, "🔁")
    assert [job.requester for job in await world.jobs()] == [str(world.alice.id), str(world.mod.id)]


async def test_members_draw_in_listed_channels_and_their_threads_until_the_list_is_lifted(world: World) -> None:
    studio = world.guild.create_text_channel("studio")
    assert "in every channel" in told(await world.admin.slash(world.channel, "admin access show"))
    answer = await world.admin.slash(world.channel, "admin access channels", add=world.channel)
    assert f"Where: {world.channel.mention}" in told(answer)
    for where in (world.channel, await world.thread()):
        assert (await world.alice.slash(where, "imagine", prompt="a cat")).response.attachments
    for who in (world.alice, world.admin):
        refused = await who.slash(studio, "imagine", prompt="a cat")
        assert world.channel.mention in told(refused)
    await world.admin.slash(world.channel, "admin access channels", everybody=True)
    assert (await world.alice.slash(studio, "imagine", prompt="a cat")).response.attachments


async def test_a_thread_can_be_listed_for_itself(world: World) -> None:
    thread = await world.thread()
    await world.admin.slash(world.channel, "admin access channels", add=thread)
    assert (await world.alice.slash(thread, "imagine", prompt="a cat")).response.attachments
    assert thread.mention in told(await world.alice.slash(world.channel, "imagine", prompt="a cat"))


async def test_a_reaction_in_a_thread_counts_for_its_channel(world: World) -> None:
    thread = await world.thread()
    await world.admin.slash(world.channel, "admin access channels", add=world.channel)
    first = await world.alice.slash(thread, "imagine", prompt="a cat")
    await world.bob.react(first.response, "🔁")
    assert len(await world.jobs()) == 2


async def test_a_channel_and_a_role_that_are_deleted_open_nothing(world: World) -> None:
    studio, artists = world.guild.create_text_channel("studio"), world.guild.create_role("artists")
    await world.admin.slash(world.channel, "admin access channels", add=studio)
    await world.admin.slash(world.channel, "admin access roles", add=artists)
    await world.admin.slash(world.channel, "admin access model", model="pinwheel", add=artists)
    await world.admin.slash(world.channel, "admin access defaults", channel=studio, steps=3)
    there = world.parts.bot.get_guild(world.guild.id)
    await there.get_channel(studio.id).delete()
    await there.get_role(artists.id).delete()
    await world.env.settle()

    shown = told(await world.admin.slash(world.channel, "admin access show"))
    assert studio.mention not in shown
    assert artists.mention not in shown
    assert "Where: **nobody**, as all the channels that were listed are gone" in shown
    assert "Who: **nobody**, as all the roles that were listed are gone" in shown
    assert "Model **pinwheel**: **nobody**" in shown
    refused = told(await world.alice.slash(world.channel, "imagine", prompt="a cat"))
    assert "the channels where it was allowed are gone" in refused
    await world.admin.slash(world.channel, "admin access channels", everybody=True)
    refused = told(await world.alice.slash(world.channel, "imagine", prompt="a cat"))
    assert "the roles that were allowed to are gone" in refused


async def test_a_deleted_thread_is_dropped_too(world: World) -> None:
    thread = await world.thread()
    await world.admin.slash(world.channel, "admin access channels", add=thread)
    await world.parts.bot.get_channel(thread.id).delete()
    await world.env.settle()
    assert "Where: **nobody**" in told(await world.admin.slash(world.channel, "admin access show"))


async def test_what_is_listed_is_suggested_by_name_and_removed(world: World) -> None:
    mods, command = world.guild.roles["mods"], "admin access"
    await world.admin.slash(world.channel, f"{command} channels", add=world.channel)
    await world.admin.slash(world.channel, f"{command} roles", add=mods)
    await world.admin.slash(world.channel, f"{command} model", model="pinwheel", add=mods)
    await world.admin.slash(world.channel, f"{command} defaults", steps=3)
    for name, option, given, shown in (
        ("channels", "remove", {}, "#general"),
        ("roles", "remove", {}, "mods"),
        ("model", "remove", {"model": "Pinwheel"}, "mods"),
        ("defaults", "clear", {}, "#general"),
    ):
        (choice,) = await world.admin.autocomplete(world.channel, f"{command} {name}", option, "", **given)
        assert choice["name"] == shown
        await world.admin.slash(world.channel, f"{command} {name}", **given, **{option: choice["value"]})
    shown = told(await world.admin.slash(world.channel, "admin access show"))
    assert "Who may draw Where: in every channel\nWho: everybody\nWhen: at once A thread" in shown


async def test_somebody_who_is_new_is_told_when_they_may_draw(world: World) -> None:
    await world.admin.slash(world.channel, "admin access minimum", days=2)
    said = told(await world.alice.slash(world.channel, "imagine", prompt="a cat"))
    joined = world.env.backend.get_member(world.guild.id, world.alice.id)
    came = discord.utils.parse_time(joined.joined_at)
    assert f"for 2 days. You may <t:{int((came + timedelta(days=2)).timestamp())}:R>." in said
    joined.joined_at = (came - timedelta(days=2)).isoformat()
    assert (await world.alice.slash(world.channel, "imagine", prompt="a cat")).response.attachments


async def test_a_reaction_of_somebody_new_is_refused(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin access minimum", days=2)
    await world.bob.react(first.response, "🔁")
    assert "for 2 days" in world.bob.user.dm_channel.history()[0].content
    joined = world.env.backend.get_member(world.guild.id, world.alice.id)
    joined.joined_at = (discord.utils.parse_time(joined.joined_at) - timedelta(days=2)).isoformat()
    await world.alice.react(first.response, "🔁")
    assert len(await world.jobs()) == 2


async def test_a_reserved_model_is_hidden_marked_and_refused_to_those_without_the_role(world: World) -> None:
    mods = world.guild.roles["mods"]
    await world.admin.slash(world.channel, "admin access model", model="pinwheel", add=mods)

    async def offered(who: MemberActor) -> list[str]:
        return [choice["name"] for choice in await who.autocomplete(world.channel, "imagine", "model", "")]

    assert await offered(world.alice) == ["builtin"]
    assert await offered(world.mod) == ["builtin", "pinwheel"]
    assert f"🔒 Only for {mods.mention}; not for you here." in told(await world.alice.slash(world.channel, "models"))
    assert f"pinwheel Only for {mods.mention}.\nDraws" in told(await world.mod.slash(world.channel, "models"))
    said = told(await world.alice.slash(world.channel, "imagine", prompt="a cat", model="pinwheel"))
    assert f"one needs a role for the model **pinwheel**: {mods.mention}." in said
    assert (await world.mod.slash(world.channel, "imagine", prompt="a cat", model="pinwheel")).response.attachments


async def test_without_the_default_model_a_member_draws_with_the_first_one_that_is_theirs(world: World) -> None:
    await world.admin.slash(world.channel, "admin access model", model="builtin", add=world.guild.roles["mods"])
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.mod.slash(world.channel, "imagine", prompt="a cat")
    assert [job.request.model for job in await world.jobs()] == ["pinwheel", "builtin"]
    assert "pinwheel Used when you name no model." in told(await world.alice.slash(world.channel, "models"))
    assert "Used when you name no model." in told(await world.mod.slash(world.channel, "models")).split("pinwheel")[0]


async def test_a_channels_defaults_are_taken_where_imagine_leaves_something_open(world: World) -> None:
    studio = world.guild.create_text_channel("studio")
    values = {"model": "BUILTIN", "aspect": "2:1", "steps": 3, "guidance": 2.0, "scheduler": "lcm", "count": 2}
    answer = await world.admin.slash(world.channel, "admin access defaults", channel=studio, **values)
    taken = "model **builtin**, aspect **2:1**, steps **3**, guidance **2.0**, scheduler **LCM**, count **2**"
    assert f"Taken in {studio.mention} where left open: {taken}" in told(answer)
    await world.alice.slash(studio, "imagine", prompt="a cat")
    await world.alice.slash(studio, "imagine", prompt="a cat", steps=7, aspect="1:1", scheduler="DDIM")
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.alice.slash(studio, "imagine", prompt="a cat", image=GOOD["9001"])

    def drawn(request: Any) -> tuple[Any, ...]:
        return request.model, request.size, request.steps, request.guidance_scale, request.scheduler, request.count

    plain = "builtin", (64, 64), 25, 7.5, "DPM++ 2M Karras", 1
    assert [drawn(job.request) for job in await world.jobs()] == [
        ("builtin", (96, 48), 3, 2.0, "LCM", 2),
        ("builtin", (64, 64), 7, 2.0, "DDIM", 2),
        plain,
        ("builtin", (64, 64), 3, 2.0, "LCM", 2),
    ]


async def test_use_as_image_takes_the_channels_defaults(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.admin.slash(world.channel, "admin access defaults", steps=9)
    await by_menu(world, first.response)
    assert [job.request.steps for job in await world.jobs()] == [25, 9]


async def test_defaults_that_the_catalogue_does_not_take_are_refused_when_they_are_set(world: World) -> None:
    for values, said in (
        ({"model": "nope"}, "**model** must be one of builtin, pinwheel"),
        ({"scheduler": "LCM", "steps": 100}, "**steps** must be from 1 to 50 for LCM"),
        ({}, "**default** needs one of model, aspect"),
        ({"clear": "1", "steps": 3}, "**clear** does not go together with channel"),
    ):
        assert said in told(await world.admin.slash(world.channel, "admin access defaults", **values))
    assert "Taken in" not in told(await world.admin.slash(world.channel, "admin access show"))


async def test_more_than_a_page_holds_is_said_to_be_more(world: World) -> None:
    for number in range(60):
        channel = world.guild.create_text_channel(f"studio-{number}")
        values = {"model": "builtin", "scheduler": "DPM++ 2M Karras", "steps": 3}
        answer = await world.admin.slash(world.channel, "admin access defaults", channel=channel, **values)
    assert "more, which this page does not hold" in told(answer)


@pytest.mark.parametrize("command", ["show", "channels", "roles", "minimum", "defaults"])
async def test_the_service_itself_checks_who_may_set_it(world: World, command: str) -> None:
    admin = next(one for one in world.env.backend.commands[None].values() if one["name"] == "admin")
    world.guild.set_command_permissions(int(admin["id"]), {world.alice: True})
    given = {"minimum": {"days": 1}, "defaults": {"steps": 1}}.get(command, {})
    answer = await world.alice.slash(world.channel, f"admin access {command}", **given)
    assert "Manage Server" in told(answer)
    assert await world.alice.autocomplete(world.channel, "admin access channels", "remove", "") == []
