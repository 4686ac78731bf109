"""Which permissions the bot needs to deliver a picture, named before anything is drawn."""

import discord

from bot.errors import MissingPermissions

#: What an invite link asks for: what a picture needs, what puts the first 🔁 under it, and a thread for many.
INVITED_WITH = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    add_reactions=True,
    create_public_threads=True,
)


def missing(permissions: discord.Permissions, *, in_thread: bool, reply: bool = False) -> tuple[str, ...]:
    """The flags that are lacking. A reply needs one more."""
    send = "send_messages_in_threads" if in_thread else "send_messages"
    needed = ("view_channel", send, "embed_links", "attach_files", *(("read_message_history",) if reply else ()))
    return tuple(flag for flag in needed if not getattr(permissions, flag))


def check_interaction(interaction: discord.Interaction) -> None:
    """Whether a picture could be delivered where this was asked. Raises MissingPermissions."""
    if interaction.guild_id is None:
        return  # a direct message has no permissions to lack
    if names := missing(interaction.app_permissions, in_thread=isinstance(interaction.channel, discord.Thread)):
        raise MissingPermissions(names)


def check_reply(client: discord.Client, channel_id: int) -> None:
    """The same for a reply there, which no interaction describes. Raises MissingPermissions."""
    found = _here(client, channel_id)
    if found is not None and (names := missing(found[0], in_thread=found[1], reply=True)):
        raise MissingPermissions(names)


def missing_in(client: discord.Client, channel_id: int) -> tuple[str, ...]:
    """What the bot lacks to post pictures in a server's channel, and to find there what it has posted before; all of it
    where there is no such channel."""
    found = _here(client, channel_id)
    rights, in_thread = found if found is not None else (discord.Permissions.none(), False)
    return missing(rights, in_thread=in_thread, reply=True)


def may_open_thread(rights: discord.Permissions) -> bool:
    """Whether the bot may open a thread and post pictures there."""
    return rights.create_public_threads and not missing(rights, in_thread=True)


def may_react(client: discord.Client, channel_id: int) -> bool:
    """Whether the bot may put a reaction there; yes where nothing is known, such as a direct message."""
    found = _here(client, channel_id)
    return found is None or (found[0].add_reactions and found[0].read_message_history and found[0].view_channel)


def _here(client: discord.Client, channel_id: int) -> tuple[discord.Permissions, bool] | None:
    channel = client.get_channel(channel_id)
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return None
    try:
        return channel.permissions_for(channel.guild.me), isinstance(channel, discord.Thread)
    except discord.ClientException:  # a thread whose parent is not in the cache
        return None
