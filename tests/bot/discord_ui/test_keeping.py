"""⭐ and ✉️ on results, /favourites, and a server's gallery."""

import re
from typing import Any

import discord
import pytest
from simcord.builders import ChannelHandle

from bot.services.stars import A_PAGE
from tests.bot.discord_ui.world import World, labels, words


async def favourites(world: World, member: object = None) -> str:
    """What a member's first page says."""
    answer = await (member or world.bob).slash(world.channel, "favourites")  # pyright: ignore
    assert answer.ephemeral
    return words(answer.response)


async def gallery(world: World, stars: int = 1, *, restricted: bool = False) -> ChannelHandle:
    """A channel that the server's results are copied to."""
    channel = world.guild.create_text_channel("gallery")
    await world.env.settle()
    restrict(world, channel, nsfw=restricted)
    await world.admin.slash(world.channel, "admin gallery", channel=channel, stars=stars)
    return channel


def restrict(world: World, channel: ChannelHandle, *, nsfw: bool = True) -> None:
    """Mark a channel as for adults only, of which SimCord knows nothing."""
    known = world.parts.bot.get_channel(channel.id)
    assert isinstance(known, discord.TextChannel)
    known.nsfw = nsfw


# Stars


@pytest.mark.parametrize("emoji", ["⭐", "⭐\ufe0f"])
async def test_a_star_keeps_a_result_until_it_is_taken_off(world: World, emoji: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a **cat**")
    before = len(world.channel.history())
    await world.bob.react(first.response, emoji)
    answer = await world.bob.slash(world.channel, "favourites")
    (embed,) = answer.response.embeds
    assert r"a \*\*cat\*\*" in embed.description
    assert "alice" in embed.description
    link = f"https://discord.com/channels/{world.guild.id}/{world.channel.id}/{first.response.id}"
    assert link in embed.description
    (thumbnail,) = answer.response.attachments
    assert embed.thumbnail.url.endswith(thumbnail.filename)
    assert not answer.response.components
    assert "nothing here" in await favourites(world, world.alice), "each has their own"
    await world.bob.unreact(first.response, emoji)
    assert "nothing here" in await favourites(world)
    assert len(world.channel.history()) == before, "nobody else is told"


async def test_a_star_that_is_taken_off_before_it_is_written_down_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    star = world.parts.stars.star

    async def slow(*args: Any, **options: Any) -> bool:
        for _ in range(10):  # longer than it takes to take it off
            await world.jobs()
        return await star(*args, **options)

    monkeypatch.setattr(world.parts.stars, "star", slow)
    for reacted in (True, False):
        world.env.backend.set_reaction(world.channel.id, first.response.id, "⭐", world.bob.id, reacted)
    await world.env.settle()
    assert "nothing here" in await favourites(world)


async def test_other_emoji_other_messages_and_bots_keep_nothing(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    said = await world.alice.send(world.channel, "hello")
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    await gallery(world)
    await world.bob.react(first.response, "🌟")
    await world.bob.react(first.response, "⭐:123456789012345678")
    await world.bob.react(said, "⭐")
    await robot.react(first.response, "⭐")
    assert "nothing here" in await favourites(world)
    assert (await world.parts.stars.copy_of((await world.jobs())[0].id)) is None


@pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)
async def test_what_is_no_result_yet_cannot_be_kept(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    await world.bob.react(first.response, "✉️")
    assert "nothing here" in await favourites(world)
    assert not world.bob.user.dm_channel.history()


async def test_favourites_work_in_direct_messages(world: World) -> None:
    user = world.bob.user
    own = await user.slash("imagine", prompt="a private cat")
    public = await world.alice.slash(world.channel, "imagine", prompt="a public cat")
    await user.set_reaction(own.response, "⭐", reacted=True)
    await world.bob.react(public.response, "⭐")
    shown = words((await user.slash("favourites")).response)
    assert "a private cat" in shown
    assert f"https://discord.com/channels/@me/{user.dm_channel.id}/{own.response.id}" in shown
    assert "a public cat" not in shown
    await user.set_reaction(own.response, "⭐", reacted=False)
    assert "a private cat" not in words((await user.slash("favourites")).response)


async def test_pages_can_be_turned_after_a_restart_too(world: World) -> None:
    for number in range(A_PAGE + 2):
        drawn = await world.alice.slash(world.channel, "imagine", prompt=f"cat number {number}")
        await world.env.advance_time(1)
        await world.bob.react(drawn.response, "⭐")
    answer = await world.bob.slash(world.channel, "favourites")
    message = answer.response

    def shown() -> list[str]:
        return re.findall(r"cat number (\d)", words(message))

    latest, earliest = list("65432"), list("10")
    assert (shown(), labels(message)) == (latest, ["Older ▶"])
    await world.bob.click(message, label="Older ▶")
    assert (shown(), labels(message)) == (earliest, ["◀ Newer"])
    assert len(message.attachments) == len(earliest)
    await world.restart()
    await world.bob.click(message, label="◀ Newer")
    assert (shown(), labels(message)) == (latest, ["Older ▶"])
    await world.bob.click(message, label="Older ▶")
    assert shown() == earliest


async def test_a_favourite_whose_picture_is_no_longer_kept_is_shown_without(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    await world.remove_pictures()
    answer = await world.bob.slash(world.channel, "favourites")
    assert "a cat" in words(answer.response)
    assert not answer.response.attachments


async def test_deleted_results_are_no_favourites(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    await world.alice.click(first.response, label="Delete")
    assert "nothing here" in await favourites(world)


async def test_a_made_up_page_button_is_answered_kindly(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    for custom_id in (f"favourites:older:{'9' * 16}:{'f' * 32}", f"favourites:newer:0:{'0' * 32}"):
        answer = await world.bob.slash(world.channel, "favourites")
        await world.press(world.bob, answer.response, custom_id)
        assert "a cat" in words(answer.response)


# By direct message


@pytest.mark.parametrize("emoji", ["✉", "✉️"])
async def test_an_envelope_sends_the_result_to_whoever_reacted(world: World, emoji: str) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a **cat**", count=2)
    before = len(world.channel.history())
    await world.bob.react(first.response, emoji)
    (sent,) = world.bob.user.dm_channel.history()
    assert len(sent.attachments) == 2
    assert r"a \*\*cat\*\*" in words(sent)
    assert f"https://discord.com/channels/{world.guild.id}/{world.channel.id}/{first.response.id}" in sent.content
    assert not sent.components
    assert len(world.channel.history()) == before
    assert not world.alice.user.dm_channel.history()


async def test_the_same_result_is_sent_once_a_minute_to_a_member(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    second = await world.alice.slash(world.channel, "imagine", prompt="a dog")
    for _ in range(3):
        await world.bob.react(first.response, "✉️")
        await world.bob.unreact(first.response, "✉️")
    await world.bob.react(second.response, "✉️")
    await world.mod.react(first.response, "✉️")
    assert len(world.bob.user.dm_channel.history()) == 2
    assert len(world.mod.user.dm_channel.history()) == 1
    await world.env.advance_time(61)
    await world.bob.react(first.response, "✉️")
    assert len(world.bob.user.dm_channel.history()) == 3


async def test_nothing_is_said_where_direct_messages_are_closed(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    dm = world.bob.user.dm_channel
    world.env.inject_error("POST", f"/channels/{dm.id}/messages", status=403, code=50007, times=None)
    before = len(world.channel.history())
    await world.bob.react(first.response, "✉️")
    assert len(world.channel.history()) == before
    assert not dm.history()


async def test_a_result_too_large_for_a_direct_message_is_sent_in_a_lighter_form(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    dm = world.bob.user.dm_channel
    world.env.inject_error("POST", f"/channels/{dm.id}/messages", status=413, code=40005, times=1)
    await world.bob.react(first.response, "✉️")
    (sent,) = dm.history()
    assert sent.attachments[0].filename.endswith(".webp")


async def test_a_picture_that_is_no_longer_kept_is_said_privately(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.remove_pictures()
    before = len(world.channel.history())
    for _ in range(2):
        await world.bob.react(first.response, "✉️")
        await world.bob.unreact(first.response, "✉️")
    (told,) = world.bob.user.dm_channel.history()
    assert "no longer kept" in told.content
    assert len(world.channel.history()) == before


# The gallery


async def test_enough_stars_of_others_copy_a_result_to_the_gallery_once(world: World) -> None:
    shown = await gallery(world, stars=2)
    first = await world.alice.slash(world.channel, "imagine", prompt="@everyone a **cat**", count=2)
    await world.alice.react(first.response, "⭐")
    await world.bob.react(first.response, "⭐")
    assert not shown.history(), "the requester's own star does not count"
    await world.mod.react(first.response, "⭐")
    (copy,) = shown.history()
    assert len(copy.attachments) == 2
    assert f"https://discord.com/channels/{world.guild.id}/{world.channel.id}/{first.response.id}" in copy.content
    assert "**alice**" in copy.content
    assert r"a \*\*cat\*\*" in words(copy)
    assert "@everyone" not in words(copy)
    assert not copy.mention_everyone
    await world.admin.react(first.response, "⭐")
    for _ in range(2):
        await world.mod.unreact(first.response, "⭐")
        await world.mod.react(first.response, "⭐")
        await world.look_after_gallery()
    assert [message.id for message in shown.history()] == [copy.id]


async def test_members_who_star_at_once_make_one_copy(world: World) -> None:
    shown = await gallery(world, stars=2)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    crowd = [world.guild.add_member(world.env.create_user(f"member {number}")) for number in range(4)]
    for member in crowd:  # Discord tells of all before the first is dealt with
        world.env.backend.set_reaction(world.channel.id, first.response.id, "⭐", member.id, True)
    await world.env.settle()
    assert len(shown.history()) == 1


async def test_admins_set_the_gallery_and_turn_it_off(world: World) -> None:
    channel = world.guild.create_text_channel("gallery")
    answer = await world.admin.slash(world.channel, "admin gallery", channel=channel)
    assert answer.ephemeral
    assert "3 members" in answer.response.content
    assert f"<#{channel.id}>" in answer.response.content
    assert "age-restricted" in answer.response.content
    off = await world.admin.slash(world.channel, "admin gallery")
    assert "Nothing is copied" in off.response.content
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    for member in (world.bob, world.mod, world.admin):
        await member.react(first.response, "⭐")
    assert not channel.history()
    lonely = await world.admin.slash(world.channel, "admin gallery", stars=2)
    assert "together with channel" in (lonely.followups or [lonely.response])[0].content
    with pytest.raises(Exception, match="not visible"):
        await world.mod.slash(world.channel, "admin gallery", channel=channel)


@pytest.mark.parametrize("flag", ["send_messages", "embed_links", "attach_files", "read_message_history"])
async def test_a_channel_where_the_bot_cannot_post_becomes_no_gallery(world: World, flag: str) -> None:
    narrow = world.channel_without(flag)
    answer = await world.admin.slash(world.channel, "admin gallery", channel=narrow, stars=1)
    assert flag.replace("_", " ").title() in answer.response.content
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    assert await world.parts.stars.copy_of((await world.jobs())[0].id) is None


async def test_a_result_from_an_age_restricted_channel_is_copied_only_to_such_a_one(world: World) -> None:
    restrict(world, world.channel)
    open_to_all = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    assert not open_to_all.history()
    restrict(world, open_to_all)
    await world.mod.react(first.response, "⭐")
    assert len(open_to_all.history()) == 1


async def test_a_gallery_that_is_age_restricted_no_more_gets_no_copies_of_before(world: World) -> None:
    restrict(world, world.channel)
    shown = await gallery(world, restricted=True)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.inject_error("POST", f"/channels/{shown.id}/messages", status=503, times=7)
    await world.bob.react(first.response, "⭐")
    for nsfw, copies in ((False, 0), (True, 1)):
        restrict(world, shown, nsfw=nsfw)
        await world.look_after_gallery()
        assert len(shown.history()) == copies


async def test_a_thread_is_as_age_restricted_as_its_channel(world: World) -> None:
    thread = await world.thread()
    shown = await gallery(world)
    first = await world.alice.slash(thread, "imagine", prompt="a cat")
    restrict(world, world.channel)
    await world.bob.react(first.response, "⭐")
    assert not shown.history()
    restrict(world, world.channel, nsfw=False)
    await world.mod.react(first.response, "⭐")
    assert len(shown.history()) == 1


async def test_what_is_drawn_in_a_private_thread_is_not_shown_to_others(world: World) -> None:
    thread = await world.thread(discord.ChannelType.private_thread)
    known = world.parts.bot.get_channel(thread.id)
    assert isinstance(known, discord.Thread)
    for member in (world.alice, world.bob):
        await known.add_user(discord.Object(member.id))
    shown = await gallery(world)
    first = await world.alice.slash(thread, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    assert "a cat" in await favourites(world)
    assert not shown.history()


async def test_what_is_drawn_in_the_gallery_is_not_copied_there(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(shown, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    assert [message.id for message in shown.history()] == [first.response.id]


async def test_a_copy_that_could_not_be_posted_is_posted_later(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.inject_error("POST", f"/channels/{shown.id}/messages", status=503, times=7)
    await world.bob.react(first.response, "⭐")
    assert not shown.history()
    assert not world.bob.user.dm_channel.history(), "their star is kept: nothing to tell"
    for _ in range(2):
        await world.look_after_gallery()
        assert len(shown.history()) == 1


async def test_a_copy_that_was_noted_before_a_crash_is_posted_after_the_start(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.env.inject_error("POST", f"/channels/{shown.id}/messages", status=503, times=7)
    await world.bob.react(first.response, "⭐")
    await world.restart(crash=True)
    assert len(shown.history()) == 1
    await world.restart(crash=True)
    assert len(shown.history()) == 1


async def test_a_copy_that_was_posted_before_a_crash_and_not_written_down_is_found(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    (copy,) = shown.history()
    await world.forget_copy()
    await world.restart(crash=True)
    assert [message.id for message in shown.history()] == [copy.id]
    job = (await world.jobs())[0]
    noted = await world.parts.stars.copy_of(job.id)
    assert noted is not None
    assert noted.message == str(copy.id)


@pytest.mark.parametrize("by_button", [True, False])
async def test_a_copy_goes_with_its_job(world: World, by_button: bool) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    assert len(shown.history()) == 1
    if by_button:
        await world.alice.click(first.response, label="Delete")
    else:
        await world.mod.react(first.response, "❌")
    assert not shown.history()
    assert await world.parts.stars.copy_of((await world.jobs())[0].id) is None


@pytest.mark.parametrize("is_written_down", [True, False])
async def test_a_copy_that_outlived_its_job_is_removed_after_the_start(world: World, is_written_down: bool) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    if not is_written_down:
        await world.forget_copy()
    world.env.inject_error("DELETE", f"/channels/{shown.id}/messages/*", status=503, times=7)
    await world.alice.click(first.response, label="Delete")
    assert len(shown.history()) == 1
    await world.restart(crash=True)
    assert not shown.history()


async def test_a_copy_whose_message_somebody_removed_is_not_posted_again(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.bob.react(first.response, "⭐")
    await world.mod.delete(shown.last_message)
    await world.mod.react(first.response, "⭐")
    await world.look_after_gallery()
    await world.alice.click(first.response, label="Delete")
    assert not shown.history()
    assert await world.parts.stars.copy_of((await world.jobs())[0].id) is None


async def test_a_gallery_where_the_bot_may_no_longer_post_is_left_alone_until_it_may(world: World) -> None:
    shown = await gallery(world)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    world.deny("attach_files", shown)
    before = len(world.env.backend.http_requests)
    await world.bob.react(first.response, "⭐")
    await world.look_after_gallery()
    asked = [entry for entry in world.env.backend.http_requests[before:] if str(shown.id) in entry.path]
    assert not asked
    world.allow("attach_files", shown)
    await world.look_after_gallery()
    assert len(shown.history()) == 1
