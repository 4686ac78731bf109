"""The buttons of private answers about earlier jobs. They carry all they need: they outlive a restart."""

from datetime import UTC, datetime, timedelta
from re import Match
from typing import Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.services.history import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LABELS = {"newer": "Newer", "older": "Older"}
_PAGE = r"history:(?P<towards>newer|older):(?P<at>[0-9]{1,17}):(?P<job_id>[0-9a-f]{32})"

TEMPLATES = (_PAGE,)  #: of the ids of all buttons here


class PageButton(ui.DynamicItem[ui.Button[Any]], template=_PAGE):
    """Leads to another page of a member's own history: of whoever presses it."""

    def __init__(self, position: Position) -> None:
        at = (position.at - _EPOCH) // _MICROSECOND
        custom_id = f"history:{position.towards}:{at}:{position.job_id.hex}"
        super().__init__(ui.Button(label=_LABELS[position.towards], custom_id=custom_id))
        self.position = position

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Seventeen digits of microseconds end in the year 5138, so this cannot fail."""
        at = _EPOCH + int(match["at"]) * _MICROSECOND
        towards = "newer" if match["towards"] == "newer" else "older"
        return cls(Position(towards=towards, at=at, job_id=UUID(hex=match["job_id"])))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_history_page`."""
        interaction.client.dispatch("history_page", interaction, self.position)
