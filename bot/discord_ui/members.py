"""From Discord's users to the members that services know."""

from contextlib import suppress

import discord

from bot.services.images import JobRecord
from bot.services.members import Member


def member_of(interaction: discord.Interaction) -> Member:
    """Whoever used a command or pressed a button, with the rights they have in that channel."""
    user, rights, in_server = interaction.user, interaction.permissions, interaction.guild_id is not None
    return Member(
        id=str(user.id),
        name=user.display_name,
        server=str(interaction.guild_id) if in_server else None,
        channel=str(interaction.channel_id),
        roles=_roles(user),
        is_moderator=in_server and rights.manage_messages,
        is_admin=in_server and rights.manage_guild,
    )


def member_of_reaction(client: discord.Client, payload: discord.RawReactionActionEvent, job: JobRecord) -> Member:
    """Whoever put a reaction on a job's message. Rights that cannot be known are rights not given."""
    member, channel = payload.member, client.get_channel(payload.channel_id)
    rights = discord.Permissions.none()
    if member is not None and isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        # A thread whose parent is not in the cache cannot say.
        with suppress(discord.ClientException):
            rights = channel.permissions_for(member)
    user = member or client.get_user(payload.user_id)
    # In a direct message Discord does not say who it is, but then nobody else is there.
    name = user.display_name if user else job.requester_name
    return Member(
        id=str(payload.user_id),
        name=name,
        server=str(payload.guild_id) if payload.guild_id is not None else None,
        channel=str(payload.channel_id),
        roles=_roles(member),
        is_moderator=rights.manage_messages,
        is_admin=rights.manage_guild,
    )


def _roles(user: discord.User | discord.Member | None) -> tuple[str, ...]:
    return tuple(str(role.id) for role in user.roles) if isinstance(user, discord.Member) else ()
