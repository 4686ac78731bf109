"""/admin safety: what becomes of unsafe pictures. For Manage Server; the service checks it again."""

from typing import Literal, TypeAlias

import discord
from discord import Interaction, app_commands
from discord.app_commands import Range

from bot.discord_ui import permissions
from bot.discord_ui.inputs import member_of
from bot.discord_ui.words import safety as words
from bot.services.safety_settings import ServerSafety

#: Where somebody may draw, or what stands above it.
Channel: TypeAlias = (
    discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel | discord.Thread
)
Score: TypeAlias = Range[float, 0.0, 1.0]
Days: TypeAlias = Range[int, 1, 365]


class SafetyCommands(app_commands.Group):
    """The group below /admin."""

    def __init__(self, safety: ServerSafety) -> None:
        super().__init__(name="safety", description="What becomes of unsafe pictures")
        self._safety = safety

    @app_commands.command(name="show")
    async def show(self, interaction: Interaction) -> None:
        """Show what is set about unsafe pictures"""
        await interaction.response.defer(ephemeral=True)
        found = await self._safety.show(member_of(interaction))
        can_review = found.review_channel is not None and not permissions.missing_in(
            interaction.client, int(found.review_channel)
        )
        await interaction.edit_original_response(embed=words.settings(found, can_review=can_review))

    @app_commands.command(name="set")
    @app_commands.describe(
        policy="off, spoiler, withhold or review; default takes it back",
        channel="Only for this channel and its threads",
        spoiler_from="Score from which a picture is unsafe",
        hold_from="Score from which it is held back under spoiler",
        strikes="Pictures kept back until a member is blocked; 0: never",
        strike_days="How many days one counts",
        block_days="For how many days they are blocked",
    )
    async def set(
        self,
        interaction: Interaction,
        *,
        policy: Literal["off", "spoiler", "withhold", "review", "default"] | None = None,
        channel: Channel | None = None,
        spoiler_from: Score | None = None,
        hold_from: Score | None = None,
        strikes: Range[int, 0, 100] | None = None,
        strike_days: Days | None = None,
        block_days: Days | None = None,
    ) -> None:
        """Set what becomes of unsafe pictures; what you leave out stays as it is"""
        await interaction.response.defer(ephemeral=True)
        numbers = {
            "spoiler_from": spoiler_from,
            "hold_from": hold_from,
            "strikes": strikes,
            "strike_days": strike_days,
            "block_days": block_days,
        }
        found = await self._safety.set(
            member_of(interaction),
            {name: value for name, value in numbers.items() if value is not None},
            policy=policy,
            channel=None if channel is None else str(channel.id),
        )
        can_review = found.review_channel is not None and not permissions.missing_in(
            interaction.client, int(found.review_channel)
        )
        await interaction.edit_original_response(embed=words.settings(found, can_review=can_review))

    @app_commands.command(name="review")
    @app_commands.describe(channel="The moderators' channel; in none if you leave it out")
    async def review(self, interaction: Interaction, channel: discord.TextChannel | None = None) -> None:
        """Name the channel where moderators decide about held pictures"""
        await interaction.response.defer(ephemeral=True)
        if channel is not None and (names := permissions.missing_in(interaction.client, channel.id)):
            await interaction.edit_original_response(content=words.review_refused(channel.id, names))
            return
        number = None if channel is None else channel.id
        found = await self._safety.set_review_channel(member_of(interaction), None if number is None else str(number))
        is_open = channel is not None and channel.permissions_for(channel.guild.default_role).view_channel
        await interaction.edit_original_response(content=words.review_set(number, is_open=is_open, settings=found))
