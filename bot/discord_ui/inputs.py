"""Discord -> our values: the options of slash commands, and the members who use them.

Discord's ranges and suggestions are a courtesy to the member who types; people also send what was never suggested, so
the request's own makers have the last word.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import discord
from discord import app_commands
from discord.app_commands import Choice, Range

from bot.discord_ui.words import text
from bot.errors import TooBusy, UnknownJob
from bot.records import JobRecord, Member
from bot.services.limits import LIMIT_KINDS, LimitKind
from generation.errors import Refusal
from generation.job import JobId
from generation.request import MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, SEEDS

log = logging.getLogger(__name__)

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])

ASPECTS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "2:1", "1:2")
SERVERS_KNOWN_WITHIN = 1.0  #: seconds, of the 3 that Discord gives for an answer
MOST_CHOICES = 25  #: Discord's limit
MAX_CHOICE = 100  #: characters of a choice, Discord's limit


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a slash command."""

    annotation: Any  #: its type, as discord.py reads it
    description: str
    required: bool = False


LEAST_OFFERED = 0.05  #: strength; less changes nothing that one sees

#: How a picture is asked for: by the names of DrawingOptions, and the pictures themselves.
DRAWING = {
    "prompt": Option(Range[str, 1, MAX_PROMPT], "What to draw", required=True),
    "negative_prompt": Option(Range[str, 1, MAX_PROMPT], "What to keep out of the picture"),
    "aspect": Option(str, "Width to height, such as 3:2 or 9:16; 1:1 by default"),
    "steps": Option(
        Range[int, 1, MAX_STEPS],
        f"1 to {MAX_STEPS} denoising steps: more is slower and often finer; each model has its default",
    ),
    "guidance": Option(
        Range[float, 0.0, MAX_GUIDANCE],
        f"0 to {MAX_GUIDANCE:g}: how closely to follow the prompt; each model has its default",
    ),
    "seed": Option(
        Range[int, 0, SEEDS - 1],
        f"0 to {SEEDS - 1}: the same seed and parameters draw the same picture; random by default",
    ),
    "count": Option(Range[int, 1, MAX_COUNT], f"1 to {MAX_COUNT} pictures; 1 by default"),
    "image": Option(discord.Attachment, "A picture to begin with"),
    "strength": Option(
        Range[float, LEAST_OFFERED, 1.0], f"{LEAST_OFFERED:g} to 1: how much the picture is changed; 0.6 by default"
    ),
    "mask": Option(discord.Attachment, "A picture of the same shape that is white where the image is drawn anew"),
    "lora": Option(str, "LoRAs with weights from -2 to 2, such as chalk:0.8, ink:0.4"),
    "scheduler": Option(str, "How noise is removed; each model has its default"),
    "model": Option(str, "Which model draws; /models lists them"),
}


def _limit(kind: LimitKind) -> Option:
    number = int if kind.is_whole else float
    return Option(Range[number, number(kind.least), number(kind.most)], kind.meaning)  # pyright: ignore


LIMITS = {kind.name: _limit(kind) for kind in LIMIT_KINDS}  #: what can be set


def takes(options: Mapping[str, Option]) -> Callable[[C], C]:
    """Let a command have these options, before its own; its callback gets them all by name."""

    def with_options(callback: C) -> C:
        signature = inspect.signature(callback)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        given = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if option.required else None,
                annotation=option.annotation if option.required else option.annotation | None,
            )
            for name, option in options.items()
        ]
        wrapped: Any = callback
        wrapped.__signature__ = signature.replace(parameters=[*own[:2], *given, *own[2:]])
        return app_commands.describe(**{name: option.description for name, option in options.items()})(callback)

    return with_options


def job_id(typed: str) -> JobId:
    """The job somebody chose or typed. Raises UnknownJob."""
    try:
        return UUID(typed.strip())
    except ValueError:
        raise UnknownJob from None


def described(job: JobRecord) -> str:
    """A job in a line of suggestions; the time and the seed tell it from its twins."""
    prompt, pictures = " ".join(job.request.prompt.split()), text.counted(job.request.count, "picture")
    return f"{job.accepted_at:%H:%M:%S} UTC, {job.requester_name}, {pictures}, seed {job.request.seed}: {prompt}"


