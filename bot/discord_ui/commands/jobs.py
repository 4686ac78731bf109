"""/queue, /cancel, /usage, /result: what is going on, and what is mine. Answered privately."""

import asyncio
import logging
from functools import partial
from uuid import UUID

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui import inputs
from bot.discord_ui.delivery.ways import in_fitting_form
from bot.discord_ui.inputs import member_of, requester_of
from bot.discord_ui.words import embeds, text
from bot.discord_ui.words.content import Content
from bot.errors import NothingToCancel, StorageFault, is_storage_fault
from bot.records import JobRecord
from bot.retrying import PATIENT, retried
from bot.services.images import ImageService
from bot.services.policies import Where
from bot.services.results import Results

log = logging.getLogger(__name__)


class Jobs(commands.Cog):
    """Commands about jobs that exist."""

    def __init__(self, images: ImageService, results: Results) -> None:
        self._images = images
        self._results = results

    @app_commands.command()
    async def queue(self, interaction: Interaction) -> None:
        """Show who is drawn for and who waits"""
        await interaction.response.defer(ephemeral=True)
        view = await self._images.queue(member_of(interaction))
        await interaction.edit_original_response(embed=embeds.queue(view))

    @app_commands.command()
    async def usage(self, interaction: Interaction) -> None:
        """Show what you used today and what is left"""
        await interaction.response.defer(ephemeral=True)
        used = await self._images.usage(await requester_of(interaction))
        await interaction.edit_original_response(embed=embeds.usage(used))

    @app_commands.command()
    @app_commands.describe(job="Which one; the latest of yours if you do not say")
    async def cancel(self, interaction: Interaction, job: str | None = None) -> None:
        """Cancel a job of yours that waits or runs"""
        await interaction.response.defer(ephemeral=True)
        member = member_of(interaction)
        job_id = inputs.job_id(job) if job is not None else await self._latest_of(interaction)
        cancelled = await self._images.cancel(job_id, member)
        await interaction.edit_original_response(content=text.cancelled(cancelled))

    @cancel.autocomplete("job")
    async def _live_jobs(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await inputs.choices("/cancel", typed, self._images.live_jobs(member_of(interaction)), inputs.described)

    @app_commands.command()
    @app_commands.describe(job="Which one; first those that could not be delivered, then the latest")
    async def result(self, interaction: Interaction, job: str | None = None) -> None:
        """Show pictures of yours again, also those that could not be delivered"""
        await interaction.response.defer(ephemeral=True)
        record = await self._results.one(inputs.job_id(job) if job is not None else None, member_of(interaction))
        shown = await self._images.pictures.shown(record, Where.of(member_of(interaction)))
        several = self._images.catalog.has_several
        content = await asyncio.to_thread(partial(Content.result, shown, text.YOU, names_model=several))
        await in_fitting_form(
            content.without_buttons(), lambda fitting: interaction.edit_original_response(**fitting.to_edit())
        )
        try:
            doing = f"that job {record.id} was fetched"
            await retried(lambda: self._results.fetched(shown), PATIENT, passing=is_storage_fault, doing=doing)
        except StorageFault:  # they have the pictures, and can only get them once more
            log.exception("it could not be written down that job %s was fetched", record.id)

    @result.autocomplete("job")
    async def _own_results(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await inputs.choices("/result", typed, self._results.of(member_of(interaction)), _result_choice)

    async def _latest_of(self, interaction: Interaction) -> UUID:
        member = member_of(interaction)
        own = [job for job in await self._images.live_jobs(member) if job.requester == member.id]
        if not own:
            raise NothingToCancel
        return max(own, key=lambda job: job.accepted_at).id


def _result_choice(job: JobRecord) -> str:
    prompt = " ".join(job.request.prompt.split())
    if job.is_held:
        return f"held back, seed {job.request.seed}: {prompt}"
    when = "not delivered yet" if job.is_kept else job.accepted_at.strftime("%d %b %H:%M:%S UTC")
    return f"{when}, seed {job.request.seed}: {prompt}"
