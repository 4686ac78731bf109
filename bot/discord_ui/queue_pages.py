"""The queue of held pictures, a private page for each, with what turns the pages and what decides."""

import asyncio
import logging

from discord import Interaction

from bot.discord_ui.inputs import member_of
from bot.discord_ui.pages import PageButton
from bot.discord_ui.review_buttons import review_row
from bot.discord_ui.words import reviews as words
from bot.errors import PictureGone, StorageFault
from bot.services.answers import Picture
from bot.services.pictures import Pictures
from bot.services.reviews import HeldPicture, Reviews
from bot.services.stars import Position

log = logging.getLogger(__name__)


class QueuePages:
    """Shows one held picture at a time to those who manage the server."""

    def __init__(self, reviews: Reviews, pictures: Pictures) -> None:
        self._reviews = reviews
        self._pictures = pictures

    async def turn_to(self, interaction: Interaction, position: Position | None) -> None:
        """Have the private answer show this page. Raises NotAllowed, StorageFault."""
        page = await self._reviews.queue(member_of(interaction), position)
        picture = await self._picture(page.shown) if page.shown is not None else None
        content = await asyncio.to_thread(words.queue, page, picture)
        view = review_row(page.shown.image.id if page.shown is not None else None)
        for turn in (page.newer, page.older):
            if turn is not None:
                view.add_item(PageButton("held", turn))
        await interaction.edit_original_response(**content, view=view)

    async def _picture(self, held: HeldPicture) -> Picture | None:
        try:
            return await self._pictures.to_review(held.job, held.image.id)
        except (PictureGone, StorageFault) as error:
            log.info("the held picture %s cannot be shown: %s", held.image.id, error)
            return None
