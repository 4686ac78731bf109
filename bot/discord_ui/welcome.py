"""The message that a server gets once when the bot joins it."""

import logging

import discord
from discord.ext import commands

from bot.discord_ui import permissions
from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import welcome as words
from bot.errors import StorageFault
from bot.records import Member
from bot.retrying import PATIENT, retried
from bot.services.access_settings import ServerAccess
from bot.services.admin import AdminService
from bot.services.safety_settings import ServerSafety
from generation.catalog import ModelCatalog

log = logging.getLogger(__name__)

MOST_TRIED = 3  #: channels, where Discord lets the bot write in none of those that look open


class Welcome(commands.Cog):
    """Says in the system channel, or the first one where it may write, what holds and what the bot lacks."""

    def __init__(
        self,
        catalog: ModelCatalog,
        admin: AdminService,
        access: ServerAccess,
        server_safety: ServerSafety,
        *,
        is_checked: bool,
    ) -> None:
        """`is_checked`: the operator has the pictures looked at."""
        self._catalog = catalog
        self._admin = admin
        self._access = access
        self._server_safety = server_safety
        self._is_checked = is_checked

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """A server has invited the bot; not one that was merely away."""
        channels = _open_channels(guild)[:MOST_TRIED]
        try:
            said = await retried(
                lambda: self._words(guild),
                PATIENT,
                passing=lambda error: isinstance(error, StorageFault),
                doing=f"welcoming server {guild.id}",
            )
            for channel in channels:
                try:
                    await channel.send(said)
                    return
                except discord.Forbidden as error:
                    log.info("the welcome is not let into channel %s: %s", channel.id, error)
        except (*UNSENT, StorageFault) as error:
            log.warning("server %s gets no welcome: %r", guild.id, error)
            return
        log.warning("server %s gets no welcome: there is no channel where I may write", guild.id)

    async def _words(self, guild: discord.Guild) -> str:
        # What is set may be from an earlier time here.
        me = Member(id=str(guild.me.id), name=guild.me.display_name, server=str(guild.id), channel="", is_admin=True)
        lacking = permissions.INVITED_WITH & ~guild.me.guild_permissions
        return words.welcome(
            self._catalog,
            safety=await self._server_safety.show(me) if self._is_checked else None,
            access=await self._access.show(me),
            limits=await self._admin.limits(me),
            lacking=tuple(flag for flag, is_lacking in lacking if is_lacking),
        )


def _open_channels(guild: discord.Guild) -> list[discord.TextChannel]:
    """Where the bot may write, the system channel first, then as the server orders them."""
    first = [guild.system_channel] if guild.system_channel is not None else []
    channels = dict.fromkeys([*first, *guild.text_channels])
    rights = {channel: channel.permissions_for(guild.me) for channel in channels}
    return [channel for channel, may in rights.items() if may.view_channel and may.send_messages]
