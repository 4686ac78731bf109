"""What becomes of held pictures: the buttons below them, and what happens around them on the server."""

import logging
from uuid import UUID

import discord
from discord import Interaction
from discord.ext import commands

from bot.discord_ui import private
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.reviews import HeldPictures
from bot.discord_ui.inputs import member_of
from bot.discord_ui.queue_pages import QueuePages
from bot.discord_ui.words import reviews as words
from bot.errors import AlreadyDecided, StorageFault
from bot.records import Decision, JobRecord, Member
from bot.services.reviews import HeldPicture, Reviews
from bot.services.safety_settings import ServerSafety
from bot.services.stars import Position
from generation.job import JobId

log = logging.getLogger(__name__)


class Reviewing(commands.Cog):
    """Decisions, and what follows from them. The service says who may decide, each time."""

    def __init__(
        self,
        server_safety: ServerSafety,
        reviews: Reviews,
        pages: QueuePages,
        held: HeldPictures,
        deliveries: Deliveries,
    ) -> None:
        self._server_safety = server_safety
        self._reviews = reviews
        self._pages = pages
        self._held = held
        self._deliveries = deliveries

    @commands.Cog.listener()
    async def on_review_button(self, interaction: Interaction, decision: Decision, image_id: UUID) -> None:
        """A decision. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            await interaction.response.defer()
            try:
                held = await self._reviews.decide(image_id, decision, member_of(interaction))
            except AlreadyDecided:  # where that is not to be seen yet, it is now
                await self._show_decided(interaction, await self._reviews.held(image_id))
                raise
            # The row first: what is not done when the process dies now is caught up with.
            name = f"deliver picture {image_id}"
            self._deliveries.errand(self._held.settle(image_id, strikes=held.strikes), name=name)
            await self._show_decided(interaction, held)
        except Exception as error:
            await private.answer(interaction, error, doing=f"decision {decision} about picture {image_id}")

    @commands.Cog.listener()
    async def on_held_page(self, interaction: Interaction, position: Position) -> None:
        """Another page of the queue was asked for."""
        try:
            if _is_private(interaction):
                await interaction.response.defer()
            else:  # made up: what is held is not shown to everybody
                await interaction.response.defer(ephemeral=True, thinking=True)
            await self._pages.turn_to(interaction, position)
        except Exception as error:
            await private.answer(interaction, error, doing=f"a page of held pictures for {interaction.user.id}")

    @commands.Cog.listener()
    async def on_pictures_held(self, job: JobRecord) -> None:
        """Pictures were just held back: the moderators see them."""
        for image in job.images:
            if image.waits:
                work = self._held.show(image.id)
                self._deliveries.errand(work, name=f"deliver picture {image.id} to the moderators")

    @commands.Cog.listener()
    async def on_job_deleted(self, job_id: JobId) -> None:
        """What else shows its pictures goes with it."""
        await self._held.remove(job_id)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """What was left undone before the start is done now."""
        self._deliveries.errand(self._held.catch_up(), name="look after held pictures")

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """The policy that the channel had goes with it."""
        await self._forget(channel.guild, channel.id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """The same for a thread."""
        if event.thread is not None:
            await self._forget(event.thread.guild, event.thread_id)

    async def _show_decided(self, interaction: Interaction, held: HeldPicture) -> None:
        """In the queue the next picture follows."""
        if _is_private(interaction):
            position = Position(at=held.image.held_at or held.job.accepted_at, job=held.image.id, goes_older=False)
            await self._pages.turn_to(interaction, position)
        else:
            await interaction.edit_original_response(**words.decided(held).to_edit())

    async def _forget(self, server: discord.Guild, channel: int) -> None:
        me = server.me
        bot = Member(id=str(me.id), name=me.display_name, server=str(server.id), channel="", is_admin=True)
        try:
            await self._server_safety.forget_channel(bot, str(channel))
        except StorageFault as error:  # it is still listed, and can be taken back by hand
            log.warning("the policy of the deleted channel %s is still there: %s", channel, error)


def _is_private(interaction: Interaction) -> bool:
    return interaction.message is not None and interaction.message.flags.ephemeral
