"""What members do with a result: the buttons below it and the reactions on it. 🔁 or 🔄 reruns, ❌ deletes."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import discord
from discord import Interaction
from discord.ext import commands

from bot.discord_ui import buttons, permissions, private, reactions
from bot.discord_ui.buttons import ButtonAction
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.forms import Forms
from bot.discord_ui.inputs import member_of, member_of_reaction, requester_of, rights_of_reaction
from bot.discord_ui.reactions import Refusals
from bot.discord_ui.replay_button import replay_row
from bot.discord_ui.review_buttons import Why, removal_row
from bot.discord_ui.words import embeds
from bot.discord_ui.words import reviews as words
from bot.errors import NotAllowed, PictureGone, StaleButton, UnknownJob
from bot.records import Member, Place
from bot.services.images import ImageService
from bot.services.reviews import Reviews
from generation.job import JobId, JobStatus

_RERUN = frozenset("🔁🔄")
_DELETE = frozenset("❌")
_RESULTS = frozenset({JobStatus.RENDERED, JobStatus.POSTED})


class ResultActions(commands.Cog):
    """Rerun, Info, Cancel and Delete. The service checks the member's rights, each time."""

    def __init__(
        self,
        client: discord.Client,
        images: ImageService,
        deliveries: Deliveries,
        rights: CommandRights,
        refusals: Refusals,
        forms: Forms,
        reviews: Reviews,
    ) -> None:
        """`rights`: who may use /imagine; a rerun needs the same."""
        self._client = client
        self._rights = rights
        self._refusals = refusals
        self._forms = forms
        self._reviews = reviews
        self._images = images
        self._deliveries = deliveries

    @commands.Cog.listener()
    async def on_job_button(self, interaction: Interaction, action: ButtonAction, job_id: JobId) -> None:
        """A press of a button. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            match action:
                case ButtonAction.RERUN:
                    permissions.check_interaction(interaction)
                    await self._deliveries.answer(interaction, partial(self._rerun, interaction, job_id))
                case ButtonAction.INFO:
                    await self._info(interaction, job_id)
                case ButtonAction.CANCEL:
                    await interaction.response.defer()  # the job's message itself will say that it is cancelled
                    await self._images.cancel(job_id, member_of(interaction))
                case ButtonAction.DELETE if await self._is_of_another(interaction, job_id):
                    await interaction.response.send_message(words.DELETE_WHY, view=removal_row(job_id), ephemeral=True)
                case ButtonAction.DELETE:
                    await interaction.response.defer()
                    await self._delete(job_id, member_of(interaction), interaction.delete_original_response)
                case _:
                    pass  # `RemakeActions` answers these
        except Exception as error:
            await private.answer(interaction, error, doing=f"button {action} of job {job_id}")

    @commands.Cog.listener()
    async def on_removal(self, interaction: Interaction, why: Why, job_id: JobId) -> None:
        """A moderator has said why somebody else's result goes."""
        try:
            await interaction.response.defer()
            member, job = member_of(interaction), await self._images.job(job_id)
            if why == "content":
                with suppress(PictureGone):  # what has no file any more is not recognised
                    await self._images.pictures.with_looks(job)
                await self._reviews.unwant(job_id, member)
            await self._delete(job_id, member, self._deliveries.message_of(job).delete)
            done = words.DELETED_FOR_CONTENT if why == "content" else words.DELETED
            await interaction.edit_original_response(content=done, view=None)
        except Exception as error:
            await private.answer(interaction, error, doing=f"why job {job_id} is deleted")

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Answers presses that nothing else will: buttons of older versions, made-up ones, and forms."""
        unknown_press = interaction.type is discord.InteractionType.component and not buttons.is_ours(interaction)
        is_form = interaction.type is discord.InteractionType.modal_submit
        if unknown_press or (is_form and not self._forms.knows(interaction)):
            await private.answer(interaction, StaleButton(), doing="an unknown button or form")

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """A reaction of a person on a result. The raw event also fires for messages from before a restart."""
        emoji = reactions.emoji_of(payload)
        if emoji not in _RERUN | _DELETE or reactions.is_by_bot(self._client, payload):
            return
        try:
            job = await self._images.job_posted_as(str(payload.channel_id), str(payload.message_id))
            if job is None:
                return
            member = await member_of_reaction(self._client, payload, job)
            if emoji in _DELETE:
                with suppress(NotAllowed, UnknownJob):  # ❌ by others is an opinion, not a command
                    await self._delete(job.id, member, self._message(payload).delete)
            elif job.status in _RESULTS:
                channel, rights = (
                    self._client.get_channel(payload.channel_id),
                    rights_of_reaction(self._client, payload),
                )
                await self._rights.check(payload.guild_id, channel, member, rights)
                permissions.check_reply(self._client, payload.channel_id)
                await self._deliveries.reply(
                    payload.channel_id,
                    payload.message_id,
                    member.name,
                    lambda at: self._images.rerun(job.id, member, at=at),
                )
        except Exception as error:
            await self._refusals.tell(payload, error)

    async def _is_of_another(self, interaction: Interaction, job_id: JobId) -> bool:
        """Whether a moderator wants to delete what somebody else asked for: they say why."""
        member = member_of(interaction)
        try:
            job = await self._images.job(job_id)
        except UnknownJob:  # deleted before: its message goes without a word
            return False
        return job.requester != member.id and member.may_stop(job)

    async def _rerun(self, interaction: Interaction, job_id: JobId, at: Place) -> Ticket:
        member = await requester_of(interaction)
        await self._rights.check(interaction.guild_id, interaction.channel, member, interaction.permissions)
        return await self._images.rerun(job_id, member, at=at)

    async def _info(self, interaction: Interaction, job_id: JobId) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        job = await self._images.job(job_id)
        if not member_of(interaction).is_where(job):
            raise UnknownJob  # a made-up custom_id must not show another server's prompt
        await interaction.edit_original_response(**embeds.info(job).to_edit(), view=replay_row(job))

    async def _delete(self, job_id: JobId, member: Member, remove_message: Callable[[], Awaitable[Any]]) -> None:
        job = await self._images.delete(job_id, member)
        self._client.dispatch("job_deleted", job_id)  # for whatever else shows it
        await self._deliveries.remove(job_id, remove_message)
        if job.deleted_at is None:
            await private.tell_deleted(self._client, job, by=member.id)

    def _message(self, payload: discord.RawReactionActionEvent) -> discord.PartialMessage:
        return self._client.get_partial_messageable(payload.channel_id).get_partial_message(payload.message_id)
