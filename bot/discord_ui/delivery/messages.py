"""Sends and edits one job's message, wherever its place is. A place is a value: what moves it returns the new one."""

import logging
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid5

import discord

from bot.clock import Clock
from bot.discord_ui.unsent import ALREADY_ACKNOWLEDGED, UNKNOWN_MESSAGE, UNSENT, is_passing
from bot.discord_ui.words.content import Content, Sayable
from bot.records import Place
from bot.retrying import PROMPT, retried

log = logging.getLogger(__name__)

Channel: TypeAlias = discord.PartialMessageable | discord.DMChannel

LOOKED_AT = 100  #: messages of a channel, the newest and those from the moment when ours would have been sent
_TOKEN_MARGIN = timedelta(seconds=30)  #: an edit sent later than this before the end may arrive too late
_CLOCKS_DIFFER = timedelta(seconds=30)  #: at most, Discord's and ours


class Messages:
    """Edits go through the interaction's token while it lives, then through the bot's own rights.

    For a job of an earlier run the process may have died between a message and the row that should have named it: with
    `sent_since`, the moments when that may have been, what was sent then is looked for before anything new is sent.
    """

    def __init__(self, client: discord.Client, clock: Clock, *, sent_since: tuple[datetime, ...] = ()) -> None:
        self.client = client
        self._clock = clock
        self._sent_since = sent_since

    async def answer(self, interaction: discord.Interaction, place: Place, content: Sayable) -> Place:
        """Answer a command or a button with this, for the first time."""
        dropped, begun = False, interaction.response.is_done()  # begun: everybody sees that the bot is thinking

        async def acknowledge() -> int | None:
            nonlocal dropped
            try:
                if begun:
                    return (await interaction.edit_original_response(**content.to_edit())).id
                return (await interaction.response.send_message(**content.to_send())).message_id
            except UNSENT as error:
                if dropped and isinstance(error, discord.HTTPException) and error.code == ALREADY_ACKNOWLEDGED:
                    return None  # the first attempt had arrived, only its answer was lost
                dropped = dropped or is_passing(error)
                raise

        sent = await retried(acknowledge, PROMPT, passing=is_passing, doing=f"the answer of job {content.job_id}")
        if sent is None:
            doing = f"finding the answer of job {content.job_id}"
            sent = (await retried(interaction.original_response, PROMPT, passing=is_passing, doing=doing)).id
        return replace(place, message=str(sent))

    async def say(self, place: Place, content: Content) -> Place:
        """Show this: the first time as a new message, then by editing it."""
        return await (self.send if place.message is None else self.edit)(place, content)

    async def send(
        self, place: Place, content: Content, *, nonce_of: UUID | None = None, channel: Channel | None = None
    ) -> Place:
        """Show this in a new message; with a nonce, a second attempt finds the first one's. The token is left behind:
        it reaches its own answer only."""
        there = channel or self.channel(place)
        sent = await self.sent_before(there, content.job_id)
        if sent is not None:
            await there.get_partial_message(sent).edit(**content.to_edit())
        else:
            arguments = content.to_send()
            if place.reply_to is not None and channel is None:
                arguments["reference"] = discord.MessageReference(
                    message_id=int(place.reply_to), channel_id=int(place.channel), fail_if_not_exists=False
                )
            sent = (await there.send(**arguments, nonce=_nonce(nonce_of or content.job_id))).id
        reply_to = place.reply_to if channel is None else None
        return Place(channel=str(there.id), message=str(sent), reply_to=reply_to)

    async def edit(self, place: Place, content: Sayable) -> Place:
        """Show this in the message that is there."""
        message = int(place.message or 0)
        if self._reaches(place):
            webhook = discord.Webhook.partial(self.client.application_id or 0, place.token or "", client=self.client)
            try:
                await webhook.edit_message(message, **content.to_edit())
                return place
            except discord.HTTPException as error:
                # A message of an earlier run may be another one than the token's own answer: the channel knows.
                is_gone = error.code == UNKNOWN_MESSAGE and not self._sent_since
                if is_gone or error.status not in (401, 404):
                    raise
                log.info("the token of message %s does not reach it: %s", message, error)
                place = replace(place, token=None)
        await self.channel(place).get_partial_message(message).edit(**content.to_edit())
        return place

    async def ping(self, place: Place, job_id: UUID, user: str, words: str) -> None:
        """A few words below the message that notify a member who waited long. An edit notifies nobody."""
        await self.channel(place).send(
            f"<@{user}> {words}",
            reference=discord.MessageReference(message_id=int(place.message or 0), channel_id=int(place.channel)),
            allowed_mentions=discord.AllowedMentions(users=[discord.Object(user)], replied_user=False),
            nonce=_nonce(uuid5(job_id, "ping")),
        )

    async def react(self, place: Place, emoji: str) -> None:
        """Put a reaction on the message."""
        await self.channel(place).get_partial_message(int(place.message or 0)).add_reaction(emoji)

    def channel(self, place: Place) -> discord.PartialMessageable:
        """Partial: after a restart, or in a thread that was asleep, the cache need not know the channel."""
        return self.client.get_partial_messageable(int(place.channel))

    def _reaches(self, place: Place) -> bool:
        expires = place.token_expires
        return place.token is not None and expires is not None and self._clock() < expires - _TOKEN_MARGIN

    async def sent_before(self, channel: Channel, job_id: UUID) -> int | None:
        """Our own message about the job, if one is there already: nobody gets the same picture twice. Raises what
        Discord said, if that may pass."""
        if not self._sent_since:
            return None
        myself = self.client.user.id if self.client.user else None
        # The newest too: what an earlier start sent may have come long after those moments.
        histories = [channel.history(limit=LOOKED_AT)]
        histories += [
            channel.history(limit=LOOKED_AT, after=moment - _CLOCKS_DIFFER, oldest_first=True)
            for moment in self._sent_since
        ]
        try:
            for history in histories:
                async for message in history:
                    if message.author.id == myself and _is_about(message, job_id):
                        return message.id
        except discord.HTTPException as error:
            if is_passing(error):
                raise
            log.info("what was sent to channel %s cannot be read: %s", channel.id, error)
        return None


def _is_about(message: discord.Message, job_id: UUID) -> bool:
    """A job's message carries its id in the buttons, or in the footer where buttons make no sense."""
    rows = (row for row in message.components if isinstance(row, discord.ActionRow))
    buttons = (child.custom_id or "" for row in rows for child in row.children)
    return any(job_id.hex in custom_id for custom_id in buttons) or any(
        str(job_id) in (embed.footer.text or "") for embed in message.embeds
    )


def _nonce(of: UUID) -> str:
    """A UUID in the 25 characters that Discord takes."""
    return urlsafe_b64encode(of.bytes).rstrip(b"=").decode()
