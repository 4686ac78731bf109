"""/admin workers: what draws, for those who run the bot."""

from dataclasses import replace

import discord
from discord import Interaction
from discord.ext import commands

from bot.discord_ui import private
from bot.discord_ui.inputs import member_of
from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import workers as words
from bot.discord_ui.worker_buttons import Deed, consent_row, worker_rows
from bot.errors import TooBusy
from bot.records import Member
from bot.services.workers import Workers


class WorkerCommands(commands.Cog):
    """Shows the workers privately, and does what the buttons below them say. Discord says each time who may."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def show(self, interaction: Interaction) -> None:
        """Show all of them."""
        await interaction.response.defer(ephemeral=True)
        await self._show(interaction, await _operator(interaction))

    @commands.Cog.listener()
    async def on_worker_button(self, interaction: Interaction, deed: Deed, name: str) -> None:
        """A button. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            await interaction.response.defer()
            operator = await _operator(interaction)
            if deed == "drain" and (worker := self._workers.needs_consent(operator, name)) is not None:
                view = consent_row(worker)
                await interaction.edit_original_response(content=words.consent(worker), embed=None, view=view)
                return
            if deed in ("drain", "sure"):
                self._workers.drain(operator, name)
            elif deed == "back":
                self._workers.take_back(operator, name)
            await self._show(interaction, operator)
        except Exception as error:
            await private.answer(interaction, error, doing=f"{deed} worker {name} by {interaction.user.id}")

    async def _show(self, interaction: Interaction, operator: Member) -> None:
        found = self._workers.all(operator)
        view = worker_rows(found)
        await interaction.edit_original_response(content=None, embed=words.workers(found), view=view)


async def _operator(interaction: Interaction) -> Member:
    """The member, and whether the bot is theirs or their team's. Raises TooBusy where Discord does not say."""
    try:
        application = await interaction.client.application_info()
    except UNSENT as error:
        raise TooBusy from error
    if application.team is None:
        operators = {application.owner.id}
    else:
        read_only = discord.TeamMemberRole.read_only
        operators = {
            member.id
            for member in application.team.members
            if member.role is not read_only and member.membership_state is discord.TeamMembershipState.accepted
        }
    return replace(member_of(interaction), is_operator=interaction.user.id in operators)
