"""Words for one person, outside of any interaction."""

import logging

import discord

from bot.discord_ui import wording
from bot.discord_ui.errors import UNSENT
from bot.services.images import JobRecord

log = logging.getLogger(__name__)


async def write(client: discord.Client, user_id: int, words: str) -> bool:
    """Send somebody a direct message; False where theirs are closed to us."""
    try:
        user = client.get_user(user_id) or await client.fetch_user(user_id)
        await user.send(words)
    except discord.Forbidden:
        return False
    except UNSENT as error:
        log.warning("user %s could not be written to: %r", user_id, error)
    return True


async def tell_deleted(client: discord.Client, job: JobRecord, by: str) -> None:
    """A moderator deleted somebody's pictures: whoever asked for them should not have to guess."""
    if job.requester == by:
        return
    guild = client.get_guild(int(job.server)) if job.server else None
    where = f" on **{wording.shown(guild.name)}**" if guild else ""
    await write(
        client, int(job.requester), f"A moderator{where} deleted your pictures of: {wording.shown(job.request.prompt)}"
    )
