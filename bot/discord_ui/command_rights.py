"""Who may use a command, for the buttons and reactions that do the same: Discord itself asks for commands only."""

import logging
from collections.abc import Mapping
from typing import TypeAlias

import discord
from discord import AppCommandPermissionType as Target
from discord.ext import commands

from bot.discord_ui.command_tree import CommandTree
from bot.discord_ui.unsent import is_passing
from bot.errors import NotAllowed
from bot.records import Member

log = logging.getLogger(__name__)

_Said: TypeAlias = Mapping[tuple[int, int], bool]  #: whether a kind of target and its id may use the command
_ROLE, _USER, _CHANNEL = (kind.value for kind in (Target.role, Target.user, Target.channel))


class CommandRights(commands.Cog):
    """What a server's admins have set for a command, fetched once a server and kept until it changes."""

    def __init__(self, tree: CommandTree, command: str) -> None:
        self._tree = tree
        self._command = command
        self._set: dict[int, _Said] = {}  #: by server

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

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """What changed while nobody listened is not known."""
        self._set.clear()

    async def _of(self, server: int) -> _Said:
        if server not in self._set:
            client = self._tree.client
            commands = self._tree.registered or {one.name: one for one in await self._tree.fetch_commands()}
            # What is set for the whole application holds for commands that have nothing of their own.
            said = await _fetched(client, server, commands[self._command].id)
            self._set[server] = said or await _fetched(client, server, client.application_id or 0)
        return self._set[server]


async def _fetched(client: discord.Client, server: int, target: int) -> _Said:
    try:
        answer = await client.http.get_application_command_permissions(client.application_id or 0, server, target)
    except discord.HTTPException as error:
        if is_passing(error):
            raise
        log.debug("nothing is set for %s on server %s: %s", target, server, error)
        return {}
    return {(one["type"], int(one["id"])): one["permission"] for one in answer["permissions"]}


def _allowed(said: _Said, server: int, channel: object, member: Member) -> bool:
    """Discord's own rules: a channel before all channels; then a member before roles, one role is enough, and
    @everyone last."""
    places = [getattr(channel, "id", 0), getattr(channel, "parent_id", None) or 0, server - 1]
    if not next((said[_CHANNEL, place] for place in places if (_CHANNEL, place) in said), True):
        return False
    if (own := said.get((_USER, int(member.id)))) is not None:
        return own
    roles = [said[_ROLE, int(role)] for role in member.roles if int(role) != server and (_ROLE, int(role)) in said]
    return any(roles) if roles else said.get((_ROLE, server), True)
