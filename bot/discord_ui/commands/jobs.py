"""/queue, /cancel, /usage: what is going on, and what is mine. Answered privately."""

import logging
from typing import TYPE_CHECKING
from uuid import UUID

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui import embeds, options, wording
from bot.discord_ui.members import member_of
from bot.services.errors import NothingToCancel, UnknownJob
from bot.services.images import ImageService, JobRecord

if TYPE_CHECKING:
    from bot.discord_ui.client import ImageBot

log = logging.getLogger(__name__)


class Jobs(commands.Cog):
    """Commands about jobs that exist."""

    def __init__(self, images: ImageService) -> None:
        self._images = images

    @app_commands.command()
    async def queue(self, interaction: Interaction["ImageBot"]) -> None:
        """Show who is drawn for and who waits"""
        await interaction.response.defer(ephemeral=True)
        view = await self._images.queue(member_of(interaction))
        await interaction.edit_original_response(embed=embeds.queue(view))

    @app_commands.command()
    async def usage(self, interaction: Interaction["ImageBot"]) -> None:
        """Show what you used today and what is left"""
        await interaction.response.defer(ephemeral=True)
        used = await self._images.usage(member_of(interaction))
        await interaction.edit_original_response(embed=embeds.usage(used))

    @app_commands.command()
    @app_commands.describe(job="Which one; the latest of yours if you do not say")
    async def cancel(self, interaction: Interaction["ImageBot"], job: str | None = None) -> None:
        """Cancel a job of yours that waits or runs"""
        await interaction.response.defer(ephemeral=True)
        member = member_of(interaction)
        job_id = _job_id(job) if job is not None else await self._latest_of(interaction)
        await self._images.cancel(job_id, member)
        await interaction.edit_original_response(content="Cancelled. It does not count.")

    @cancel.autocomplete("job")
    async def _live_jobs(self, interaction: Interaction["ImageBot"], typed: str) -> list[app_commands.Choice[str]]:
        try:
            jobs = await self._images.live_jobs(member_of(interaction))
        except Exception:
            log.exception("no suggestions for /cancel")
            return []
        return options.suggestions(typed, ((_choice(job), str(job.id)) for job in jobs))

    async def _latest_of(self, interaction: Interaction["ImageBot"]) -> UUID:
        member = member_of(interaction)
        own = [job for job in await self._images.live_jobs(member) if job.requester == member.id]
        if not own:
            raise NothingToCancel()
        return max(own, key=lambda job: job.accepted_at).id


def _choice(job: JobRecord) -> str:
    prompt = " ".join(job.request.prompt.split())
    return f"{job.requester_name}: {wording.counted(job.request.count, 'picture')}, {prompt}"


def _job_id(typed: str) -> UUID:
    try:
        return UUID(typed.strip())
    except ValueError:
        raise UnknownJob() from None
