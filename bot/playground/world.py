"""The world of the playground: SimCord's server, channels and members, on the wall clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast

import discord
from simcord._clock import Clock
from simcord.actors import MemberActor
from simcord.backend.models import EPHEMERAL_FLAG, Interaction
from simcord.builders import ChannelHandle
from simcord.enums import AppCommandType, InteractionType
from simcord.env import Env
from simcord.preview import Preview

from .attachments import AttachmentStore
from .backend import DiscordBackend

BOT_NAME = "Imagine"
OWNER = "Ada"  #: whose application the bot is

#: What an invite link would ask for: enough to draw, nothing else.
BOT_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    add_reactions=True,
    read_message_history=True,
    external_emojis=True,
    use_application_commands=True,
)

#: Calls and events kept for a look back.
_RECORDED = 10_000

#: The interaction that the running task has just sent to the bot.
_asked: ContextVar[Interaction | None] = ContextVar("playground_asked", default=None)


#: When everything of the start was made. Ids are made from the time, so they are the same at every start.
_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class WallClock(Clock):
    """SimCord's clock with real time, which begins with `start`; nobody may move it."""

    def __init__(self) -> None:
        super().__init__()
        self._runs = False

    def start(self) -> None:
        self._runs = True

    def now(self) -> datetime:
        return datetime.now(UTC) if self._runs else _BEGINNING

    def advance(self, seconds: float) -> None:
        """Time passes by itself."""


