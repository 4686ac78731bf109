"""Pictures that members attach: fetched at once, since Discord's links expire."""

import asyncio

import discord

from bot.discord_ui.unsent import UNSENT
from generation.errors import BadPicture
from generation.inputs import MOST_BYTES

FETCHED_WITHIN = 60.0  #: seconds
NOT_FETCHED = "0" * 64  #: stands for the sha256 of a picture


def check(attachment: object, role: str = "image") -> discord.Attachment:
    """The attachment, if it is one that Discord knows. Raises BadPicture, also for a file that is too large."""
    if not isinstance(attachment, discord.Attachment):  # a made-up id
        raise BadPicture(role, "unreadable")
    if attachment.size > MOST_BYTES:
        raise BadPicture(role, "bytes", most=MOST_BYTES)
    return attachment


async def fetched(attachment: object, role: str = "image") -> bytes:
    """The file, whatever it holds. Raises BadPicture where it is too large, or cannot be had."""
    try:
        async with asyncio.timeout(FETCHED_WITHIN):
            return await check(attachment, role).read()
    except (*UNSENT, TimeoutError) as error:
        raise BadPicture(role, "unreadable", detail=repr(error)) from error
