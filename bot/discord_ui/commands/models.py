"""/models and /help: what can draw, and how to ask for it."""

from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui.inputs import requester_of
from bot.discord_ui.words import access as words
from bot.discord_ui.words import embeds
from bot.services.access_settings import ServerAccess
from bot.services.images import ImageService
from generation.catalog import DrawingOptions


class Models(commands.Cog):
    """Commands about what the bot can do."""

    def __init__(self, images: ImageService, access: ServerAccess) -> None:
        self._images = images
        self._access = access

    @app_commands.command()
    async def models(self, interaction: Interaction) -> None:
        """Show the models and schedulers on offer"""
        await interaction.response.defer(ephemeral=True)
        member, catalog = await requester_of(interaction), self._images.catalog
        access = await self._access.of(member.server)
        unnamed = await self._access.filled(DrawingOptions(prompt="a picture"), member)

        def note(model: str) -> str | None:
            return words.model_note(access.roles_for(model), is_theirs=access.may_use(member, model))

        shown = embeds.models(catalog, note, used=catalog.get(unnamed.model).name)
        await interaction.edit_original_response(embed=shown)

    @app_commands.command()
    async def help(self, interaction: Interaction) -> None:
        """Show how to ask for pictures, and what can be done with them"""
        await interaction.response.send_message(embed=embeds.help_page(self._images.catalog), ephemeral=True)
