"""/imagine: draw a picture from a description."""

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui import options, permissions
from bot.discord_ui.deliveries import Deliveries
from bot.discord_ui.members import member_of
from bot.services.images import ImageService


class Imagine(commands.Cog):
    """The main command."""

    def __init__(self, images: ImageService, deliveries: Deliveries) -> None:
        self._images = images
        self._deliveries = deliveries

    @app_commands.command()
    @app_commands.describe(**options.DESCRIPTIONS)
    @app_commands.autocomplete(aspect=options.suggest_aspects, scheduler=options.suggest_schedulers)
    async def imagine(
        self,
        interaction: Interaction,
        prompt: options.Prompt,
        negative_prompt: options.Prompt | None = None,
        aspect: str | None = None,
        steps: options.Steps | None = None,
        guidance: options.Guidance | None = None,
        seed: options.Seed | None = None,
        count: options.Count | None = None,
        scheduler: str | None = None,
        model: str | None = None,
    ) -> None:
        """Draw a picture from a description"""
        request = options.to_request(
            self._images.catalog,
            prompt=prompt,
            negative_prompt=negative_prompt,
            aspect=aspect,
            steps=steps,
            guidance=guidance,
            seed=seed,
            count=count,
            scheduler=scheduler,
            model=model,
        )
        permissions.check_interaction(interaction)
        place = self._deliveries.answer_to(interaction)
        accepted = self._images.imagine(request, member_of(interaction), at=place.whereabouts)
        await self._deliveries.order(place, accepted)

    @imagine.autocomplete("model")
    async def _models(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return options.suggest_models(self._images.catalog, typed)
