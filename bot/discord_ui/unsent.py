"""What a request to Discord may raise, and what that means."""

import aiohttp
import discord

DROPPED = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)  #: the connection was the trouble
UNSENT = (discord.HTTPException, *DROPPED)  #: all that a request to Discord may raise

ALREADY_ACKNOWLEDGED = 40060
TOO_LARGE = 40005
UNKNOWN_MESSAGE = 10008
THREAD_ARCHIVED = 50083


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed in a moment: the connection or Discord itself was the trouble.

    discord.py waits out a 429 by itself, several times; one that comes through all the same passes too.
    """
    return isinstance(error, DROPPED) or (
        isinstance(error, discord.HTTPException) and (error.status >= 500 or error.status == 429)
    )


def is_too_large(error: BaseException) -> bool:
    """Whether Discord takes no files as large as these here."""
    return isinstance(error, discord.HTTPException) and (error.status == 413 or error.code == TOO_LARGE)
