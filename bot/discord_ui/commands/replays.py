"""Replay: a job is drawn once more with its own seeds, and its message says whether the same came out."""

from functools import partial

from discord import Interaction
from discord.ext import commands

from bot.discord_ui import permissions, private
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.inputs import requester_of
from bot.records import Place
from bot.services.replays import Replays
from generation.job import JobId


class ReplayActions(commands.Cog):
    """The button below a job's parameters."""

    def __init__(self, replays: Replays, deliveries: Deliveries, rights: CommandRights) -> None:
        """`rights`: who may use /imagine; a replay needs the same."""
        self._replays = replays
        self._deliveries = deliveries
        self._rights = rights

    @commands.Cog.listener()
    async def on_replay(self, interaction: Interaction, job_id: JobId) -> None:
        """A press. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            permissions.check_interaction(interaction)
            await self._deliveries.answer(interaction, partial(self._draw, interaction, job_id))
        except Exception as error:
            await private.answer(interaction, error, doing=f"replay of job {job_id}")

    async def _draw(self, interaction: Interaction, job_id: JobId, at: Place) -> Ticket:
        member = await requester_of(interaction)
        await self._rights.check(interaction.guild_id, interaction.channel, member, interaction.permissions)
        return await self._replays.draw(job_id, member, at=at)
