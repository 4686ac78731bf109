"""What admins and moderators read about unsafe pictures. No I/O."""

from collections.abc import Sequence

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from bot.services.policies import Policy, SafetySettings

_MOST_CHANNELS = 25  #: with a policy of their own that are listed: a field holds 1024 characters

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
