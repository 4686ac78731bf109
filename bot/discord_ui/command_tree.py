"""The slash commands as Discord keeps them: told to it only when their definition changed."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import discord
from discord import app_commands

from bot.discord_ui import private

log = logging.getLogger(__name__)


class CommandTree(app_commands.CommandTree[Any]):
    """The tree with this bot's way to answer errors and to sync."""

    registered: Mapping[str, app_commands.AppCommand] = MappingProxyType({})  #: as Discord keeps them, once it is known

    async def on_error(self, interaction: discord.Interaction, error: app_commands.AppCommandError) -> None:
        """Every error of every command ends here."""
        command = interaction.command.qualified_name if interaction.command else "?"
        await private.answer(interaction, error, doing=f"/{command} by {interaction.user.id}")

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Turn away what an older definition of a command asks for: discord.py itself looks at no option's type."""
        if interaction.type is discord.InteractionType.application_command:
            command, options = self._chosen(dict(interaction.data or {}))
            if command is not None:
                types = {parameter.name: parameter.type.value for parameter in command.parameters}
                if any(types.get(option["name"], option["type"]) != option["type"] for option in options):
                    raise app_commands.CommandSignatureMismatch(command)
        return True

    def _chosen(self, data: dict[str, Any]) -> tuple[app_commands.Command[Any, ..., Any] | None, list[dict[str, Any]]]:
        """The command that was used, below its groups, and the options it was given."""
        found: Any = self.get_command(str(data.get("name")))
        options: list[dict[str, Any]] = data.get("options") or []
        while isinstance(found, app_commands.Group) and options:
            found, options = found.get_command(options[0]["name"]), options[0].get("options") or []
        is_command = isinstance(found, app_commands.Command)
        return (cast("app_commands.Command[Any, ..., Any]", found) if is_command else None), options

    async def sync_if_changed(self, hash_file: Path) -> bool:
        """Send the definitions to Discord if they are not what was sent last, or are not there any more.

        A guild allows 200 command creations a day; a bot that syncs at every start can use them up.
        """
        definition = json.dumps([command.to_dict(self) for command in self.get_commands()], sort_keys=True)
        known = f"{self.client.application_id} {hashlib.sha256(definition.encode()).hexdigest()}"
        if await asyncio.to_thread(_read, hash_file) == known:
            self.registered = {command.name: command for command in await self.fetch_commands()}
            if self.registered.keys() == {command.name for command in self.get_commands()}:
                return False
        self.registered = {command.name: command for command in await self.sync()}
        await asyncio.to_thread(_write, hash_file, known)
        log.info("the slash commands were sent to Discord")
        return True


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def _write(file: Path, text: str) -> None:
    file.write_text(text)
