"""What a server reads when the bot joins it."""

import logging

import discord
import pytest
from simcord.backend import serializers
from simcord.builders import ChannelHandle

from bot.errors import StorageFault
from bot.services.access_settings import ServerAccess
from tests.bot.discord_ui.world import World


async def join(world: World, *, new: bool = True) -> None:
    """The bot is invited to the server; not `new`: the server was away and is back."""
    backend = world.env.backend
    payload = dict(serializers.guild_create_payload(backend, backend.get_guild(world.guild.id)))
    if new:  # SimCord says of every server that it came back
        del payload["unavailable"]
    backend.emit("GUILD_CREATE", payload)
    await world.env.settle()


def said(*channels: ChannelHandle) -> list[list[str]]:
    return [[message.content for message in channel.history()] for channel in channels]


def take_away(world: World, **rights: bool) -> None:
    """From now on nobody but admins, and so not the bot either, has these rights on the server."""
    left = discord.Permissions.all()
    left.update(administrator=False, **rights)
    for role in tuple(world.env.backend.get_guild(world.guild.id).roles.values()):
        world.env.backend.edit_role(world.guild.id, role.id, {"permissions": left.value})


async def test_a_new_server_reads_once_what_holds_and_how_to_begin(world: World) -> None:
    await join(world)
    ((words,),) = said(world.channel)
    for part in (
        "`/imagine prompt: a lighthouse at dusk`",
        "`/models`",
        "`/help`",
        "Unsafe pictures: **withhold**, by default: held back",
        "In age-restricted channels **spoiler**",
        "- Where: in every channel\n- Who: everybody\n- When: at once\n",
        "- Limits: no daily limit, no cooldown, 4 jobs at once for each member\n",
        "`/admin safety`, `/admin access`, `/admin limits`",
    ):
        assert part in words
    assert "may not do" not in words
    assert len(words) <= 2000


async def test_a_server_that_was_away_and_is_back_reads_nothing(world: World) -> None:
    await join(world, new=False)
    assert said(world.channel) == [[]]


async def test_it_stands_in_the_system_channel(world: World) -> None:
    news = world.guild.create_text_channel("news")
    await world.env.settle()
    guild = world.parts.bot.get_guild(world.guild.id)
    await guild.edit(system_channel=guild.get_channel(news.id))
    await join(world)
    assert [len(words) for words in said(world.channel, news)] == [0, 1]


async def test_where_it_may_not_write_in_the_system_channel_it_stands_in_the_first_that_is_open(world: World) -> None:
    guild = world.parts.bot.get_guild(world.guild.id)
    await guild.edit(system_channel=guild.get_channel(world.channel.id))
    world.deny("send_messages")
    studio, later = world.guild.create_text_channel("studio"), world.guild.create_text_channel("later")
    await join(world)
    assert [len(words) for words in said(world.channel, studio, later)] == [0, 1, 0]


async def test_a_channel_that_looks_open_and_is_not_is_passed_over(world: World) -> None:
    studio = world.guild.create_text_channel("studio")
    world.env.inject_error("POST", f"/channels/{world.channel.id}/messages", status=403, code=50013, times=None)
    await join(world)
    assert [len(words) for words in said(world.channel, studio)] == [0, 1]


async def test_where_it_may_write_nowhere_the_log_says_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.deny("send_messages")
    with caplog.at_level(logging.WARNING):
        await join(world)
    assert said(world.channel) == [[]]
    assert f"server {world.guild.id} gets no welcome: there is no channel where I may write" in caplog.text


async def test_what_the_bot_may_not_do_is_said_by_name(world: World) -> None:
    take_away(world, attach_files=False, send_messages_in_threads=False)
    await join(world)
    ((words,),) = said(world.channel)
    lacking = words.split("**What I may not do yet**\n")[1]
    assert lacking.startswith("- Attach Files\n- Send Messages in Threads\nAn admin can grant it")


async def test_what_was_set_at_an_earlier_time_is_said_as_it_is(world: World) -> None:
    mods = world.guild.roles["mods"]
    await world.admin.slash(world.channel, "admin access roles", add=mods)
    await world.admin.slash(world.channel, "admin access minimum", days=3)
    await world.admin.slash(world.channel, "admin limits set", images_a_day=20, most_steps=30)
    await world.admin.slash(world.channel, "admin safety set", policy="spoiler")
    await join(world)
    (words,) = said(world.channel)[0]
    assert f"Who: {mods.mention}\n- When: after **3 days** on the server" in words
    assert "Limits: pictures a day: **20**; most steps: **30**\n" in words
    assert "Unsafe pictures: **spoiler**: posted as spoilers" in words


@pytest.mark.parametrize(
    "started_world", [{"ceiling": {"images_a_day": 5}, "options": {"is_checked": False}}], indirect=True
)
async def test_what_the_operator_has_chosen_is_said_too(world: World) -> None:
    await join(world)
    ((words,),) = said(world.channel)
    assert "Unsafe pictures: posted as they are: whoever runs me has turned the check off" in words
    assert "At most, by whoever runs me: pictures a day: **5**" in words


async def test_a_server_gets_its_welcome_also_while_the_database_is_in_trouble_for_a_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    show, failures = ServerAccess.show, [StorageFault(detail="locked")]

    async def at_first_not(access: ServerAccess, admin: object) -> object:
        if failures:
            raise failures.pop()
        return await show(access, admin)  # type: ignore[arg-type]

    monkeypatch.setattr(ServerAccess, "show", at_first_not)
    await join(world)
    await world.until(lambda: bool(world.channel.history()))
    assert not failures
