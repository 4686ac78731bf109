"""Who may draw, where, and with what -> what members and admins read. No I/O."""

import math
from collections.abc import Iterable

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR, MAX_DESCRIPTION
from bot.errors import ModelReserved, NotInThisChannel, RoleNeeded, TooNew
from bot.services.access import AccessSettings, AllowList
from bot.services.channel_defaults import DEFAULTS, Defaults

_MOST_NAMED = 10  #: channels or roles in a sentence

_ORDER = "A thread follows the channel above it. Members with Manage Server need no role and no time, only a channel."


def refusal(error: NotInThisChannel | RoleNeeded | TooNew | ModelReserved) -> str:
    """Why a member may not draw, and where or when they may."""
    match error:
        case NotInThisChannel():
            listed = f"I draw elsewhere on this server: in {channels(error.channels)}."
            return listed if error.channels else _closed("draw on this server", "channels where it was allowed")
        case RoleNeeded():
            listed = f"On this server one needs a role to draw: {roles(error.roles)}."
            return listed if error.roles else _closed("draw on this server", "roles that were allowed to")
        case TooNew():
            days = text.counted(error.days, "day")
            return f"On this server members may draw when they have been there for {days}. {_since(error)}"
        case ModelReserved():
            model = f"the model **{text.shown(error.model)}**"
            listed = f"On this server one needs a role for {model}: {roles(error.roles)}."
            said = listed if error.roles else _closed(f"use {model} here", "roles that were allowed to")
            return f"{said} `/models` shows what is yours."


def settings(found: AccessSettings) -> discord.Embed:
    """Everything that is set about it on a server."""
    embed = discord.Embed(title="Who may draw", colour=COLOUR)
    parts = [*summary(found), *map(_model, found.models.items()), *map(_channel, found.defaults.items())]
    kept: list[str] = []
    for part in parts:
        if sum(map(len, kept)) + 2 * len(kept) + len(part) > MAX_DESCRIPTION - 100:
            kept.append(f"… and {len(parts) - len(kept)} more, which this page does not hold.")
            break
        kept.append(part)
    embed.description = "\n".join(kept)
    embed.set_footer(text=_ORDER)
    return embed


def summary(found: AccessSettings) -> tuple[str, ...]:
    """Where one may draw, who may, and after what time: a sentence each."""
    where = "in every channel" if found.channels is None else channels(found.channels) or _gone("channels")
    who = "everybody" if found.roles is None else roles(found.roles) or _gone("roles")
    days = text.counted(found.minimum_days, "day")
    since = f"after **{days}** on the server" if found.minimum_days else "at once"
    return f"Where: {where}", f"Who: {who}", f"When: {since}"


def model_note(roles_for: AllowList, *, is_theirs: bool) -> str | None:
    """What /models says of a model that is not for everybody."""
    if roles_for is None:
        return None
    whom = f"Only for {roles(roles_for)}" if roles_for else "For nobody: the roles it was for are gone"
    return f"{whom}." if is_theirs else f"🔒 {whom}; not for you here."


def channels(ids: Iterable[str]) -> str:
    """Channels as Discord's mentions."""
    return _named([f"<#{one}>" for one in ids])


def roles(ids: Iterable[str]) -> str:
    """Roles as Discord's mentions; nobody is called by them."""
    return _named([f"<@&{one}>" for one in ids])


def defaults(values: Defaults) -> str:
    """What /imagine takes in a channel."""
    return ", ".join(f"{name} **{text.shown(str(values[name]), 100)}**" for name in DEFAULTS if name in values)


def list_choice(entry: str, name: str | None) -> tuple[str, str]:
    """A channel or a role of a list as a suggestion: its name, if it is still there, and its id."""
    return name or f"deleted, {entry}", entry


def _closed(doing: str, listed: str) -> str:
    """A member reads why a list lets nobody through."""
    return f"Nobody can {doing}: the {listed} are gone. An admin can name others."


def _gone(what: str) -> str:
    """An admin reads why a list lets nobody through."""
    return f"**nobody**, as all the {what} that were listed are gone. Add others, or `everybody: True` opens it."


def _named(mentions: list[str]) -> str:
    more = len(mentions) - _MOST_NAMED
    shown = mentions[:_MOST_NAMED] + ([f"{more} more"] if more > 0 else [])
    return " and ".join(", ".join(shown).rsplit(", ", 1))


def _model(entry: tuple[str, tuple[str, ...]]) -> str:
    name, whom = entry
    return f"Model **{text.shown(name)}**: {roles(whom) or _gone('roles')}"


def _channel(entry: tuple[str, Defaults]) -> str:
    channel, values = entry
    return f"Taken in <#{channel}> where left open: {defaults(values)}"


def _since(error: TooNew) -> str:
    if error.until is None:
        return "Discord does not tell me since when you are, so I cannot let you."
    # Rounded up: at the second that is shown it must really be over.
    return f"You may <t:{math.ceil(error.until.timestamp())}:R>."
