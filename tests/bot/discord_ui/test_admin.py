"""/admin."""

import discord
import pytest

from bot.services.limits import LIMIT_KINDS
from tests.bot.discord_ui import hostile
from tests.bot.discord_ui.world import World, words


async def test_a_limit_refuses_the_next_one_until_it_is_reset(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    answer = await world.admin.slash(world.channel, "admin limits set", images_a_day=1)
    assert answer.ephemeral
    assert "pictures a day: **1**" in answer.response.content
    refused = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert refused.ephemeral
    assert "pictures a day" in refused.response.content
    assert "<t:" in refused.response.content
    reset = await world.admin.slash(world.channel, "admin limits reset")
    assert "removed" in reset.response.content
    assert "not set" in (await world.admin.slash(world.channel, "admin limits reset")).response.content
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(drawn.response.attachments) == 1


async def test_limits_hold_for_roles_and_members(world: World) -> None:
    role = world.guild.roles["mods"]
    await world.admin.slash(world.channel, "admin limits set", most_steps=10)
    await world.admin.slash(world.channel, "admin limits set", most_steps=20, role=role)
    await world.admin.slash(world.channel, "admin limits set", most_steps=5, cooldown=60, member=world.bob)
    shown = words((await world.bob.slash(world.channel, "usage")).response)
    assert "most steps: **5** (yours alone)" in shown
    assert "most steps: **20** (your role)" in words((await world.mod.slash(world.channel, "usage")).response)
    assert "(this server's)" in words((await world.alice.slash(world.channel, "usage")).response)
    seen = words((await world.admin.slash(world.channel, "admin limits show")).response)
    assert role.mention in seen
    assert world.bob.mention in seen
    assert "most steps: **10**" in seen
    assert "cooldown: **60** s" in seen


async def test_a_server_without_limits_is_told_so(world: World) -> None:
    seen = words((await world.admin.slash(world.channel, "admin limits show")).response)
    assert "Nothing is set" in seen


async def test_limits_for_a_role_and_a_member_at_once_or_no_limit_at_all_are_refused(world: World) -> None:
    both = await world.admin.slash(
        world.channel, "admin limits set", cooldown=1, role=world.guild.roles["mods"], member=world.bob
    )
    assert "does not go together with member" in (both.followups or [both.response])[0].content
    nothing = await world.admin.slash(world.channel, "admin limits set")
    assert "**limit** needs one of images_a_day" in (nothing.followups or [nothing.response])[0].content


async def test_a_blocked_member_is_told_and_can_be_let_in_again(world: World) -> None:
    answer = await world.admin.slash(world.channel, "admin block", member=world.bob, reason="spam")
    assert answer.ephemeral
    refused = await world.bob.slash(world.channel, "imagine", prompt="a cat")
    assert refused.ephemeral
    assert "spam" in refused.response.content
    await world.admin.slash(world.channel, "admin unblock", member=world.bob)
    assert len((await world.bob.slash(world.channel, "imagine", prompt="a cat")).response.attachments) == 1
    again = await world.admin.slash(world.channel, "admin unblock", member=world.bob)
    assert "was not blocked" in again.response.content


async def test_stats_show_days_and_members(world: World) -> None:
    await world.alice.slash(world.channel, "imagine", prompt="a cat", count=3)
    await world.bob.slash(world.channel, "imagine", prompt="a dog")
    answer = await world.admin.slash(world.channel, "admin stats")
    assert answer.ephemeral
    seen = words(answer.response)
    assert "alice: 1 job, 3 pictures" in seen
    assert "bob: 1 job, 1 picture" in seen


async def test_only_those_who_manage_the_server(world: World) -> None:
    with pytest.raises(Exception, match="not visible"):
        await world.alice.slash(world.channel, "admin stats")
    command = next(one for one in world.parts.bot.tree.get_commands() if one.name == "admin")
    assert command.default_permissions == discord.Permissions(manage_guild=True)
    assert command.guild_only


@pytest.mark.parametrize("command", ["limits show", "limits reset", "stats"])
async def test_the_handler_itself_checks_who_may_manage_the_server(world: World, command: str) -> None:
    # A server's own settings may show the command to anyone.
    admin = next(one for one in world.env.backend.commands[None].values() if one["name"] == "admin")
    world.guild.set_command_permissions(int(admin["id"]), {world.alice: True})
    answer = await world.alice.slash(world.channel, f"admin {command}")
    told = (answer.followups or [answer.response])[0]
    assert told.ephemeral
    assert "Manage Server" in told.content


async def test_every_kind_of_limit_can_be_set_and_is_shown(world: World) -> None:
    (command,) = [leaf for path, leaf in hostile.leaves(world.env) if path == ("admin", "limits", "set")]
    offered = {option["name"]: option for option in command["options"]}
    assert list(offered) == [*(kind.name for kind in LIMIT_KINDS), "role", "member"]
    for kind in LIMIT_KINDS:
        option = offered[kind.name]
        assert (option["description"], option["min_value"], option["max_value"]) == (
            kind.meaning,
            kind.least,
            kind.most,
        )
        await world.admin.slash(world.channel, "admin limits set", **{kind.name: kind.most}, member=world.bob)
    seen = words((await world.admin.slash(world.channel, "admin limits show")).response)
    used = words((await world.bob.slash(world.channel, "usage")).response)
    for kind in LIMIT_KINDS:
        assert f"{kind.title}: **{kind.most:g}**" in seen.replace("1000000", "1e+06")
        assert f"{kind.title}: **{kind.most:g}**" in used.replace("1000000", "1e+06")


async def test_a_weight_for_the_whole_server_is_refused_and_for_a_role_is_set(world: World) -> None:
    nobody = await world.admin.slash(world.channel, "admin limits set", weight=2)
    assert "**weight** needs one of member, role" in (nobody.followups or [nobody.response])[0].content
    mods = await world.admin.slash(world.channel, "admin limits set", weight=2.5, role=world.guild.roles["mods"])
    assert "weight: **2.5**" in mods.response.content
    assert "weight: **2.5** (your role)" in words((await world.mod.slash(world.channel, "usage")).response)


@pytest.mark.parametrize("started_world", [{"ceiling": {"images_a_day": 1, "cooldown": 0}}], indirect=True)
async def test_the_operators_ceiling_caps_what_a_server_sets_and_is_shown(world: World) -> None:
    seen = words((await world.admin.slash(world.channel, "admin limits show")).response)
    assert "operator allows at most" in seen
    answer = await world.admin.slash(world.channel, "admin limits set", images_a_day=100)
    assert "pictures a day: **100**, capped at 1 by the bot's operator" in answer.response.content
    used = words((await world.alice.slash(world.channel, "usage")).response)
    assert "pictures a day: **1** (set to 100 here, capped by the bot's operator)" in used
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    refused = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "your limit here is 1" in refused.response.content


@pytest.mark.parametrize("started_world", [{"direct_messages": False}], indirect=True)
async def test_where_the_operator_lets_nobody_draw_in_direct_messages_it_is_said(world: World) -> None:
    refused = await world.alice.user.slash("imagine", prompt="a cat")
    assert refused.ephemeral
    assert "on servers only" in refused.response.content
    assert not await world.jobs()
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(drawn.response.attachments) == 1


async def test_many_limits_come_in_pages(world: World) -> None:
    for number in range(12):
        role = world.guild.create_role(f"role {number}")
        await world.admin.slash(world.channel, "admin limits set", most_steps=number + 1, role=role)
    first = words((await world.admin.slash(world.channel, "admin limits show")).response)
    second = words((await world.admin.slash(world.channel, "admin limits show", page=2)).response)
    beyond = words((await world.admin.slash(world.channel, "admin limits show", page=99)).response)
    assert "Page 1 of 2" in first
    assert "Page 2 of 2" in second
    assert beyond == second
    assert first.count("For <@&") + second.count("For <@&") == 12


async def test_limits_of_a_role_go_with_it_and_what_is_left_can_be_chosen_and_reset(world: World) -> None:
    gone, missed = world.guild.create_role("gone"), world.guild.create_role("missed")
    for role in (gone, missed):
        await world.admin.slash(world.channel, "admin limits set", most_steps=5, role=role)
    role = world.parts.bot.get_guild(world.guild.id).get_role(gone.id)
    await role.delete()
    await world.env.settle()
    assert gone.mention not in words((await world.admin.slash(world.channel, "admin limits show")).response)
    (choice,) = await world.admin.autocomplete(world.channel, "admin limits reset", "entry", "")
    assert choice == {"name": "missed: most steps 5", "value": f"role:{missed.id}"}
    reset = await world.admin.slash(world.channel, "admin limits reset", entry=choice["value"])
    assert "were removed" in reset.response.content
    assert "Nothing is set" in words((await world.admin.slash(world.channel, "admin limits show")).response)


async def test_limits_of_a_member_who_left_are_suggested_by_their_id(world: World) -> None:
    await world.admin.slash(world.channel, "admin limits set", most_steps=5, member=world.bob)
    (choice,) = await world.admin.autocomplete(world.channel, "admin limits reset", "entry", "member")
    assert choice["name"] == f"member {world.bob.id}: most steps 5"
    nonsense = await world.admin.slash(world.channel, "admin limits reset", entry="nonsense")
    assert "**entry** must be one of" in (nonsense.followups or [nonsense.response])[0].content
