"""/admin safety show, set and review."""

import json

import discord
import pytest

from tests.bot.discord_ui.world import World, words

MOST_OF_A_COMMAND = 8000  #: characters of all names and descriptions, Discord's limit


async def shown(world: World) -> str:
    """What an admin sees of what is set."""
    answer = await world.admin.slash(world.channel, "admin safety show")
    assert answer.ephemeral
    return words(answer.response)


async def test_the_defaults_are_shown_where_nothing_is_set(world: World) -> None:
    seen = await shown(world)
    assert "**withhold**, by default" in seen
    assert "age-restricted channels **spoiler**" in seen
    assert "from a score of **0.5**" in seen
    assert "Held pictures wait in `/admin safety queue`" in seen
    assert "3 pictures that a person kept back within 30 days block a member for 7 days" in seen


async def test_what_is_set_for_the_server_and_for_a_channel_is_shown(world: World) -> None:
    await world.admin.slash(world.channel, "admin safety set", policy="spoiler", hold_from=0.9, strikes=0)
    answer = await world.admin.slash(world.channel, "admin safety set", policy="review", channel=world.channel)
    assert answer.ephemeral
    for seen in (words(answer.response), await shown(world)):
        assert "**spoiler**: posted as spoilers" in seen
        assert f"<#{world.channel.id}> review" in seen
        assert "held back from **0.9**" in seen
        assert "Nobody is blocked" in seen
    await world.admin.slash(world.channel, "admin safety set", policy="default", channel=world.channel)
    assert f"<#{world.channel.id}>" not in await shown(world)


async def test_many_channels_with_a_policy_of_their_own_fit_into_the_answer(world: World) -> None:
    for number in range(27):
        channel = world.guild.create_text_channel(f"channel {number}")
        await world.env.settle()
        await world.admin.slash(world.channel, "admin safety set", policy="off", channel=channel)
    assert "… and 2 more" in await shown(world)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "**setting** needs one of policy"),
        ({"strikes": 1, "channel": True}, "goes only together with policy"),
        ({"hold_from": 0.2}, "**hold from** must be from 0.5 to 1; you gave 0.2"),
    ],
)
async def test_what_makes_no_sense_is_answered_kindly(world: World, options: dict[str, object], said: str) -> None:
    if "channel" in options:
        options = {**options, "channel": world.channel}
    answer = await world.admin.slash(world.channel, "admin safety set", **options)
    assert said in (answer.followups or [answer.response])[0].content


async def test_only_those_who_manage_the_server_may_set_it(world: World) -> None:
    for actor in (world.alice, world.mod):
        with pytest.raises(Exception, match="not visible"):
            await actor.slash(world.channel, "admin safety show")


async def test_a_deleted_channel_takes_its_policy_with_it(world: World) -> None:
    channel = world.guild.create_text_channel("narrow")
    await world.env.settle()
    await world.admin.slash(world.channel, "admin safety set", policy="off", channel=channel)
    known = world.parts.bot.get_channel(channel.id)
    assert isinstance(known, discord.TextChannel)
    await known.delete()
    await world.env.settle()
    assert f"<#{channel.id}>" not in await shown(world)


async def test_the_moderators_channel_is_named_and_taken_back(world: World) -> None:
    hidden, seen = (discord.PermissionOverwrite(view_channel=may) for may in (False, True))
    readers = {world.guild.me: seen, **{world.guild.roles[name]: seen for name in ("mods", "admins")}}
    channel = world.guild.create_text_channel("mods", overwrites={world.guild.roles["@everyone"]: hidden, **readers})
    await world.env.settle()
    answer = await world.admin.slash(world.channel, "admin safety review", channel=channel)
    assert answer.ephemeral
    assert f"shown in <#{channel.id}>" in answer.response.content
    assert "None has it yet" in answer.response.content
    assert "Everybody" not in answer.response.content
    assert f"<#{channel.id}>, for the policy `review`" in await shown(world)
    await world.admin.slash(world.channel, "admin safety set", policy="review")
    again = await world.admin.slash(world.channel, "admin safety review", channel=channel)
    assert "None has it yet" not in again.response.content
    world.deny("send_messages", channel)
    await world.env.settle()
    assert f"<#{channel.id}>, where I cannot post" in await shown(world)
    off = await world.admin.slash(world.channel, "admin safety review")
    assert "in no channel any more" in off.response.content
    assert f"<#{channel.id}>" not in await shown(world)


async def test_a_moderators_channel_that_everybody_reads_is_warned_of(world: World) -> None:
    answer = await world.admin.slash(world.channel, "admin safety review", channel=world.channel)
    assert "Everybody here can read" in answer.response.content


@pytest.mark.parametrize("flag", ["send_messages", "embed_links", "attach_files", "read_message_history"])
async def test_a_channel_where_the_bot_cannot_post_becomes_no_moderators_channel(world: World, flag: str) -> None:
    narrow = world.channel_without(flag)
    await world.env.settle()
    answer = await world.admin.slash(world.channel, "admin safety review", channel=narrow)
    assert flag.replace("_", " ").title() in answer.response.content
    assert f"<#{narrow.id}>" not in await shown(world)


def texts(definition: object) -> int:
    """The characters of a command that Discord counts."""
    if isinstance(definition, list):
        return sum(map(texts, definition))
    if not isinstance(definition, dict):
        return 0
    own = sum(len(str(definition.get(key, ""))) for key in ("name", "description", "value"))
    return own + sum(texts(part) for part in definition.values())


async def test_admin_and_all_below_it_is_no_longer_than_discord_takes(world: World) -> None:
    tree = world.parts.bot.tree
    for command in tree.get_commands():
        definition = json.loads(json.dumps(command.to_dict(tree)))
        assert texts(definition) <= MOST_OF_A_COMMAND, command.name
