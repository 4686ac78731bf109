"""Reruns by button and reaction need what the command needs; roles hold from the first moment on."""

from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord import AppCommandPermissionType as Target
from discord.http import HTTPClient

from tests.bot.discord_ui.world import World, words


def set_for_imagine(monkeypatch: pytest.MonkeyPatch, *said: tuple[Target, int, bool]) -> None:
    """What an admin has set for the command under Server Settings, Integrations."""

    async def said_of(http: HTTPClient, application: int, server: int, target: int) -> dict[str, Any]:
        found = said if target != application else ()
        return {"permissions": [{"type": kind.value, "id": str(id_), "permission": on} for kind, id_, on in found]}

    monkeypatch.setattr(HTTPClient, "get_application_command_permissions", said_of)


async def reruns(world: World, member: Any, denied: str | None = None) -> tuple[int, str]:
    """How many jobs a press and a reaction of this member make, and what the press is answered."""
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    if denied is not None:
        world.deny_members(denied)
    pressed = await member.click(first.response, label="Rerun")
    await member.react(first.response, "🔁")
    return len(await world.jobs()) - 1, pressed.response.content


async def test_a_member_without_use_application_commands_reruns_nothing(world: World) -> None:
    made, said = await reruns(world, world.bob, denied="use_application_commands")
    assert made == 0
    assert "may not use `/imagine`" in said
    assert "may not use `/imagine`" in world.bob.user.dm_channel.history()[0].content


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ([("channel", "here", False)], 0),
        ([("channel", "everywhere", False)], 0),
        ([("channel", "everywhere", False), ("channel", "here", True)], 2),
        ([("role", "everyone", False)], 0),
        ([("role", "everyone", False), ("role", "mods", True)], 0),
        ([("role", "everyone", False), ("user", "bob", True)], 2),
        ([("user", "bob", False)], 0),
        ([("user", "alice", False)], 2),
    ],
)
async def test_what_admins_set_for_the_command_holds_for_reruns(
    world: World, monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str, bool]], made: int
) -> None:
    ids = {
        "here": world.channel.id,
        "everywhere": world.guild.id - 1,
        "everyone": world.guild.id,
        "mods": world.guild.roles["mods"].id,
        "bob": world.bob.id,
        "alice": world.alice.id,
    }
    set_for_imagine(monkeypatch, *((Target[kind], ids[name], allowed) for kind, name, allowed in said))
    assert (await reruns(world, world.bob))[0] == made


async def test_a_role_that_may_use_the_command_may_rerun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mods = world.guild.roles["mods"].id
    set_for_imagine(monkeypatch, (Target.role, world.guild.id, False), (Target.role, mods, True))
    assert (await reruns(world, world.mod))[0] == 2


async def test_what_is_set_for_the_whole_application_holds_where_the_command_has_nothing_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def said_of(http: HTTPClient, application: int, server: int, target: int) -> dict[str, Any]:
        for_all = {"type": Target.role.value, "id": str(world.guild.id), "permission": False}
        return {"permissions": [for_all] if target == application else []}

    monkeypatch.setattr(HTTPClient, "get_application_command_permissions", said_of)
    assert (await reruns(world, world.bob))[0] == 0


async def test_what_is_set_for_the_whole_application_holds_after_a_lookup_that_failed_halfway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    faults: list[Exception] = [OSError("Discord is away")]

    async def said_of(http: HTTPClient, application: int, server: int, target: int) -> dict[str, Any]:
        if target == application and faults:
            raise faults.pop()
        for_all = {"type": Target.role.value, "id": str(world.guild.id), "permission": False}
        return {"permissions": [for_all] if target == application else []}

    monkeypatch.setattr(HTTPClient, "get_application_command_permissions", said_of)
    for _ in range(3):
        await world.bob.click(first.response, label="Rerun")
    assert not faults
    assert len(await world.jobs()) == 1


async def test_a_change_of_what_is_set_holds_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await reruns(world, world.bob))[0] == 2
    set_for_imagine(monkeypatch, (Target.user, world.bob.id, False))
    event = SimpleNamespace(guild=discord.Object(world.guild.id))
    world.parts.bot.dispatch("raw_app_command_permissions_update", event)
    await world.env.settle()
    message = world.channel.history()[0]
    await world.bob.react(message, "🔄")
    assert len(await world.jobs()) == 3


async def test_a_members_roles_are_not_overlooked_while_their_server_is_not_known_yet(world: World) -> None:
    role = world.guild.roles["mods"]
    await world.admin.slash(world.channel, "admin limits set", images_a_day=0, role=role)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.forget_server()
    for answer in (
        await world.mod.slash(world.channel, "imagine", prompt="a cat"),
        await world.mod.click(first.response, label="Rerun"),
        await world.mod.slash(world.channel, "usage"),
    ):
        assert "very busy" in words((answer.followups or [answer.response])[0])
    await world.mod.react(first.response, "🔁")
    assert len(await world.jobs()) == 1
    assert not world.mod.user.dm_channel.history(), "a reaction there is ignored"
