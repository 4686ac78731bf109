"""/models and /help: what can draw, and how to ask for it."""

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui.words import embeds
from bot.services.images import ImageService


class Models(commands.Cog):
    """Commands about what the bot can do."""

    def __init__(self, images: ImageService) -> None:
        self._images = images

    @app_commands.command()
    async def models(self, interaction: Interaction) -> None:
        """Show the models and schedulers on offer"""
        await interaction.response.send_message(embed=embeds.models(self._images.catalog), ephemeral=True)

    @app_commands.command()
    async def help(self, interaction: Interaction) -> None:
        """Show how to ask for pictures, and what can be done with them"""
        await interaction.response.send_message(embed=embeds.help_page(self._images.catalog), ephemeral=True)
