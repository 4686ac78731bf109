"""Which permissions the bot needs to deliver a picture, named before anything is drawn."""

import discord

from generation.errors import Refusal

_NAMES = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}

#: What an invite link asks for: the above, and what puts the first 🔁 under a result.
INVITED_WITH = discord.Permissions(**dict.fromkeys(_NAMES, True), add_reactions=True)


class MissingPermissions(Refusal):
    """The bot could draw the picture and not deliver it."""

    code = "missing_permissions"

    def __init__(self, names: tuple[str, ...]) -> None:
        listed = " and ".join(", ".join(f"**{name}**" for name in names).rsplit(", ", 1))
        plural = "permission" if len(names) == 1 else "permissions"
        super().__init__(f"I lack the {plural} {listed} in this channel. Nothing was drawn; an admin can grant it.")
        self.names = names


def missing(permissions: discord.Permissions, *, in_thread: bool, reply: bool = False) -> tuple[str, ...]:
    """The names of what is lacking, as Discord's settings show them. A reply needs one more."""
    send = "send_messages_in_threads" if in_thread else "send_messages"
    needed = ("view_channel", send, "embed_links", "attach_files", *(("read_message_history",) if reply else ()))
    return tuple(_NAMES[flag] for flag in needed if not getattr(permissions, flag))


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
