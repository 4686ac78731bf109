"""Who may use a command, for the buttons and reactions that do the same: Discord itself asks for commands only."""

import logging

import discord
from discord import AppCommandPermissionType as Target
from discord.app_commands import AppCommandPermissions
from discord.ext import commands

from bot.discord_ui.command_tree import CommandTree
from bot.discord_ui.unsent import is_passing
from bot.errors import NotAllowed
from bot.records import Member

log = logging.getLogger(__name__)


class CommandRights(commands.Cog):
    """What a server's admins have set for a command, fetched once a server and kept until it changes."""

    def __init__(self, tree: CommandTree, command: str) -> None:
        self._tree = tree
        self._command = command
        self._set: dict[int, list[AppCommandPermissions]] = {}  #: by server

    async def check(self, server: int | None, channel: object, member: Member, rights: discord.Permissions) -> None:
        """Whether the member may use the command in this channel. Raises NotAllowed."""
        if server is None or rights.administrator:
            return
        if not rights.use_application_commands or not _allowed(await self._of(server), server, channel, member):
            raise NotAllowed("use_commands")

    @commands.Cog.listener()
    async def on_raw_app_command_permissions_update(self, event: discord.RawAppCommandPermissionsUpdateEvent) -> None:
        """An admin has changed who may use what."""
        self._set.pop(event.guild.id, None)

    async def _of(self, server: int) -> list[AppCommandPermissions]:
        command = self._tree.registered.get(self._command)
        if server not in self._set and command is not None:
            try:
                self._set[server] = (await command.fetch_permissions(discord.Object(server))).permissions
            except discord.HTTPException as error:
                if is_passing(error):
                    raise
                log.debug("nothing is set for /%s on server %s: %s", self._command, server, error)
                self._set[server] = []
        return self._set.get(server, [])


def _allowed(said: list[AppCommandPermissions], server: int, channel: object, member: Member) -> bool:
    """Discord's own rules: a channel before all channels; then a member before roles, one role is enough, and
    @everyone last."""
    channels = {one.id: one.permission for one in said if one.type is Target.channel}
    places = [getattr(channel, "id", None), getattr(channel, "parent_id", None), server - 1]
    if not next((channels[place] for place in places if place in channels), True):
        return False
    people = {one.id: one.permission for one in said if one.type is Target.user}
    if (own := people.get(int(member.id))) is not None:
        return own
    roles = {one.id: one.permission for one in said if one.type is Target.role}
    theirs = [roles[int(role)] for role in member.roles if int(role) in roles and int(role) != server]
    return any(theirs) if theirs else roles.get(server, True)
