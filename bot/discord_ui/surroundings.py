"""What kind of place a channel is: in which server, under which channel, age-restricted or not."""

import logging

import discord

from bot.discord_ui.unsent import UNSENT, is_passing
from bot.services.policies import Where

log = logging.getLogger(__name__)


async def where_is(client: discord.Client, channel: str, server: str | None) -> Where:
    """A channel as it is now. Raises one of UNSENT where Discord cannot say that at the moment."""
    if server is None:
        return Where(server=None, channel=channel)
    try:
        found = client.get_channel(int(channel)) or await client.fetch_channel(int(channel))
    except UNSENT as error:
        if is_passing(error):
            raise
        log.info("channel %s is not known: %r", channel, error)
        return Where(server=server, channel=channel, is_known=False)
    return Where(server=server, channel=channel, parent=parent_of(found), is_restricted=is_restricted(found))


def parent_of(channel: object) -> str | None:
    """The channel above a thread."""
    return str(channel.parent_id) if isinstance(channel, discord.Thread) else None


def is_restricted(channel: object) -> bool:
    """Whether a channel is known to be age-restricted; a thread is what its parent is."""
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    is_nsfw = getattr(channel, "is_nsfw", None)
    return is_nsfw is not None and bool(is_nsfw())
