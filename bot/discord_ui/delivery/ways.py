"""The ways to a job's requester, tried in order: here, anew, thread opened, parent, direct message. Then it is kept."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import uuid5

import discord

from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.unsent import THREAD_ARCHIVED, UNKNOWN_MESSAGE, is_passing, is_too_large
from bot.discord_ui.words.attachments import LIGHTER_FORMS
from bot.discord_ui.words.content import Content
from bot.records import Place
from bot.retrying import PATIENT, retried

log = logging.getLogger(__name__)

T = TypeVar("T")
Say: TypeAlias = Callable[[Content], Awaitable[T]]
#: Shows the content to the requester and says where it is then; None: this way leads nowhere from this place.
Go: TypeAlias = Callable[[Messages, Place, str, Content], Awaitable[Place | None]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a requester, and whether it is worth trying after what another one raised."""

    name: str
    fits: Callable[[discord.HTTPException, tuple[str, ...]], bool]  #: the error, and the ways that were tried
    go: Go
    is_private: bool = False  #: nobody else sees it, and no message of the channel shows it


async def _here(messages: Messages, place: Place, _: str, content: Content) -> Place:
    return await messages.say(place, content)


async def _anew(messages: Messages, place: Place, _: str, content: Content) -> Place:
    """A message of its own: the old one is gone."""
    return await messages.send(place, content, nonce_of=uuid5(content.job_id, "anew"))


async def _in_opened_thread(messages: Messages, place: Place, _: str, content: Content) -> Place | None:
    thread = await messages.client.fetch_channel(int(place.channel))
    if not isinstance(thread, discord.Thread):
        return None
    await thread.edit(archived=False)
    return await messages.say(place, content)


async def _in_parent(messages: Messages, place: Place, _: str, content: Content) -> Place | None:
    """The channel above a thread that stays closed. It has other readers than a private thread."""
    thread = await messages.client.fetch_channel(int(place.channel))
    if not isinstance(thread, discord.Thread) or thread.is_private():
        return None
    parent = messages.client.get_partial_messageable(thread.parent_id)
    nonce_of = uuid5(content.job_id, "parent")
    return await messages.send(place, content.in_parent_of(place.channel), nonce_of=nonce_of, channel=parent)


async def _privately(messages: Messages, place: Place, requester: str, content: Content) -> Place:
    user = messages.client.get_user(int(requester)) or await messages.client.fetch_user(int(requester))
    channel = user.dm_channel or await user.create_dm()
    nonce_of = uuid5(content.job_id, "private")
    await messages.send(place, content.in_direct_message(place.channel), nonce_of=nonce_of, channel=channel)
    return place  # the row goes on naming the message in the channel


WAYS = (
    Way("here", lambda _error, _gone: False, _here),  # tried first, whatever it raises
    Way("anew", lambda error, _: error.code == UNKNOWN_MESSAGE, _anew),
    Way("thread opened", lambda error, _: error.code == THREAD_ARCHIVED, _in_opened_thread),
    Way("parent", lambda error, gone: "thread opened" in gone and error.status == 403, _in_parent),
    Way("direct message", lambda error, gone: True, _privately, is_private=True),
)


async def hand_over(
    messages: Messages, place: Place, content: Content, requester: str, *, check_wanted: Callable[[], Awaitable[object]]
) -> tuple[Place, bool]:
    """Show it at its place, or wherever else the requester can be reached: where, and whether only they see it.

    `check_wanted` raises where a message that is gone should not be replaced: its job was deleted meanwhile. Raises
    what the last way raised, one of UNSENT.
    """
    way, gone = WAYS[0], tuple[str, ...]()
    refused: discord.HTTPException | None = None
    while True:
        try:
            there = await in_fitting_form(content, partial(way.go, messages, place, requester))
            if there is not None:
                return there, way.is_private
        except discord.HTTPException as error:
            # A fault that may pass is no reason for a second message, and where even the smallest files are too large
            # another place takes no larger ones.
            if is_passing(error) or is_too_large(error):
                raise
            refused = error
        gone = (*gone, way.name)
        following = next((one for one in WAYS if one.name not in gone and refused and one.fits(refused, gone)), None)
        if following is None:
            raise refused or AssertionError("the first way leads somewhere, or raises")
        await check_wanted()
        log.info("the pictures of job %s go another way, %s: %r", content.job_id, following.name, refused)
        way = following


async def in_fitting_form(content: Content, say: Say[T]) -> T:
    """Say it with files as large as Discord takes them. Raises what Discord said last, one of UNSENT."""
    forms = iter(LIGHTER_FORMS if content.attachments else ())
    fitting = content
    while True:
        try:
            return await retried(
                partial(say, fitting), PATIENT, passing=is_passing, doing=f"the message of job {content.job_id}"
            )
        except discord.HTTPException as error:
            form = next(forms, None) if is_too_large(error) else None
            if form is None:
                raise
            fitting = await asyncio.to_thread(content.lighter, form)
