"""What the reactions on results share: which emoji one is, whose it is, and how a refused one is told of."""

import logging
import re
from datetime import datetime, timedelta

import discord

from bot.clock import Clock
from bot.discord_ui import private
from bot.discord_ui.words import text
from bot.discord_ui.words.errors import words_for

log = logging.getLogger(__name__)

_VARIATION_SELECTOR = "\ufe0f"  # some clients send it behind an emoji, some do not
_REFUSED_EVERY = timedelta(minutes=1)  #: a member hears of no more refused reactions than one


def emoji_of(payload: discord.RawReactionActionEvent) -> str:
    """The emoji, in the one form that stands for both; empty for a server's own, whatever its name."""
    return "" if payload.emoji.id is not None else (payload.emoji.name or "").replace(_VARIATION_SELECTOR, "")


def is_by_bot(client: discord.Client, payload: discord.RawReactionActionEvent) -> bool:
    """Whether a bot reacted, or the message is somebody else's and so no result."""
    myself = client.user.id if client.user else None
    if payload.user_id == myself or (payload.member is not None and payload.member.bot):
        return True
    # Somebody else's message cannot be a result; where Discord says whose it is, the database need not be asked.
    return payload.message_author_id not in (None, myself)


def _with_names_of_roles(words: str, server: discord.Guild | None) -> str:
    """Discord shows mentions of roles on their server only."""

    def name(found: re.Match[str]) -> str:
        role = server.get_role(int(found[1])) if server is not None else None
        return f"**{text.shown(role.name)}**" if role is not None else "a deleted role"

    return re.sub(r"<@&(\d+)>", name, words)


class Refusals:
    """Tells only the member who reacted, by direct message, once a minute at most; the channel is told nothing."""

    def __init__(self, client: discord.Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._told: dict[int, datetime] = {}  #: members who were told of a refused reaction, and when

    async def tell(self, payload: discord.RawReactionActionEvent, error: Exception) -> None:
        """Say why nothing came of a reaction; not on a server that nothing is known of yet, as after a start."""
        if payload.guild_id is not None and self._client.get_guild(payload.guild_id) is None:
            log.info("a reaction on server %s is ignored: %r", payload.guild_id, error)
            return
        words = words_for(error, doing=f"reaction {payload.emoji.name} on message {payload.message_id}")
        self._client.dispatch("refused", error)
        words = _with_names_of_roles(words, self._client.get_guild(payload.guild_id or 0))
        now = self._clock()
        self._told = {member: at for member, at in self._told.items() if abs(now - at) < _REFUSED_EVERY}
        if payload.user_id not in self._told:
            self._told[payload.user_id] = now
            message = f"{payload.guild_id or '@me'}/{payload.channel_id}/{payload.message_id}"
            about = f"About your {payload.emoji.name} on https://discord.com/channels/{message}:"
            await private.write(self._client, payload.user_id, f"{about}\n{words}")
