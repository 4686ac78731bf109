"""Errors -> words, for commands, buttons, autocomplete and reactions alike. The only place that does it.

What the project raises on purpose brings its own sentence. Anything else becomes a kind sentence with a short
reference that the log has too, beside the trace; nobody is shown an exception's text.
"""

import logging

import aiohttp
import discord
from discord import app_commands

from generation.errors import JobStopped, KnownError, Refusal, WorkerFault, new_reference

log = logging.getLogger(__name__)

DROPPED = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)  #: the connection was the trouble
UNSENT = (discord.HTTPException, *DROPPED)  #: whatever a request to Discord may raise

ALREADY_ACKNOWLEDGED = 40060
TOO_LARGE = 40005
UNKNOWN_MESSAGE = 10008
THREAD_ARCHIVED = 50083


class StaleButton(Refusal):
    """A button that this version does not know, or that somebody made up."""

    code = "stale_button"

    def __init__(self) -> None:
        super().__init__("I do not know this button any more.")


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed in a moment: the connection or Discord itself was the trouble.

    discord.py waits out a 429 by itself, several times; one that comes through all the same passes too.
    """
    return isinstance(error, DROPPED) or (
        isinstance(error, discord.HTTPException) and (error.status >= 500 or error.status == 429)
    )


def is_too_large(error: discord.HTTPException) -> bool:
    """Whether Discord takes no files as large as these here."""
    return error.status == 413 or error.code == TOO_LARGE


def words_for(error: BaseException, *, doing: str) -> str:
    """What to tell whoever met this error; logged here, `doing` says what was going on."""
    error = _cause(error)
    match error:
        case WorkerFault():
            # The worker has logged the trace under the same reference.
            return with_reference(error.user_text, error.reference)
        case Refusal():
            log.info("%s: refused, %s", doing, error)
            return error.user_text
        case JobStopped():
            log.info("%s: stopped, %s", doing, error)
            return error.user_text
        case KnownError():
            log.warning("%s: %s", doing, error)
            return error.user_text
        case app_commands.CheckFailure() | app_commands.TransformerError():
            log.info("%s: refused, %r", doing, error)
            return "That is not possible here, or not allowed to you."
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            log.warning("%s: Discord's copy of the commands is out of date: %r", doing, error)
            return "This command has just changed. Please reload Discord (Ctrl+R) and try again."
        case _:
            reference = new_reference()
            log.error("%s: unexpected error, reference %s", doing, reference, exc_info=error)
            return with_reference("Something went wrong on my side.", reference)


def with_reference(sentence: str, reference: str) -> str:
    """The sentence with the id to hand to whoever runs the bot."""
    return f"{sentence} If it happens again, tell whoever runs me this reference: `{reference}`."


async def answer(interaction: discord.Interaction, error: BaseException, *, doing: str) -> None:
    """Tell whoever used the command or button, privately, whether or not it was answered before."""
    await answer_privately(interaction, words_for(error, doing=doing), doing=doing)


async def answer_privately(interaction: discord.Interaction, text: str, *, doing: str) -> None:
    """Words that only one person sees; where even that fails there is nobody left to tell."""
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True)
        else:
            await interaction.response.send_message(text, ephemeral=True)
    except UNSENT as error:
        log.warning("%s: could not be answered: %r", doing, error)
    except RuntimeError as error:  # aiohttp's word for a session that is closed: the bot has stopped meanwhile
        if not interaction.client.is_closed():
            raise
        log.warning("%s: could not be answered: %r", doing, error)


def _cause(error: BaseException) -> BaseException:
    wrapped = isinstance(error, app_commands.CommandInvokeError)
    return error.original if wrapped else error  # pyright: ignore[reportAttributeAccessIssue]
