"""The buttons that turn the pages of favourites, of history and of held pictures.

They carry where a page begins or ends, so they outlive a restart.
"""

from datetime import UTC, datetime, timedelta
from re import Match
from typing import Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.services.stars import FavouritesPage, Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: 16 digits of microseconds end in the year 2286: a made-up one is a moment too.
PAGES = r"(?P<shown>favourites|history|held):(?P<way>newer|older):(?P<at>[0-9]{1,16}):(?P<job>[0-9a-f]{32})"


class PageButton(ui.DynamicItem[ui.Button[Any]], template=PAGES):
    """One step from a page of what is shown to the next."""

    def __init__(self, shown: str, position: Position) -> None:
        way, label = ("older", "Older ▶") if position.goes_older else ("newer", "◀ Newer")
        custom_id = f"{shown}:{way}:{(position.at - _EPOCH) // _MICROSECOND}:{position.job.hex}"
        super().__init__(ui.Button(label=label, custom_id=custom_id))
        self.shown = shown
        self.position = position

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only sound ones through."""
        at = _EPOCH + int(match["at"]) * _MICROSECOND
        position = Position(at=at, job=UUID(hex=match["job"]), goes_older=match["way"] == "older")
        return cls(match["shown"], position)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_favourites_page`, `on_history_page` or `on_held_page`."""
        interaction.client.dispatch(f"{self.shown}_page", interaction, self.position)


def page_row(page: FavouritesPage) -> ui.View | None:
    """The buttons below a page; None where it is the only one."""
    positions = [position for position in (page.newer, page.older) if position is not None]
    if not positions:
        return None
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    for position in positions:
        view.add_item(PageButton("favourites", position))
    return view
