"""/imagine: draw a picture from a description."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from discord import Interaction, app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.discord_ui import inputs, permissions, private
from bot.discord_ui.commands.permutations import Permutations
from bot.discord_ui.commands.remakes import accepts
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.inputs import member_of, requester_of
from bot.discord_ui.uploads import NOT_FETCHED, check, fetched
from bot.records import Place
from bot.services.access_settings import ServerAccess
from bot.services.images import ImageService
from bot.services.remakes import Remakes
from generation.catalog import DrawingOptions
from generation.errors import InvalidRequest
from generation.inline_parameters import applied
from generation.loras import parse_loras
from generation.permutations import permuted
from generation.request import SchedulerName, clean_text


class Imagine(commands.Cog):
    """The main command."""

    def __init__(
        self,
        images: ImageService,
        remakes: Remakes,
        deliveries: Deliveries,
        access: ServerAccess,
        permutations: Permutations,
    ) -> None:
        self._images = images
        self._permutations = permutations
        self._access = access
        self._remakes = remakes
        self._deliveries = deliveries

    @app_commands.command()
    @inputs.takes(inputs.DRAWING)
    async def imagine(self, interaction: Interaction, **chosen: Any) -> None:
        """Draw a picture from a description"""
        image, mask, loras = chosen.pop("image"), chosen.pop("mask"), parse_loras(chosen.pop("lora") or "")
        # A picture only decides the shape, so that a name in its place will do.
        options = DrawingOptions(**chosen, loras=loras, source=image and NOT_FETCHED, mask=mask and NOT_FETCHED)
        prompts = permuted(clean_text(options.prompt))
        if len(prompts) > 1:
            each = [applied(replace(options, prompt=prompt), self._images.catalog) for prompt in prompts]
            await self._permutations.imagine(interaction, options.prompt, each)
            return
        options = applied(options, self._images.catalog)
        self._images.catalog.request(options)  # before anything is fetched, so that a refusal is private at once
        permissions.check_interaction(interaction)
        if image is None:
            await self._deliveries.answer(interaction, partial(self._asked, interaction, options))
            return
        check(image)
        if mask is not None:
            check(mask, "mask")
        with self._images.inputs.room():
            await private.think(interaction)
            options = await self._access.filled(options, await requester_of(interaction))
            cover = None if mask is None else await fetched(mask, "mask")
            options = replace(options, source=None, mask=None)
            wish = await self._remakes.begun_with(options, await fetched(image), cover)
        await self._deliveries.answer(interaction, await accepts(self._images, wish, interaction))

    async def _asked(self, interaction: Interaction, options: DrawingOptions, at: Place) -> Ticket:
        member = await requester_of(interaction)
        request = self._images.catalog.request(await self._access.filled(options, member))
        return await self._images.imagine(request, member, at=at)

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
            found = offer.completions(typed, most=inputs.MAX_CHOICE)
            return inputs.suggestions("", islice(found, inputs.MOST_CHOICES))
        return []

    @imagine.autocomplete("model")
    async def _models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        member = member_of(interaction)
        if (found := await inputs.looked_up("/imagine", self._access.of(member.server))) is None:
            return []
        theirs = [spec.name for spec in self._images.catalog if found.may_use(member, spec.name)]
        return inputs.suggestions(typed, [(name, name) for name in theirs])
