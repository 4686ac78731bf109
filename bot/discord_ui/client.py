"""ImageBot: the connection to Discord, and nothing of what listens on it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_ui import permissions
from bot.discord_ui.command_tree import CommandTree
from bot.discord_ui.unsent import UNSENT, is_passing

log = logging.getLogger(__name__)

CONNECTIONS = 50  #: to Discord at the same time; more than the results that may be on their way at once
ANSWERED_WITHIN = 3.0  #: seconds; Discord waits no longer for a first answer
#: What discord.py calls the tasks that answer commands, buttons, forms and reactions.
ANSWERS = (
    "CommandTree-invoker",
    "discord-ui-view-dispatch",
    "discord-ui-dynamic-item",
    "discord-ui-modal-dispatch",
    "discord.py: on_interaction",
    "discord.py: on_job_button",
    "discord.py: on_job_choice",
    "discord.py: on_batch_button",
    "discord.py: on_history_page",
    "discord.py: on_replay",
    "discord.py: on_favourites_page",
    "discord.py: on_review_button",
    "discord.py: on_held_page",
    "discord.py: on_removal",
    "discord.py: on_worker_button",
    "discord.py: on_raw_reaction_add",
    "discord.py: on_raw_reaction_remove",
)


class ImageBot(commands.AutoShardedBot):
    """One bot on Discord, over as many connections as Discord asks for."""

    tree: CommandTree  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]

    def __init__(
        self,
        *,
        command_hash_file: Path,
        logged_in: Callable[[], Awaitable[None]],
        hear_date: Callable[[str | None], None],
    ) -> None:
        """`logged_in` is awaited once, when the bot is logged in and not yet connected; `hear_date` is told the `Date`
        header of each answer of Discord."""
        # Nobody speaks here; that the voice libraries are missing is no news.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=(),  # slash commands only
            help_command=None,
            tree_cls=CommandTree,
            intents=_intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
            max_messages=None,  # nothing here looks at messages
            # discord.py would open one for each of a thousand answers at once: that is what would take longest.
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            http_trace=_dates_to(hear_date),
        )
        self._command_hash_file = command_hash_file
        self._logged_in = logged_in

    async def setup_hook(self) -> None:
        """Logged in, not yet connected."""
        try:
            await self.tree.sync_if_changed(self._command_hash_file)
        except UNSENT as error:
            if not is_passing(error):
                raise
            # Those who wait for pictures should not wait for new commands too; the next start tries again.
            log.warning("the slash commands could not be sent to Discord: %r", error)
        await self._logged_in()

    @property
    def is_connected(self) -> bool:
        """Whether every connection is there now, and all servers are known."""
        return self.is_ready() and not any(shard.is_closed() for shard in self.shards.values())

    def on_refusal(self, tell: Callable[[BaseException], None]) -> None:
        """Have somebody told of each error that a member was told of, but for what discord.py itself refuses."""

        async def on_refused(error: BaseException) -> None:
            cause: BaseException = getattr(error, "original", error)
            if not isinstance(cause, app_commands.AppCommandError):
                tell(cause)

        self.add_listener(on_refused)

    async def ask_the_time(self) -> None:
        """Have Discord answer something, as its answers say what time it is there."""
        try:
            await self.application_info()
        except UNSENT as error:
            log.info("Discord could not be asked what time it is: %r", error)

    async def close(self) -> None:
        """Let those who are being answered have their answer, then disconnect. May be called twice."""
        if answering := [task for task in asyncio.all_tasks() if task.get_name().startswith(ANSWERS)]:
            await asyncio.wait(answering, timeout=ANSWERED_WITHIN)
        await super().close()

    async def on_ready(self) -> None:
        """Connected; may happen again after a lost connection."""
        log.info("online as %s in %s servers", self.user, len(self.guilds))
        if not self.guilds and self.application_id is not None:
            link = discord.utils.oauth_url(self.application_id, permissions=permissions.INVITED_WITH)
            log.info("invite it to a server: %s", link)


def _dates_to(hear_date: Callable[[str | None], None]) -> aiohttp.TraceConfig:
    async def answered(_session: Any, _context: Any, end: aiohttp.TraceRequestEndParams) -> None:
        hear_date(end.response.headers.get("Date"))

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    return trace


def _intents() -> discord.Intents:
    """No privileged ones: servers with their channels and roles, and reactions."""
    return discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True)
