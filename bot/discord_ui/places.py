"""Where one job's message is, and how to reach it: one way out for commands, reactions and recovered rows."""

import logging
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid5

import discord

from bot.discord_ui import wording
from bot.discord_ui.content import Content
from bot.discord_ui.errors import ALREADY_ACKNOWLEDGED, UNKNOWN_MESSAGE, UNSENT, is_passing
from bot.discord_ui.retries import through_dropped_connections
from bot.services.members import Whereabouts
from bot.storage.records import Clock

log = logging.getLogger(__name__)

_TOKEN_MARGIN = timedelta(seconds=30)  #: an edit sent later than this before the end may arrive too late
Channel: TypeAlias = discord.PartialMessageable | discord.DMChannel

_ACKNOWLEDGE_ATTEMPTS = 3  #: Discord waits 3 seconds for the first answer, not longer


class Place(ABC):
    """One job's message. Edits go through the interaction's token while it lives, then through the bot's own rights."""

    def __init__(
        self,
        client: discord.Client,
        clock: Clock,
        *,
        channel: int,
        message: int | None,
        requester: str,
        reply_to: int | None = None,
        token_expires: datetime | None = None,
    ) -> None:
        self.channel_id = channel
        self.message_id = message
        self.requester = f"**{wording.shown(requester)}**"  #: who is waiting, by name: nobody is pinged
        self.reply_to = reply_to
        self.is_private = False  #: the pictures went by direct message
        self._client = client
        self._clock = clock
        self._token_expires = token_expires

    @staticmethod
    def interaction(interaction: discord.Interaction, clock: Clock) -> "Place":
        """The answer to a command or a button."""
        return _InteractionPlace(interaction, clock)

    @staticmethod
    def reply(client: discord.Client, clock: Clock, *, channel: int, message: int, requester: str) -> "Place":
        """A reply to a message, such as the one that got a reaction."""
        return _ReplyPlace(client, clock, channel=channel, message=None, reply_to=message, requester=requester)

    @property
    def whereabouts(self) -> Whereabouts:
        """The same in words that survive a restart."""
        return Whereabouts(
            channel=str(self.channel_id),
            message=str(self.message_id) if self.message_id is not None else None,
            reply_to=str(self.reply_to) if self.reply_to is not None else None,
            token_expires=self._token_expires,
        )

    async def say(self, content: Content) -> None:
        """Show this: the first time as a new message, then by editing it."""
        if self.message_id is None:
            self.message_id = await self._open(content)
        else:
            await self._edit(content, self.message_id)

    async def say_anew(self, content: Content) -> None:
        """Show this as a message of its own: the old one is gone."""
        self._token_expires = None
        self.message_id = await self._send(content, nonce_of=uuid5(content.job_id, "anew"))

    async def say_in_closed_thread(self, content: Content) -> None:
        """Wake the archived thread and show this there; where that is not allowed, in the channel above it.

        Not what was asked for in a private thread: the channel above has other readers. Raises Forbidden then.
        """
        thread = await self._client.fetch_channel(self.channel_id)
        if isinstance(thread, discord.Thread):
            try:
                await thread.edit(archived=False)
            except discord.Forbidden as error:
                log.info("thread %s cannot be opened again: %s", thread.id, error)
                if thread.is_private():
                    raise
                await self._say_above(thread, content)
                return
        await self.say(content)

    async def say_privately(self, content: Content, user_id: int) -> None:
        """Show this in a direct message: the channel does not take it."""
        user = self._client.get_user(user_id) or await self._client.fetch_user(user_id)
        channel = user.dm_channel or await user.create_dm()
        nonce_of = uuid5(content.job_id, "private")
        await self._send(content.in_direct_message(self.channel_id), nonce_of=nonce_of, elsewhere=channel)
        self.is_private = True

    async def ping(self, job_id: UUID, user_id: int, words: str) -> None:
        """A few words below the message that notify whoever waited long. An edit notifies nobody."""
        if self.message_id is None:
            return
        reference = discord.MessageReference(message_id=self.message_id, channel_id=self.channel_id)
        await self._channel.send(
            f"<@{user_id}> {words}",
            reference=reference,
            allowed_mentions=discord.AllowedMentions(users=[discord.Object(user_id)], replied_user=False),
            nonce=_nonce(uuid5(job_id, "ping")),
        )

    @abstractmethod
    async def _open(self, content: Content) -> int: ...

    async def _edit(self, content: Content, message: int) -> None:
        if self._has_token:
            try:
                await self._edit_by_token(content, message)
                return
            except discord.HTTPException as error:
                if error.status not in (401, 404) or error.code == UNKNOWN_MESSAGE:
                    raise
                log.info("the token of message %s died early: %s", message, error)
                self._token_expires = None
        await self._channel.get_partial_message(message).edit(**content.to_edit())

    @property
    def _has_token(self) -> bool:
        return self._token_expires is not None and self._clock() < self._token_expires - _TOKEN_MARGIN

    async def _edit_by_token(self, content: Content, message: int) -> None:
        raise NotImplementedError("only places that have a token")

    @property
    def _channel(self) -> discord.PartialMessageable:
        # Partial: after a restart, or in a thread that was asleep, the cache need not know the channel.
        return self._client.get_partial_messageable(self.channel_id)

    async def _say_above(self, thread: discord.Thread, content: Content) -> None:
        parent = self._client.get_partial_messageable(thread.parent_id)
        nonce_of = uuid5(content.job_id, "parent")
        self.message_id = await self._send(content.in_parent_of(thread.id), nonce_of=nonce_of, elsewhere=parent)
        self.channel_id, self.reply_to, self._token_expires = thread.parent_id, None, None

    async def _send(self, content: Content, *, nonce_of: UUID | None = None, elsewhere: Channel | None = None) -> int:
        """A new message, here unless it is said where; its id. With a nonce, a second attempt finds the first one's."""
        arguments: dict[str, Any] = content.to_send()
        if self.reply_to is not None and elsewhere is None:
            arguments["reference"] = discord.MessageReference(
                message_id=self.reply_to, channel_id=self.channel_id, fail_if_not_exists=False
            )
        channel = elsewhere or self._channel
        return (await channel.send(**arguments, nonce=_nonce(nonce_of or content.job_id))).id


