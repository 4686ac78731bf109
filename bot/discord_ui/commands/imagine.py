"""/imagine: draw a picture from a description."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from discord import Interaction, app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.discord_ui import inputs, permissions, private
from bot.discord_ui.commands.remakes import accepts
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.uploads import check, fetched
from bot.services.images import ImageService
from bot.services.remakes import Remakes, Wish
from generation.catalog import DrawingOptions
from generation.errors import InvalidRequest
from generation.inline_parameters import applied
from generation.loras import parse_loras
from generation.request import SchedulerName

NOT_FETCHED = "0" * 64  #: stands for the sha256 of a picture


class Imagine(commands.Cog):
    """The main command."""

    def __init__(self, images: ImageService, remakes: Remakes, deliveries: Deliveries) -> None:
        self._images = images
        self._remakes = remakes
        self._deliveries = deliveries

    @app_commands.command()
    @inputs.takes(inputs.DRAWING)
    async def imagine(self, interaction: Interaction, **chosen: Any) -> None:
        """Draw a picture from a description"""
        image, mask, loras = chosen.pop("image"), chosen.pop("mask"), parse_loras(chosen.pop("lora") or "")
        options = applied(DrawingOptions(loras=loras, **chosen), self._images.catalog)
        # Before anything is fetched, so that a refusal is private at once; a picture only decides the shape.
        named = replace(options, source=image and NOT_FETCHED, mask=mask and NOT_FETCHED)
        wish = Wish(request=self._images.catalog.request(named))
        permissions.check_interaction(interaction)
        if image is not None:
            check(image)
            if mask is not None:
                check(mask, "mask")
            with self._images.inputs.room():
                await private.think(interaction)
                cover = None if mask is None else await fetched(mask, "mask")
                wish = await self._remakes.begun_with(options, await fetched(image), cover)
        await self._deliveries.answer(interaction, accepts(self._images, wish, interaction))

    @imagine.autocomplete("aspect")
    async def _aspects(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((aspect, aspect) for aspect in inputs.ASPECTS))

    @imagine.autocomplete("scheduler")
    async def _schedulers(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((name, name) for name in SchedulerName))

    @imagine.autocomplete("lora")
    async def _loras(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        with suppress(InvalidRequest):  # they are still typing the model's name
            offer = self._images.catalog.get(interaction.namespace.model).loras
            return inputs.suggestions("", offer.completions(typed, most=inputs.MAX_CHOICE))
        return []

    @imagine.autocomplete("model")
    async def _models(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, ((spec.name, spec.name) for spec in self._images.catalog))
