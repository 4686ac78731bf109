"""Reactions on results: 🔁 or 🔄 by anyone draws again, ❌ by the requester or a moderator deletes."""

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import discord

from bot.discord_ui import direct_messages, errors, permissions
from bot.discord_ui.errors import UNSENT
from bot.discord_ui.members import member_of_reaction
from bot.discord_ui.retries import through_dropped_connections
from bot.services.errors import NotAllowed, UnknownJob
from bot.services.images import JobRecord
from generation.job import JobStatus

if TYPE_CHECKING:
    from bot.discord_ui.client import ImageBot

log = logging.getLogger(__name__)

_RERUN = frozenset("🔁🔄")
_DELETE = frozenset("❌")
_VARIATION_SELECTOR = "\ufe0f"  # some clients send it behind an emoji, some do not
_DELETE_ATTEMPTS = 4
_REFUSAL_SECONDS = 10.0  #: how long a refusal stays in a channel
_RESULTS = frozenset({JobStatus.RENDERED, JobStatus.POSTED})


async def on_reaction(bot: "ImageBot", payload: discord.RawReactionActionEvent) -> None:
    """Act on a reaction, if it is one of ours on a result of ours by a person."""
    emoji = (payload.emoji.name or "").replace(_VARIATION_SELECTOR, "")  # a deleted custom one has no name
    if payload.emoji.id is not None or emoji not in _RERUN | _DELETE or _is_by_bot(bot, payload):
        return
    doing = f"reaction {emoji} on message {payload.message_id}"
    try:
        job = await bot.images.job_posted_as(str(payload.channel_id), str(payload.message_id))
        if job is None:
            return
        if emoji in _DELETE:
            await _delete(bot, payload, job)
        elif job.status in _RESULTS:
            await _rerun(bot, payload, job)
    except Exception as error:
        await _refuse(bot, payload, errors.words_for(error, doing=doing))


def _is_by_bot(bot: "ImageBot", payload: discord.RawReactionActionEvent) -> bool:
    myself = bot.user.id if bot.user else None
    if payload.user_id == myself or (payload.member is not None and payload.member.bot):
        return True
    # Somebody else's message cannot be a result; where Discord says whose it is, the database need not be asked.
    return payload.message_author_id not in (None, myself)


async def _rerun(bot: "ImageBot", payload: discord.RawReactionActionEvent, job: JobRecord) -> None:
    permissions.check_reply(bot, payload.channel_id)
    member = member_of_reaction(bot, payload, job)
    place = bot.deliveries.reply_to(payload.channel_id, payload.message_id, member.name)
    ticket = await bot.images.rerun(job.id, member, at=place.whereabouts)
    await bot.deliveries.open(place, ticket)


async def _delete(bot: "ImageBot", payload: discord.RawReactionActionEvent, job: JobRecord) -> None:
    try:
        await bot.images.delete(job.id, member_of_reaction(bot, payload, job))
    except (NotAllowed, UnknownJob):
        return  # ❌ by others is an opinion, not a command
    with suppress(discord.NotFound):  # somebody was faster
        await through_dropped_connections(_message(bot, payload).delete, attempts=_DELETE_ATTEMPTS)
    await direct_messages.tell_deleted(bot, job, by=str(payload.user_id))


async def _refuse(bot: "ImageBot", payload: discord.RawReactionActionEvent, words: str) -> None:
    """Tell only whoever reacted; where their direct messages are closed, the channel, and not for long."""
    where = f"https://discord.com/channels/{payload.guild_id or '@me'}/{payload.channel_id}/{payload.message_id}"
    if not await direct_messages.write(bot, payload.user_id, f"About your {payload.emoji.name} on {where}:\n{words}"):
        bot.deliveries.errand(_refuse_here(bot, payload, words), name=f"refuse {payload.user_id}")


async def _refuse_here(bot: "ImageBot", payload: discord.RawReactionActionEvent, words: str) -> None:
    try:
        reply = await _message(bot, payload).reply(f"<@{payload.user_id}> {words}")
    except UNSENT as error:
        log.warning("user %s could not be told a refusal: %r", payload.user_id, error)
        return
    try:
        await asyncio.sleep(_REFUSAL_SECONDS)
    finally:  # also when the bot stops before that
        try:
            await reply.delete()
        except UNSENT as error:
            log.debug("a refusal could not be taken back: %r", error)


def _message(bot: "ImageBot", payload: discord.RawReactionActionEvent) -> discord.PartialMessage:
    return bot.get_partial_messageable(payload.channel_id).get_partial_message(payload.message_id)
