"""The ways to a job's requester, tried in order: here, anew, thread opened, parent, direct message. Then it is kept."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import uuid5

import discord

from bot.discord_ui.delivery.messages import Channel, Messages
from bot.discord_ui.unsent import THREAD_ARCHIVED, UNKNOWN_MESSAGE, is_passing, is_too_large
from bot.discord_ui.words.attachments import LIGHTER_FORMS
from bot.discord_ui.words.content import Content
from bot.records import Place
from bot.retrying import PATIENT, retried

log = logging.getLogger(__name__)

T = TypeVar("T")
Say: TypeAlias = Callable[[Content], Awaitable[T]]
#: The channel that a way leads to, from this place and for this requester; None: it leads nowhere.
Lead: TypeAlias = Callable[[Messages, Place, str], Awaitable[Channel | None]]
#: Shows the content there and says where it is then.
Go: TypeAlias = Callable[[Messages, Place, Channel, Content], Awaitable[Place]]
#: What a channel may see of the result: its id, and whether it is the requester's direct messages.
Words: TypeAlias = Callable[[str, bool], Awaitable[Content]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a requester, and whether it is worth trying after what another one raised."""

    name: str
    fits: Callable[[discord.HTTPException, tuple[str, ...]], bool]  #: the error, and the ways that were tried
    lead: Lead
    go: Go
    is_private: bool = False  #: nobody else sees it, and no message of the channel shows it


async def _to_its_channel(messages: Messages, place: Place, _: str) -> Channel:
    return messages.channel(place)


async def _to_opened_thread(messages: Messages, place: Place, _: str) -> Channel | None:
    thread = await messages.client.fetch_channel(int(place.channel))
    if not isinstance(thread, discord.Thread):
        return None
    await thread.edit(archived=False)
    return messages.channel(place)


async def _to_parent(messages: Messages, place: Place, _: str) -> Channel | None:
    """The channel above a thread that stays closed. It has other readers than a private thread."""
    thread = await messages.client.fetch_channel(int(place.channel))
    if not isinstance(thread, discord.Thread) or thread.is_private():
        return None
    return messages.client.get_partial_messageable(thread.parent_id)


async def _to_requester(messages: Messages, _: Place, requester: str) -> Channel:
    user = messages.client.get_user(int(requester)) or await messages.client.fetch_user(int(requester))
    return user.dm_channel or await user.create_dm()


async def _here(messages: Messages, place: Place, _: Channel, content: Content) -> Place:
    return await messages.say(place, content)


async def _anew(messages: Messages, place: Place, _: Channel, content: Content) -> Place:
    """A message of its own: the old one is gone."""
    return await messages.send(place, content, nonce_of=uuid5(content.job_id, "anew"))


async def _in_parent(messages: Messages, place: Place, parent: Channel, content: Content) -> Place:
    nonce_of = uuid5(content.job_id, "parent")
    return await messages.send(place, content.in_parent_of(place.channel), nonce_of=nonce_of, channel=parent)


async def _privately(messages: Messages, place: Place, channel: Channel, content: Content) -> Place:
    nonce_of = uuid5(content.job_id, "private")
    await messages.send(place, content.in_direct_message(place.channel), nonce_of=nonce_of, channel=channel)
    return place  # the row goes on naming the message in the channel


WAYS = (
    Way("here", lambda _error, _gone: False, _to_its_channel, _here),  # tried first, whatever it raises
    Way("anew", lambda error, _: error.code == UNKNOWN_MESSAGE, _to_its_channel, _anew),
    Way("thread opened", lambda error, _: error.code == THREAD_ARCHIVED, _to_opened_thread, _here),
    Way("parent", lambda error, gone: "thread opened" in gone and error.status == 403, _to_parent, _in_parent),
    Way("direct message", lambda error, gone: True, _to_requester, _privately, is_private=True),
)


async def hand_over(
    messages: Messages, place: Place, words: Words, requester: str, *, check_wanted: Callable[[], Awaitable[object]]
) -> tuple[Place, bool]:
    """Show it at its place, or wherever else the requester can be reached: where, and whether only they see it.

    `words` says what may be seen there. `check_wanted` raises where a message that is gone should not be replaced: its
    job was deleted meanwhile. Raises what the last way raised, one of UNSENT, and what `words` raises.
    """
    way, gone = WAYS[0], tuple[str, ...]()
    refused: discord.HTTPException | None = None
    while True:
        try:
            lead = partial(way.lead, messages, place, requester)
            channel = await retried(lead, PATIENT, passing=is_passing, doing=f"finding the way {way.name}")
            if channel is not None:
                content = await words(str(channel.id), way.is_private)
                there = await in_fitting_form(content, partial(way.go, messages, place, channel))
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
        log.info("the pictures go another way from channel %s, %s: %r", place.channel, following.name, refused)
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
