"""What members do with a result: the buttons below it and the reactions on it. 🔁 or 🔄 reruns, ❌ deletes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import discord
from discord import Interaction
from discord.ext import commands

from bot.discord_ui import buttons, permissions, private
from bot.discord_ui.buttons import ButtonAction
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.inputs import member_of, member_of_reaction
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.discord_ui.words import embeds
from bot.discord_ui.words.errors import words_for
from bot.errors import NotAllowed, StaleButton, UnknownJob
from bot.records import Member
from bot.retrying import PATIENT, retried
from bot.services.images import ImageService
from generation.job import JobId, JobStatus

log = logging.getLogger(__name__)

_RERUN = frozenset("🔁🔄")
_DELETE = frozenset("❌")
_VARIATION_SELECTOR = "\ufe0f"  # some clients send it behind an emoji, some do not
_REFUSAL_SECONDS = 10.0  #: how long a refusal stays in a channel
_RESULTS = frozenset({JobStatus.RENDERED, JobStatus.POSTED})


class ResultActions(commands.Cog):
    """Rerun, Info, Cancel and Delete. The service checks the member's rights, each time."""

    def __init__(self, client: discord.Client, images: ImageService, deliveries: Deliveries) -> None:
        self._client = client
        self._images = images
        self._deliveries = deliveries

    @commands.Cog.listener()
    async def on_job_button(self, interaction: Interaction, action: ButtonAction, job_id: JobId) -> None:
        """A press of a button. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            match action:
                case ButtonAction.RERUN:
                    permissions.check_interaction(interaction)
                    member = member_of(interaction)
                    await self._deliveries.answer(interaction, lambda at: self._images.rerun(job_id, member, at=at))
                case ButtonAction.INFO:
                    await self._info(interaction, job_id)
                case ButtonAction.CANCEL:
                    await interaction.response.defer()  # the job's message itself will say that it is cancelled
                    await self._images.cancel(job_id, member_of(interaction))
                case ButtonAction.DELETE:
                    await interaction.response.defer()
                    await self._delete(job_id, member_of(interaction), interaction.delete_original_response)
        except Exception as error:
            await private.answer(interaction, error, doing=f"button {action} of job {job_id}")

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Answers presses that nothing else will: buttons of older versions, and made-up ones."""
        if interaction.type is discord.InteractionType.component:
            custom_id = str((interaction.data or {}).get("custom_id", ""))
            if not buttons.knows(custom_id):
                await private.answer(interaction, StaleButton(), doing="an unknown button")

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """A reaction of a person on a result. The raw event also fires for messages from before a restart."""
        emoji = (payload.emoji.name or "").replace(_VARIATION_SELECTOR, "")  # a deleted custom one has no name
        if payload.emoji.id is not None or emoji not in _RERUN | _DELETE or self._is_by_bot(payload):
            return
        try:
            job = await self._images.job_posted_as(str(payload.channel_id), str(payload.message_id))
            if job is None:
                return
            member = member_of_reaction(self._client, payload, job)
            if emoji in _DELETE:
                with suppress(NotAllowed, UnknownJob):  # ❌ by others is an opinion, not a command
                    await self._delete(job.id, member, self._message(payload).delete)
            elif job.status in _RESULTS:
                permissions.check_reply(self._client, payload.channel_id)
                await self._deliveries.reply(
                    payload.channel_id,
                    payload.message_id,
                    member.name,
                    lambda at: self._images.rerun(job.id, member, at=at),
                )
        except Exception as error:
            doing = f"reaction {emoji} on message {payload.message_id}"
            await self._refuse(payload, words_for(error, doing=doing))

    async def _info(self, interaction: Interaction, job_id: JobId) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        job = await self._images.job(job_id)
        if not member_of(interaction).is_where(job):
            raise UnknownJob  # a made-up custom_id must not show another server's prompt
        await interaction.edit_original_response(**embeds.info(job).to_edit())

    async def _delete(self, job_id: JobId, member: Member, remove_message: Callable[[], Awaitable[Any]]) -> None:
        job = await self._images.delete(job_id, member)
        with suppress(discord.NotFound):  # somebody was faster
            await retried(remove_message, PATIENT, passing=is_passing, doing=f"deleting the message of job {job_id}")
        if job.deleted_at is None:
            await private.tell_deleted(self._client, job, by=member.id)

    def _is_by_bot(self, payload: discord.RawReactionActionEvent) -> bool:
        myself = self._client.user.id if self._client.user else None
        if payload.user_id == myself or (payload.member is not None and payload.member.bot):
            return True
        # Somebody else's message cannot be a result; where Discord says whose it is, the database need not be asked.
        return payload.message_author_id not in (None, myself)

    async def _refuse(self, payload: discord.RawReactionActionEvent, words: str) -> None:
        """Tell only the member who reacted; where their direct messages are closed, the channel, and not for long."""
        where = f"https://discord.com/channels/{payload.guild_id or '@me'}/{payload.channel_id}/{payload.message_id}"
        about = f"About your {payload.emoji.name} on {where}:\n{words}"
        if not await private.write(self._client, payload.user_id, about):
            self._deliveries.errand(self._refuse_here(payload, words), name=f"refuse {payload.user_id}")

    async def _refuse_here(self, payload: discord.RawReactionActionEvent, words: str) -> None:
        try:
            reply = await self._message(payload).reply(f"<@{payload.user_id}> {words}")
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

    def _message(self, payload: discord.RawReactionActionEvent) -> discord.PartialMessage:
        return self._client.get_partial_messageable(payload.channel_id).get_partial_message(payload.message_id)