class World(Env):
    """SimCord's environment without a bot inside: the bot is another process, and time is real."""

    def __init__(self, attachments: AttachmentStore, *, answer_within: float = 3.0) -> None:
        # SimCord wants a client for its message objects. This one never connects to anything.
        super().__init__(discord.Client(intents=discord.Intents(guilds=True)), check_errors=False)
        clock = WallClock()
        self.backend: DiscordBackend = DiscordBackend(clock=clock)
        self.backend.cdn = self.attachments = attachments
        self.answer_within = answer_within
        # SimCord keeps every call and event of a test. A playground may run for days.
        self.backend.transcript = cast("Any", deque(maxlen=_RECORDED))
        self.backend.http_requests = cast("Any", deque(maxlen=_RECORDED))
        self._started = True
        self._generation = 1
        self._loop = asyncio.get_running_loop()
        self._pulse: asyncio.Future[None] = self._loop.create_future()
        self._on_change: list[Callable[[], None]] = []
        self.views: list[Preview] = []  #: the pages' sessions; SimCord itself knows of one at most
        self.backend.subscribers.append(lambda _event, _payload: self.touch())
        self._seed()
        clock.start()

    def _seed(self) -> None:
        """Make the server. In the same order at every start: what a bot has noted about a member stays true."""
        backend = self.backend
        backend.edit_bot_profile(BOT_NAME)
        ada, ben, cleo = (self.create_user(name.lower(), global_name=name) for name in ("Ada", "Ben", "Cleo"))
        self.server = self.create_guild("Playground", owner=ada)
        for role in self.server._guild.roles.values():
            if role.managed:
                role.permissions = BOT_PERMISSIONS.value
        admins = self.server.create_role("Admins", permissions=discord.Permissions(manage_guild=True))
        artists = self.server.create_role("Artists")
        self.members: dict[str, MemberActor] = {
            "Ben": self.server.add_member(ben),
            "Cleo": self.server.add_member(cleo, roles=[artists]),
            "Ada": self.server.add_member(ada, roles=[admins]),
        }
        self.channels: dict[str, ChannelHandle] = {
            "pictures": self.server.create_text_channel("pictures", topic="Type /imagine and a prompt"),
            "general": self.server.create_text_channel("general", topic="Everything else"),
        }
        self.conversations = {name: actor.user.dm_channel for name, actor in self.members.items()}

    # ------------------------------------------------------------------------------------------------ who and where

    def member(self, who: str | int) -> MemberActor:
        """A member by name or id."""
        for name, actor in self.members.items():
            if str(who) in (name, str(actor.id)):
                return actor
        raise LookupError(f"nobody here is called {who!r}; there are {', '.join(self.members)}")

    def channel(self, where: str, who: MemberActor | None = None) -> ChannelHandle:
        """A channel or one of its threads by name; "dm" is the member's own conversation with the bot."""
        if where == "dm":
            if who is None:
                raise LookupError("a direct message needs a member")
            return who.user.dm_channel
        named = {**{thread.name: thread for thread in self.threads}, **self.channels}
        if where not in named:
            raise LookupError(f"there is no channel {where!r}; there are {', '.join(map(str, named))} and dm")
        return named[where]

    @property
    def threads(self) -> list[ChannelHandle]:
        """The threads of all channels, oldest first."""
        return [thread for channel in self.channels.values() for thread in channel.threads]

    def channel_name(self, channel_id: int) -> str:
        for user_id, dm_channel_id in self.backend.dm_channels.items():
            if dm_channel_id == channel_id:
                user = self.backend.get_user(user_id)
                return f"dm:{user.global_name or user.name}"
        return self.backend.get_channel(channel_id).name or str(channel_id)

    # ------------------------------------------------------------------------------------------------------ changes

    def on_change(self, listener: Callable[[], None]) -> None:
        self._on_change.append(listener)

    def touch(self) -> None:
        """Something changed: wake who waits. Private answers change no event stream, so the REST side calls this."""
        pulse, self._pulse = self._pulse, asyncio.get_running_loop().create_future()
        pulse.set_result(None)
        for listener in self._on_change:
            listener()

    async def until(self, condition: Callable[[], Any], within: float, what: str = "the condition") -> Any:
        """Wait until the condition holds and return its value; looked at again after every change."""
        try:
            async with asyncio.timeout(within):
                while not (value := condition()):
                    await asyncio.shield(self._pulse)
        except TimeoutError:
            raise TimeoutError(f"{what}: still not so after {within:g} s") from None
        return value

    # ------------------------------------------------------------------------------- what SimCord does in its own way

    def _begin_operation(self, label: str) -> None:
        """Members may act at the same time here."""

    def _end_operation(self) -> None:
        """See `_begin_operation`."""

    def _mark_mutation(self) -> None:
        for view in self.views:
            view._mark_action_dispatched()

    def _notify_dispatch_observers(self, interaction: Interaction) -> None:
        interaction.initial_response_deadline = self.backend.iso_after(self.answer_within)
        _asked.set(interaction)
        super()._notify_dispatch_observers(interaction)

    async def _settle_internal(self, *, dispatch: str | None = None, **_: Any) -> None:
        """Wait for the bot's first answer to an interaction; for anything else there is nothing to wait for."""
        asked = _asked.get()
        if dispatch != "INTERACTION_CREATE" or asked is None:
            return
        _asked.set(None)
        try:
            await self.until(lambda: asked.responded, self.answer_within)
        except TimeoutError:
            self._say_unanswered(asked)

    def _say_unanswered(self, asked: Interaction) -> None:
        """What Discord's app shows, to that member alone, when the bot did not answer in time."""
        words = {
            InteractionType.APPLICATION_COMMAND: "The application did not respond",
            InteractionType.MESSAGE_COMPONENT: "This interaction failed",
            InteractionType.MODAL_SUBMIT: "Something went wrong. Try again.",
        }.get(InteractionType(asked.type))
        if words is None:
            return
        self.backend.create_message(
            asked.channel_id,
            self.backend.bot_user.id,
            f"\N{WARNING SIGN} {words}",
            flags=EPHEMERAL_FLAG,
            interaction_metadata={
                "id": str(asked.id),
                "type": int(asked.type),
                "user": {"id": str(asked.user_id)},
                "name": asked.command_name or "",
                "command_type": int(AppCommandType.CHAT_INPUT),
                "authorizing_integration_owners": {},
            },
            broadcast=False,
        )
        self.touch()
