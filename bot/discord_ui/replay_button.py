"""The button that draws a job once more with its own seeds. It carries the job's id, so it outlives a restart."""

from re import Match
from typing import Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.records import JobRecord
from generation.job import JobId

REPLAY = r"replay:(?P<replayed>[0-9a-f]{32})"


class ReplayButton(ui.DynamicItem[ui.Button[Any]], template=REPLAY):
    """In the private answer with a job's parameters."""

    def __init__(self, job_id: JobId) -> None:
        super().__init__(ui.Button(label="Replay", emoji="⏯️", custom_id=f"replay:{job_id.hex}"))
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only ids through."""
        return cls(UUID(hex=match["replayed"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_replay`."""
        interaction.client.dispatch("replay", interaction, self.job_id)


def replay_row(job: JobRecord) -> ui.View | None:
    """The button, for a job that was drawn; None for another."""
    return ui.View(timeout=None).add_item(ReplayButton(job.id)) if job.images else None
