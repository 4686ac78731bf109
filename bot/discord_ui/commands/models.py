"""/models: what can draw."""

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui.words import embeds
from bot.services.images import ImageService


class Models(commands.Cog):
    """Commands about the models on offer."""

    def __init__(self, images: ImageService) -> None:
        self._images = images

    @app_commands.command()
    async def models(self, interaction: Interaction) -> None:
        """Show the models and schedulers on offer"""
        await interaction.response.send_message(embed=embeds.models(self._images.catalog), ephemeral=True)
