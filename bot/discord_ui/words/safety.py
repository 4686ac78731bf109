"""What admins and moderators read about unsafe pictures. No I/O."""

from collections.abc import Sequence

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from bot.records import Unwanted
from bot.services.policies import Policy, SafetySettings
from bot.services.strikes import Strikes

_MOST_CHANNELS = 25  #: with a policy of their own that are listed: a field holds 1024 characters
_MOST_UNWANTED = 30
_SHOWN_LOOK = 12  #: characters of a look

_MEANS = {
    Policy.OFF: "posted as they are",
    Policy.SPOILER: "posted as spoilers, the worst held back",
    Policy.WITHHOLD: "held back, until somebody decides in `/admin safety queue`",
    Policy.REVIEW: "held back and shown to the moderators, who decide",
}


def settings(found: SafetySettings, *, can_review: bool) -> discord.Embed:
    """All that holds on a server; `can_review`: the moderators' channel is there, and the bot may post in it."""
    embed = discord.Embed(title="Unsafe pictures", colour=COLOUR)
    embed.add_field(name="Policy", value=policy(found), inline=False)
    if found.channels:
        lines = [f"<#{channel}> {policy}" for channel, policy in list(found.channels.items())[:_MOST_CHANNELS]]
        if more := len(found.channels) - len(lines):
            lines.append(f"… and {more} more")
        embed.add_field(name="Channels with their own", value="\n".join(lines), inline=False)
    score = (
        f"Unsafe from a score of **{found.spoiler_from:g}**; under `spoiler` held back from **{found.hold_from:g}**."
    )
    embed.add_field(name="Scores, from 0 to 1", value=score, inline=False)
    embed.add_field(name="Moderators' channel", value=_review_channel(found, can_review=can_review), inline=False)
    embed.add_field(name="Strikes", value=_strikes(found), inline=False)
    embed.set_footer(text="A thread has its channel's policy. What nobody decides about in 14 days is kept back.")
    return embed


def policy(found: SafetySettings) -> str:
    """What becomes of unsafe pictures where a channel has no policy of its own."""
    return f"**{found.policy}**: {_MEANS[found.policy]}" if found.policy is not None else _by_default()


def review_set(channel: int | None, *, is_open: bool, settings: SafetySettings) -> str:
    """What an admin reads who has named the moderators' channel; `is_open`: everybody on the server can read it."""
    if channel is None:
        return "Held pictures are shown in no channel any more. They wait in `/admin safety queue`."
    words = f"Held pictures are shown in <#{channel}>: those from channels with the policy `review`."
    if Policy.REVIEW not in (settings.policy, *settings.channels.values()):
        words += " None has it yet: `/admin safety set policy:review` gives it to all, or to one `channel:`."
    if is_open:
        words += f"\n⚠️ Everybody here can read <#{channel}>. Choose one that only moderators can read."
    return words


def review_refused(channel: int, missing: Sequence[str]) -> str:
    """What an admin reads who chose a channel where the bot cannot post."""
    names = ", ".join(f"**{text.permission(name)}**" for name in missing)
    return f"In <#{channel}> I need {names}. Nothing was changed."


def strikes(member: int, found: Strikes) -> str:
    """How a member stands."""
    counted = text.counted(found.counted, "picture")
    words = f"{counted} of <@{member}> {'was' if found.counted == 1 else 'were'} kept back lately."
    if found.blocked_until is not None:
        return f"{words} They can ask for new ones {text.relative(found.blocked_until)}."
    return f"{words} {found.blocks_at} of them block." if found.blocks_at else words


def strikes_reset(member: int, *, any_counted: bool) -> str:
    """What an admin reads who has let a member begin anew."""
    return f"<@{member}> begins anew." if any_counted else f"Nothing counted against <@{member}>."


def unwanted(found: Sequence[Unwanted]) -> discord.Embed:
    """What a server does not want to see again, the newest first."""
    embed = discord.Embed(title="Unwanted pictures", colour=COLOUR)
    lines = [
        f"`{one.look[:_SHOWN_LOOK]}` by <@{one.by}> {text.relative(one.at)}{f', job `{one.job}`' if one.job else ''}"
        for one in found[:_MOST_UNWANTED]
    ]
    if more := len(found) - len(lines):
        lines.append(f"… and {more} more")
    embed.description = "\n".join(lines) or "Nothing is on the list."
    embed.set_footer(text="What looks like one of these is held back. /admin safety unwanted take_back: takes one off.")
    return embed


def unwanted_choice(one: Unwanted) -> str:
    """One of them in a line of suggestions."""
    return f"{one.at:%d %b %H:%M} UTC, {one.look[:_SHOWN_LOOK]}, job {one.job or 'not known'}"


def taken_back(*, was_there: bool) -> str:
    """What an admin reads who has taken one off the list."""
    return "It is off the list." if was_there else "That is not on the list."


def _by_default() -> str:
    return (
        f"**{Policy.WITHHOLD}**, by default: {_MEANS[Policy.WITHHOLD]}\n"
        f"In age-restricted channels **{Policy.SPOILER}**: {_MEANS[Policy.SPOILER]}"
    )


def _review_channel(found: SafetySettings, *, can_review: bool) -> str:
    if found.review_channel is None:
        return "None. Held pictures wait in `/admin safety queue`."
    if can_review:
        return f"<#{found.review_channel}>, for the policy `review`"
    return f"<#{found.review_channel}>, where I cannot post. Held pictures wait in `/admin safety queue`."


def _strikes(found: SafetySettings) -> str:
    if not found.strikes:
        return "Nobody is blocked for pictures that were kept back."
    kept_back = text.counted(found.strikes, "picture")
    return (
        f"{kept_back} that a person kept back within {text.counted(found.strike_days, 'day')} "
        f"{'blocks' if found.strikes == 1 else 'block'} a member for {text.counted(found.block_days, 'day')}."
    )
