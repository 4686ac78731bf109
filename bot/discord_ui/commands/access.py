"""/admin access: who may draw, where, with which model, and what a channel takes where it is left open."""

import logging
from collections.abc import Iterable
from typing import TypeAlias

import discord
from discord import Interaction, app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands

from bot.discord_ui import inputs
from bot.discord_ui.inputs import member_of
from bot.discord_ui.words import access as words
from bot.errors import StorageFault
from bot.records import Member
from bot.services.access import AccessSettings
from bot.services.access_settings import MOST_DAYS, ListChange, ServerAccess
from bot.services.channel_defaults import DEFAULTS
from generation.catalog import ModelCatalog
from generation.errors import InvalidRequest
from generation.request import SchedulerName

log = logging.getLogger(__name__)

#: Where members write.
Channel: TypeAlias = (
    discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel | discord.Thread
)
_CHANNEL_DEFAULTS = {name: inputs.DRAWING[name] for name in DEFAULTS}


class AccessCommands(app_commands.Group):
    """A group of /admin's. Each answer says what holds now; the service checks who may ask."""

    def __init__(self, access: ServerAccess, catalog: ModelCatalog) -> None:
        super().__init__(name="access", description="Who may draw here, where and with which model")
        self._access = access
        self._catalog = catalog

    @app_commands.command()
    async def show(self, interaction: Interaction) -> None:
        """Show who may draw here, where, with which model, and what channels take by default"""
        await interaction.response.defer(ephemeral=True)
        await _answer(interaction, await self._access.show(member_of(interaction)))

    @app_commands.command()
    @app_commands.describe(
        add="Let members draw here, and in no channel that is not listed",
        remove="One that is listed; without the last one they may draw everywhere",
        everybody="Forget the list: they may draw in every channel",
    )
    async def channels(
        self,
        interaction: Interaction,
        add: Channel | None = None,
        remove: str | None = None,
        everybody: bool = False,
    ) -> None:
        """Let members draw in some channels only"""
        await interaction.response.defer(ephemeral=True)
        change = _change(add, remove, lift=everybody)
        await _answer(interaction, await self._access.change_channels(member_of(interaction), change))

    @channels.autocomplete("remove")
    async def _listed_channels(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await self._looked_up(interaction)
        return _channel_choices(interaction, typed, found.channels or ())

    @app_commands.command()
    @app_commands.describe(
        add="Let members with this role draw, and nobody who has no listed one",
        remove="One that is listed; without the last one everybody may draw",
        everybody="Forget the list: everybody may draw",
    )
    async def roles(
        self,
        interaction: Interaction,
        add: discord.Role | None = None,
        remove: str | None = None,
        everybody: bool = False,
    ) -> None:
        """Let only members with certain roles draw"""
        await interaction.response.defer(ephemeral=True)
        change = _change(add, remove, lift=everybody)
        await _answer(interaction, await self._access.change_roles(member_of(interaction), change))

    @roles.autocomplete("remove")
    async def _listed_roles(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await self._looked_up(interaction)
        return _role_choices(interaction, typed, found.roles or ())

    @app_commands.command()
    @app_commands.describe(days="How many days; 0 for none")
    async def minimum(self, interaction: Interaction, days: Range[int, 0, MOST_DAYS]) -> None:
        """Let only those draw who have been on the server for some days"""
        await interaction.response.defer(ephemeral=True)
        await _answer(interaction, await self._access.set_minimum(member_of(interaction), days))

    @app_commands.command()
    @app_commands.describe(
        model="Which model",
        add="Let members with this role use it, and nobody who has no listed one",
        remove="One that is listed; without the last one everybody may use it",
        everybody="Forget the list: everybody may use it",
    )
    async def model(
        self,
        interaction: Interaction,
        model: str,
        add: discord.Role | None = None,
        remove: str | None = None,
        everybody: bool = False,
    ) -> None:
        """Let only members with certain roles use a model"""
        await interaction.response.defer(ephemeral=True)
        change = _change(add, remove, lift=everybody)
        await _answer(interaction, await self._access.change_model(member_of(interaction), model, change))

    @model.autocomplete("model")
    async def _models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        listed = (await self._looked_up(interaction)).models
        names = dict.fromkeys([*(spec.name for spec in self._catalog), *listed])
        return inputs.suggestions(typed, [(name, name) for name in names])

    @model.autocomplete("remove")
    async def _roles_of_model(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        found = await self._looked_up(interaction)
        return _role_choices(interaction, typed, found.roles_for(str(interaction.namespace.model)) or ())

    @app_commands.command()
    @inputs.takes(_CHANNEL_DEFAULTS)
    @app_commands.describe(channel="Where; this one by default", clear="Forget what is set for this channel")
    async def defaults(
        self,
        interaction: Interaction,
        *,
        channel: Channel | None = None,
        clear: str | None = None,
        **values: str | int | float | None,
    ) -> None:
        """Set what /imagine takes in a channel where members leave it open"""
        await interaction.response.defer(ephemeral=True)
        admin = member_of(interaction)
        given = {name: value for name, value in values.items() if value is not None}
        if clear is None:
            where = admin.channel if channel is None else str(channel.id)
            found = await self._access.set_defaults(admin, where, given)
        elif given or channel is not None:
            raise InvalidRequest("clear", "conflict", choices=("channel", *DEFAULTS))
        else:
            found = await self._access.clear_defaults(admin, clear)
        await _answer(interaction, found)

    @defaults.autocomplete("clear")
    async def _channels_with_defaults(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return _channel_choices(interaction, typed, (await self._looked_up(interaction)).defaults)

    @defaults.autocomplete("model")
    async def _default_models(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, [(spec.name, spec.name) for spec in self._catalog])

    @defaults.autocomplete("aspect")
    async def _aspects(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, [(aspect, aspect) for aspect in inputs.ASPECTS])

    @defaults.autocomplete("scheduler")
    async def _schedulers(self, _: Interaction, typed: str) -> list[Choice[str]]:
        return inputs.suggestions(typed, [(name, name) for name in SchedulerName])

    async def _looked_up(self, interaction: Interaction) -> AccessSettings:
        found = await inputs.looked_up("/admin access", self._access.show(member_of(interaction)))
        return found or AccessSettings()  # refused to all but admins


class AccessUpkeep(commands.Cog):
    """What was set for a channel or a role goes with it."""

    def __init__(self, client: discord.Client, access: ServerAccess) -> None:
        self._client = client
        self._access = access

    @commands.Cog.listener()
    async def on_guild_role_delete(self, role: discord.Role) -> None:
        """A role is gone."""
        await self._forget(role.guild, role=str(role.id))

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel is gone."""
        await self._forget(channel.guild, channel=str(channel.id))

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread is gone, whether or not it was known."""
        if (guild := self._client.get_guild(payload.guild_id)) is not None:
            await self._forget(guild, channel=str(payload.thread_id))

    async def _forget(self, guild: discord.Guild, *, channel: str | None = None, role: str | None = None) -> None:
        me = guild.me
        bot = Member(id=str(me.id), name=me.display_name, server=str(guild.id), channel="", is_admin=True)
        try:
            await self._access.forget(bot, channel=channel, role=role)
        except StorageFault as error:  # it is still listed, and can be removed by hand
            log.warning("what was set for %s, which is deleted, is still there: %s", channel or role, error)


async def _answer(interaction: Interaction, found: AccessSettings) -> None:
    await interaction.edit_original_response(embed=words.settings(found))


def _change(add: discord.abc.Snowflake | None, remove: str | None, *, lift: bool) -> ListChange:
    gone = None if remove is None else remove.strip("<#@&> ")  # some type what Discord shows elsewhere
    return ListChange(add=None if add is None else str(add.id), remove=gone, lift=lift)


def _channel_choices(interaction: Interaction, typed: str, ids: Iterable[str]) -> list[Choice[str]]:
    guild = interaction.guild
    there = {one: guild.get_channel_or_thread(int(one)) if guild else None for one in ids}
    return inputs.suggestions(
        typed, [words.list_choice(one, found and f"#{found.name}") for one, found in there.items()]
    )


def _role_choices(interaction: Interaction, typed: str, ids: Iterable[str]) -> list[Choice[str]]:
    guild = interaction.guild
    there = {one: guild.get_role(int(one)) if guild else None for one in ids}
    return inputs.suggestions(typed, [words.list_choice(one, found and found.name) for one, found in there.items()])
