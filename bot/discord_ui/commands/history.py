"""/history, /show, /compare: what was asked for before, and what it was made from. Answered privately."""

import asyncio
import logging

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui import inputs, private
from bot.discord_ui.inputs import member_of
from bot.discord_ui.words import history as words
from bot.discord_ui.words import lineage
from bot.discord_ui.words.history import HistoryAnswer
from bot.services.history import History
from bot.services.pictures import Pictures
from bot.services.policies import Where
from bot.services.stars import Position

log = logging.getLogger(__name__)


class LookingBack(commands.Cog):
    """Commands about earlier jobs. The service says which ones somebody may see, each time."""

    def __init__(self, history: History, pictures: Pictures) -> None:
        self._history = history
        self._pictures = pictures

    @app_commands.command()
    async def history(self, interaction: Interaction) -> None:
        """Show what you asked for before, the newest first"""
        await interaction.response.defer(ephemeral=True)
        await self._turn_to(interaction, None)

    @commands.Cog.listener()
    async def on_history_page(self, interaction: Interaction, position: Position) -> None:
        """Another page was asked for. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            message = interaction.message
            if message is not None and message.flags.ephemeral:
                await interaction.response.defer()
            else:  # made up: nobody's history is shown to everybody
                await interaction.response.defer(ephemeral=True, thinking=True)
            await self._turn_to(interaction, position)
        except Exception as error:
            await private.answer(interaction, error, doing=f"a page of the history of {interaction.user.id}")

    @app_commands.command()
    @app_commands.describe(job="Which one: one of yours, or the id of one of this server")
    async def show(self, interaction: Interaction, job: str) -> None:
        """Show all that is known of a job, and what it was made from"""
        await interaction.response.defer(ephemeral=True)
        found = await self._history.lineage(inputs.job_id(job), member_of(interaction))
        await interaction.edit_original_response(**lineage.shown(found).to_edit())

    @show.autocomplete("job")
    async def _own_jobs(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await inputs.choices("/show", typed, self._history.newest(member_of(interaction)), words.choice)

    @app_commands.command()
    @app_commands.describe(first="One job: yours, or the id of one of this server", second="The other one")
    async def compare(self, interaction: Interaction, first: str, second: str) -> None:
        """Show what differs between two jobs"""
        await interaction.response.defer(ephemeral=True)
        ids = inputs.job_id(first), inputs.job_id(second)
        found = await self._history.compared(*ids, member_of(interaction))
        await interaction.edit_original_response(**lineage.compared(found).to_edit())

    @compare.autocomplete("first")
    @compare.autocomplete("second")
    async def _own_jobs_to_compare(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await inputs.choices("/compare", typed, self._history.newest(member_of(interaction)), words.choice)

    async def _turn_to(self, interaction: Interaction, position: Position | None) -> None:
        member = member_of(interaction)
        page, where = await self._history.page(member, position), Where.of(member)
        found = {job.id: await self._pictures.first(job, where) for job in page.jobs}
        pictures = {job_id: picture for job_id, picture in found.items() if picture is not None}
        answer = await asyncio.to_thread(HistoryAnswer.of, page, pictures)
        await interaction.edit_original_response(**answer.to_edit())
