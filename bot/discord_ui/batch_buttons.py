"""The buttons around pictures that one prompt asks for together: to say yes before, and to stop them all.

They carry an id and what they do. Who may press them is checked each time.
"""

from re import Match
from typing import Any, Literal, Self
from uuid import UUID

import discord
from discord import ui

BatchDeed = Literal["draw", "cancel"]
BATCH = r"batch:(?P<deed>draw|cancel):(?P<batch>[0-9a-f]{32})"
_LOOKS: dict[str, tuple[BatchDeed, discord.ButtonStyle, str]] = {
    "draw": ("draw", discord.ButtonStyle.primary, "🎨"),
    "cancel": ("cancel", discord.ButtonStyle.secondary, "✖️"),
}


class BatchButton(ui.DynamicItem[ui.Button[Any]], template=BATCH):
    """One of them."""

    def __init__(self, deed: str, batch: UUID, label: str = "-") -> None:
        self.deed, style, emoji = _LOOKS[deed]
        super().__init__(ui.Button(label=label, emoji=emoji, style=style, custom_id=f"batch:{deed}:{batch.hex}"))
        self.batch = batch

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only known ones through."""
        return cls(match["deed"], UUID(hex=match["batch"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_batch_button`."""
        interaction.client.dispatch("batch_button", interaction, self.deed, self.batch)


def batch_row(deed: BatchDeed, batch: UUID, label: str) -> ui.View:
    """One of the buttons."""
    return ui.View(timeout=None).add_item(BatchButton(deed, batch, label))
