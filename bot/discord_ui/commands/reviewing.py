"""What becomes of held pictures: the buttons below them, and what happens around them on the server."""

import logging

import discord
from discord.ext import commands

from bot.errors import StorageFault
from bot.records import Member
from bot.services.safety_settings import ServerSafety

log = logging.getLogger(__name__)


class Reviewing(commands.Cog):
    """Listens; the services decide."""

    def __init__(self, server_safety: ServerSafety) -> None:
        self._server_safety = server_safety

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """The policy that the channel had goes with it."""
        await self._forget(channel.guild, channel.id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """The same for a thread."""
        guild = event.thread.guild if event.thread is not None else None
        if guild is not None:
            await self._forget(guild, event.thread_id)

    async def _forget(self, server: discord.Guild, channel: int) -> None:
        me = server.me
        bot = Member(id=str(me.id), name=me.display_name, server=str(server.id), channel="", is_admin=True)
        try:
            await self._server_safety.forget_channel(bot, str(channel))
        except StorageFault as error:  # it is still listed, and can be taken back by hand
            log.warning("the policy of the deleted channel %s is still there: %s", channel, error)
