"""Words that only one person sees: private answers to interactions, and direct messages."""

import logging

import discord

from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import text
from bot.discord_ui.words.errors import words_for
from bot.records import JobRecord

log = logging.getLogger(__name__)


_THINKING = "thinking in public"


async def think(interaction: discord.Interaction) -> None:
    """Let everybody see that an answer comes, for what takes longer than Discord waits; an error is told privately."""
    shown = await interaction.response.defer(thinking=True)
    interaction.extras[_THINKING] = shown.message_id if shown is not None else None


def thought(interaction: discord.Interaction) -> str | None:
    """The id of the message that shows that the bot is thinking: a job that is accepted is shown there."""
    message: int | None = interaction.extras.get(_THINKING)
    return None if message is None else str(message)


async def answer(interaction: discord.Interaction, error: BaseException, *, doing: str) -> None:
    """Tell the member what went wrong, privately, whether or not the interaction was answered before."""
    words = words_for(error, doing=doing)
    interaction.client.dispatch("refused", error)
    try:
        if _THINKING in interaction.extras:
            del interaction.extras[_THINKING]
            # Discord takes the first words after a thought for its end, in public: so it is ended first.
            await interaction.edit_original_response(content="⏹️")
            await interaction.followup.send(words, ephemeral=True)
            await interaction.delete_original_response()
        elif interaction.response.is_done():
            await interaction.followup.send(words, ephemeral=True)
        else:
            await interaction.response.send_message(words, ephemeral=True)
    except UNSENT as unsent:  # there is nobody left to tell
        log.warning("%s: could not be answered: %r", doing, unsent)
    except RuntimeError as closed:  # aiohttp's word for a session that is closed: the bot has stopped meanwhile
        if not interaction.client.is_closed():
            raise
        log.warning("%s: could not be answered: %r", doing, closed)


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
    """Tell a member whose pictures a moderator deleted: they should not have to guess."""
    if job.requester == by:
        return
    guild = client.get_guild(int(job.server)) if job.server else None
    await write(client, int(job.requester), text.deleted_by_moderator(job, guild.name if guild else None))
