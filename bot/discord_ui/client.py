"""ImageBot: the connection to Discord, with everything that listens on it."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_ui import buttons, errors, permissions, reactions
from bot.discord_ui.command_tree import CommandTree
from bot.discord_ui.commands.admin import Admin
from bot.discord_ui.commands.imagine import Imagine
from bot.discord_ui.commands.jobs import Jobs
from bot.discord_ui.commands.models import Models
from bot.discord_ui.deliveries import Deliveries
from bot.discord_ui.job_post import Wait
from bot.discord_ui.pacing import EditPacer
from bot.services.admin import AdminService
from bot.services.images import ImageService, Recovery
from bot.services.results import Results
from bot.storage.records import Clock
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

CONNECTIONS = 50  #: to Discord at the same time; more than the results that may be on their way at once
ANSWERED_WITHIN = 3.0  #: seconds; Discord waits no longer for a first answer
#: What discord.py calls the tasks that answer commands, buttons and forms.
_ANSWERS = ("CommandTree-invoker", "discord-ui-view-dispatch", "discord-ui-dynamic-item", "discord-ui-modal-dispatch")


class ImageBot(commands.Bot):
    """One bot on Discord. `recovery` is what a restart found; it is delivered as soon as the bot is logged in."""

    tree: CommandTree  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]

    def __init__(
        self,
        *,
        images: ImageService,
        results: Results,
        admin: AdminService,
        clock: Clock,
        command_hash_file: Path,
        recovery: Recovery,
        pacer: EditPacer | None = None,
        wait: Wait = JobTicket.wait,
        ping_after: timedelta | None = None,
    ) -> None:
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
        )
        self.images = images
        self.results = results
        self.admin = admin
        self.deliveries = Deliveries(self, images, clock, pacer=pacer, wait=wait, ping_after=ping_after)
        self._command_hash_file = command_hash_file
        self._recovery = recovery

    async def setup_hook(self) -> None:
        """Logged in, not yet connected."""
        self.add_dynamic_items(buttons.JobButton)
        for cog in (
            Imagine(self.images, self.deliveries),
            Jobs(self.images, self.results),
            Models(self.images),
            Admin(self.admin, self.deliveries),
        ):
            await self.add_cog(cog)
        try:
            await self.tree.sync_if_changed(self._command_hash_file)
        except errors.UNSENT as error:
            if not errors.is_passing(error):
                raise
            # Those who wait for pictures should not wait for new commands too; the next start tries again.
            log.warning("the slash commands could not be sent to Discord: %r", error)
        await self.deliveries.recover(self._recovery)

    async def close(self) -> None:
        """Let whoever is being answered have their answer, then disconnect. May be called twice."""
        if answering := [task for task in asyncio.all_tasks() if task.get_name().startswith(_ANSWERS)]:
            await asyncio.wait(answering, timeout=ANSWERED_WITHIN)
        await super().close()

    async def on_ready(self) -> None:
        """Connected; may happen again after a lost connection."""
        log.info("online as %s in %s servers", self.user, len(self.guilds))
        if not self.guilds and self.application_id is not None:
            link = discord.utils.oauth_url(self.application_id, permissions=permissions.INVITED_WITH)
            log.info("invite it to a server: %s", link)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Answers presses that nothing else will: buttons of older versions, and made-up ones."""
        if interaction.type is discord.InteractionType.component:
            custom_id = str((interaction.data or {}).get("custom_id", ""))
            if not buttons.knows(custom_id):
                await errors.answer(interaction, errors.StaleButton(), doing="an unknown button")

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """The raw event: the cached one never fires for messages from before a restart."""
        await reactions.on_reaction(self, payload)


def _intents() -> discord.Intents:
    """No privileged ones: servers with their channels and roles, and reactions."""
    return discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True)