def suggestions(typed: str, offered: Iterable[tuple[str, str]]) -> list[Choice[str]]:
    """Of the (shown, value) pairs those that contain what was typed, those that begin with it first."""
    sought = typed.strip().casefold()
    fitting = [
        (not shown.casefold().startswith(sought), Choice(name=_cut(shown), value=value))
        for shown, value in offered
        if sought in shown.casefold() and len(value) <= MAX_CHOICE
    ]
    return [choice for _, choice in sorted(fitting, key=lambda pair: pair[0])][:MOST_CHOICES]


async def choices(
    what: str, typed: str, load: Awaitable[Iterable[JobRecord]], shown: Callable[[JobRecord], str]
) -> list[Choice[str]]:
    """Suggestions of jobs; none where they cannot be looked up: whatever else is typed is checked later."""
    return suggestions(typed, [(shown(job), str(job.id)) for job in await looked_up(what, load) or ()])


async def looked_up(what: str, load: Awaitable[T]) -> T | None:
    """What there is to suggest; None where it cannot be looked up, or is not theirs to see."""
    try:
        return await load
    except Refusal:
        return None
    except Exception:
        log.exception("no suggestions for %s", what)
        return None


def member_of(interaction: discord.Interaction) -> Member:
    """The member who used a command or pressed a button, with the rights they have in that channel."""
    user, rights, in_server = interaction.user, interaction.permissions, interaction.guild_id is not None
    return Member(
        id=str(user.id),
        name=user.display_name,
        server=str(interaction.guild_id) if in_server else None,
        channel=str(interaction.channel_id),
        parent=_parent(interaction.channel),
        roles=_roles(user),
        joined_at=_joined_at(user),
        is_moderator=in_server and rights.manage_messages,
        is_admin=in_server and rights.manage_guild,
    )


async def requester_of(interaction: discord.Interaction) -> Member:
    """Like `member_of`, with the roles asked for while discord.py does not know the server yet.

    Raises TooBusy while the server is not known.
    """
    member, server = member_of(interaction), interaction.guild_id
    if server is None or interaction.client.get_guild(server) is not None:
        return member
    return replace(member, roles=_roles(await _fetched(interaction.client, server, interaction.user.id)))


async def _fetched(client: discord.Client, server: int, user: int) -> discord.Member:
    with suppress(TimeoutError):
        async with asyncio.timeout(SERVERS_KNOWN_WITHIN):
            await client.wait_until_ready()
    guild = client.get_guild(server)
    if guild is None:
        raise TooBusy
    return await guild.fetch_member(user)


def rights_of_reaction(client: discord.Client, payload: discord.RawReactionActionEvent) -> discord.Permissions:
    """What the member who reacted may do in that channel. Rights that cannot be known are rights not given."""
    member, channel = payload.member, client.get_channel(payload.channel_id)
    if member is not None and isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        # A thread whose parent is not in the cache cannot say.
        with suppress(discord.ClientException):
            return channel.permissions_for(member)
    return discord.Permissions.none()


async def member_of_reaction(client: discord.Client, payload: discord.RawReactionActionEvent, job: JobRecord) -> Member:
    """The member who put a reaction on a job's message. Raises TooBusy while the server is not known."""
    if payload.guild_id is not None and payload.member is None:
        payload.member = await _fetched(client, payload.guild_id, payload.user_id)
    member, rights = payload.member, rights_of_reaction(client, payload)
    user = member or client.get_user(payload.user_id)
    # In a direct message Discord does not say who it is, but then nobody else is there.
    name = user.display_name if user else job.requester_name
    return Member(
        id=str(payload.user_id),
        name=name,
        server=str(payload.guild_id) if payload.guild_id is not None else None,
        channel=str(payload.channel_id),
        parent=_parent(client.get_channel(payload.channel_id)),
        roles=_roles(member),
        joined_at=_joined_at(member),
        is_moderator=rights.manage_messages,
        is_admin=rights.manage_guild,
    )


def _roles(user: discord.User | discord.Member | None) -> tuple[str, ...]:
    return tuple(str(role.id) for role in user.roles) if isinstance(user, discord.Member) else ()


def _joined_at(user: discord.User | discord.Member | None) -> datetime | None:
    return user.joined_at if isinstance(user, discord.Member) else None


def _parent(channel: object) -> str | None:
    return str(channel.parent_id) if isinstance(channel, discord.Thread) else None


def _cut(shown: str) -> str:
    return shown if len(shown) <= MAX_CHOICE else shown[: MAX_CHOICE - 1] + "…"