def _nonce(of: UUID) -> str:
    """A UUID in the 25 characters that Discord takes."""
    return urlsafe_b64encode(of.bytes).rstrip(b"=").decode()


class _InteractionPlace(Place):
    def __init__(self, interaction: discord.Interaction, clock: Clock) -> None:
        super().__init__(
            interaction.client,
            clock,
            channel=interaction.channel_id or 0,
            message=None,
            requester=interaction.user.display_name,
            token_expires=interaction.expires_at,
        )
        self._interaction = interaction

    @property
    def whereabouts(self) -> Whereabouts:
        return Whereabouts(
            channel=str(self.channel_id),
            interaction_token=self._interaction.token,
            token_expires=self._interaction.expires_at,
        )

    async def _open(self, content: Content) -> int:
        dropped = False

        async def acknowledge() -> int | None:
            nonlocal dropped
            try:
                return (await self._interaction.response.send_message(**content.to_send())).message_id
            except UNSENT as error:
                if dropped and isinstance(error, discord.HTTPException) and error.code == ALREADY_ACKNOWLEDGED:
                    return None  # the first attempt had arrived, only its answer was lost
                dropped = dropped or is_passing(error)
                raise

        message = await through_dropped_connections(acknowledge, attempts=_ACKNOWLEDGE_ATTEMPTS)
        return message if message is not None else (await self._interaction.original_response()).id

    async def _edit_by_token(self, content: Content, message: int) -> None:
        await self._interaction.edit_original_response(**content.to_edit())


class _ReplyPlace(Place):
    async def _open(self, content: Content) -> int:
        return await through_dropped_connections(lambda: self._send(content), attempts=_ACKNOWLEDGE_ATTEMPTS)
