"""/imagine: draw a picture from a description."""

from typing import Any

from discord import Interaction, app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.discord_ui import inputs, permissions
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.inputs import requester_of
from bot.records import Place
from bot.services.images import ImageService
from generation.catalog import DrawingOptions
from generation.request import SchedulerName


class Imagine(commands.Cog):
    """The main command."""

    def __init__(self, images: ImageService, deliveries: Deliveries) -> None:
        self._images = images
        self._deliveries = deliveries

    @app_commands.command()
    @inputs.takes(inputs.DRAWING)
    async def imagine(self, interaction: Interaction, **chosen: Any) -> None:
        """Draw a picture from a description"""
        request = self._images.catalog.request(DrawingOptions(**chosen))
        permissions.check_interaction(interaction)

        async def accept(at: Place) -> Ticket:
            return await self._images.imagine(request, await requester_of(interaction), at=at)

        await self._deliveries.answer(interaction, accept)

    @imagine.autocomplete("aspect")
    async def _aspects(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((aspect, aspect) for aspect in inputs.ASPECTS))

    @imagine.autocomplete("scheduler")
    async def _schedulers(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((name, name) for name in SchedulerName))

    @imagine.autocomplete("model")
    async def _models(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((spec.name, spec.name) for spec in self._images.catalog))
