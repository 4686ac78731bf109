"""/admin: limits, blocks, statistics and quarantine of a server. For Manage Server; the service checks it again."""

import logging
from typing import Any

import discord
from discord import Interaction, app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.discord_ui import inputs, permissions
from bot.discord_ui.commands.workers import WorkerCommands
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.inputs import member_of
from bot.discord_ui.words import admin as words
from bot.discord_ui.words import keeping
from bot.errors import StorageFault
from bot.records import Gallery, LimitScope, Member
from bot.services.admin import MAX_STARS, AdminService
from generation.errors import InvalidRequest

log = logging.getLogger(__name__)

_MAX_REASON = 300  #: characters
_STARS = 3  #: that a gallery asks for, where its admin does not say


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Admin(commands.GroupCog, group_name="admin", group_description="Run this bot on your server"):
    """Commands for those who manage the server."""

    limits = app_commands.Group(name="limits", description="How much members may ask for")

    def __init__(
        self, admin: AdminService, workers: WorkerCommands, deliveries: Deliveries, *groups: app_commands.Group
    ) -> None:
        """`groups` are those below /admin that have files of their own."""
        super().__init__()
        self._admin = admin
        self._workers = workers
        self._deliveries = deliveries
        own: Any = self.app_command
        for group in groups:
            own.add_command(group)

    @limits.command(name="show")
    @app_commands.describe(page="Where more is set than one page holds")
    async def show_limits(self, interaction: Interaction, page: Range[int, 1, 1000] = 1) -> None:
        """Show all limits that are set here"""
        await interaction.response.defer(ephemeral=True)
        found = await self._admin.limits(member_of(interaction))
        await interaction.edit_original_response(embed=words.limits(found, page))

    @limits.command(name="set")
    @inputs.takes(inputs.LIMITS)
    @app_commands.describe(role="Only for this role", member="Only for this member")
    async def set_limits(
        self,
        interaction: Interaction,
        *,
        role: discord.Role | None = None,
        member: discord.Member | None = None,
        **limits: float | None,
    ) -> None:
        """Set limits for the server, a role or a member; what you leave out stays as it is"""
        await interaction.response.defer(ephemeral=True)
        changes = {name: value for name, value in limits.items() if value is not None}
        scope, subject = _scope(role, member)
        found = await self._admin.set_limits(member_of(interaction), scope, subject, changes)
        await interaction.edit_original_response(content=words.limits_now(found))

    @limits.command(name="reset")
    @app_commands.describe(
        role="Only of this role",
        member="Only of this member",
        entry="One of those that are set, also of a role or a member that is gone",
    )
    async def reset_limits(
        self,
        interaction: Interaction,
        role: discord.Role | None = None,
        member: discord.Member | None = None,
        entry: str | None = None,
    ) -> None:
        """Remove all limits of the server, a role or a member"""
        await interaction.response.defer(ephemeral=True)
        scope, subject = _scope(role, member) if entry is None else _chosen(entry)
        was_set = await self._admin.reset_limits(member_of(interaction), scope, subject)
        await interaction.edit_original_response(content=words.limits_reset(scope, subject, was_set=was_set))

    @reset_limits.autocomplete("entry")
    async def _entries(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        found = await inputs.looked_up("/admin limits reset", self._admin.limits(member_of(interaction)))
        rows = found.rows if found is not None else ()
        return inputs.suggestions(typed, [words.limit_choice(row, interaction.guild) for row in rows])

    @commands.Cog.listener()
    async def on_guild_role_delete(self, role: discord.Role) -> None:
        """What was set for the role goes with it."""
        me = role.guild.me
        bot = Member(id=str(me.id), name=me.display_name, server=str(role.guild.id), channel="", is_admin=True)
        try:
            await self._admin.reset_limits(bot, LimitScope.ROLE, str(role.id))
        except StorageFault as error:  # it is still listed, and can be reset by hand
            log.warning("the limits of the deleted role %s are still there: %s", role.id, error)

    @app_commands.command()
    @app_commands.describe(days="How many days back")
    async def stats(self, interaction: Interaction, days: Range[int, 1, 31] = 7) -> None:
        """Show jobs, pictures, failures and device seconds by day and by member"""
        await interaction.response.defer(ephemeral=True)
        found = await self._admin.stats(member_of(interaction), days)
        await interaction.edit_original_response(embed=words.stats(found))

    @app_commands.command()
    @app_commands.describe(member="Whom", reason="Why; they are told")
    async def block(
        self,
        interaction: Interaction,
        member: discord.User,
        reason: Range[str, 1, _MAX_REASON] | None = None,
    ) -> None:
        """Keep a member from asking for pictures here"""
        await interaction.response.defer(ephemeral=True)
        await self._admin.block(member_of(interaction), str(member.id), reason)
        await interaction.edit_original_response(content=words.blocked(member.id))

    @app_commands.command()
    @app_commands.describe(member="Whom")
    async def unblock(self, interaction: Interaction, member: discord.User) -> None:
        """Let a member ask for pictures again"""
        await interaction.response.defer(ephemeral=True)
        was_blocked = await self._admin.unblock(member_of(interaction), str(member.id))
        await interaction.edit_original_response(content=words.unblocked(member.id, was_blocked=was_blocked))

    @app_commands.command()
    @app_commands.describe(
        channel="Where to; nothing is copied any more if you leave it out",
        stars=f"How many members beside its requester; {_STARS} by default",
    )
    async def gallery(
        self,
        interaction: Interaction,
        channel: discord.TextChannel | None = None,
        stars: Range[int, 1, MAX_STARS] | None = None,
    ) -> None:
        """Copy results that enough members starred with ⭐ to a channel"""
        await interaction.response.defer(ephemeral=True)
        if channel is None and stars is not None:
            raise InvalidRequest("stars", "together", choices=("channel",))
        gallery = None if channel is None else Gallery(channel=str(channel.id), stars=stars or _STARS)
        if channel is not None:
            ours = channel.permissions_for(channel.guild.me)
            if names := permissions.missing(ours, in_thread=False, reply=True):
                await interaction.edit_original_response(content=keeping.gallery_refused(channel.id, names))
                return
        await self._admin.set_gallery(member_of(interaction), gallery)
        is_restricted = channel is not None and channel.is_nsfw()
        shown = keeping.gallery_set(gallery, is_restricted=is_restricted)
        await interaction.edit_original_response(content=shown)

    @app_commands.command()
    async def workers(self, interaction: Interaction) -> None:
        """Show what draws; for whoever owns the bot"""
        await self._workers.show(interaction)

    @app_commands.command()
    @app_commands.describe(release="The job that may try once more")
    async def quarantine(self, interaction: Interaction, release: str | None = None) -> None:
        """Show the jobs that the bot crashed with twice, or let one try again"""
        await interaction.response.defer(ephemeral=True)
        admin = member_of(interaction)
        if release is None:
            found = await self._admin.quarantined(admin)
            await interaction.edit_original_response(embed=words.quarantine(found))
            return
        resumed = await self._admin.release(admin, inputs.job_id(release))
        self._deliveries.resume(resumed)
        await interaction.edit_original_response(content="It is in line again, and will be drawn alone.")

    @quarantine.autocomplete("release")
    async def _quarantined(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        quarantined = self._admin.quarantined(member_of(interaction))  # refused to all but admins
        return await inputs.choices("/admin quarantine", typed, quarantined, inputs.described)


def _scope(role: discord.Role | None, member: discord.Member | None) -> tuple[LimitScope, str | None]:
    if role is not None and member is not None:
        raise InvalidRequest("role", "conflict", choices=("member",))
    if member is not None:
        return LimitScope.MEMBER, str(member.id)
    if role is not None:
        return LimitScope.ROLE, str(role.id)
    return LimitScope.SERVER, None


def _chosen(entry: str) -> tuple[LimitScope, str | None]:
    scope, _, subject = entry.partition(":")
    if scope not in list(LimitScope):
        raise InvalidRequest("entry", "choice", entry, choices=("server", "role:id", "member:id"))
    return LimitScope(scope), subject or None
