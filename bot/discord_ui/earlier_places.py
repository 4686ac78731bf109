"""Where a job of an earlier run was to be shown. Before anything new is sent, what was sent then is looked for."""

import logging
from datetime import timedelta
from uuid import UUID

import discord
from discord.http import Route

from bot.discord_ui.content import Content
from bot.discord_ui.errors import UNKNOWN_MESSAGE, is_passing
from bot.discord_ui.places import Channel, Place
from bot.storage.records import Clock, JobRecord

log = logging.getLogger(__name__)

LOOKED_AT = 100  #: messages of a channel, the newest and those from the moment when ours would have been sent
_EPHEMERAL = discord.MessageFlags(ephemeral=True).value
_CLOCKS_DIFFER = timedelta(seconds=30)  #: at most, Discord's and ours


class EarlierPlace(Place):
    """A stored row's place. The process may have died between a message and the row that should have named it."""

    def __init__(self, client: discord.Client, clock: Clock, record: JobRecord) -> None:
        super().__init__(
            client,
            clock,
            channel=int(record.channel),
            message=int(record.message) if record.message else None,
            reply_to=int(record.reply_to) if record.reply_to else None,
            requester=record.requester_name,
            token_expires=record.token_expires if record.interaction_token else None,
        )
        self._token = record.interaction_token or ""
        #: When a message may have been sent that the row does not know: the answer, and later one with the pictures.
        self._moments = (record.accepted_at, *((record.rendered_at,) if record.rendered_at else ()))

    async def _open(self, content: Content) -> int:
        answer = await self._answer() if self._has_token else None
        if answer is None:
            self._token_expires = None  # the token reaches its own answer only, not what is sent now
            return await self._send(content)
        await self._edit(content, answer)
        return answer

    async def _answer(self) -> int | None:
        """The message that answered the command, if that was answered at all."""
        route = Route(
            "GET",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=self._client.application_id or 0,
            webhook_token=self._token,
        )
        try:
            answer = await self._client.http.request(route)
            # A private one was a refusal: nobody else would see the pictures in it.
            return None if answer.get("flags", 0) & _EPHEMERAL else int(answer["id"])
        except discord.HTTPException as error:
            if is_passing(error):
                raise
            log.info("the command has no answer yet: %s", error)
            return None  # and it can be given none any more

    async def _edit_by_token(self, content: Content, message: int) -> None:
        webhook = discord.Webhook.partial(self._client.application_id or 0, self._token, client=self._client)
        try:
            await webhook.edit_message(message, **content.to_edit())
        except discord.NotFound as error:
            if error.code != UNKNOWN_MESSAGE:
                raise
            # Either it is deleted, or the bot sent it by itself and the token does not reach it: the channel knows.
            self._token_expires = None
            await self._channel.get_partial_message(message).edit(**content.to_edit())

    async def _send(self, content: Content, *, nonce_of: UUID | None = None, elsewhere: Channel | None = None) -> int:
        channel = elsewhere or self._channel
        sent = await self._sent(channel, content.job_id)
        if sent is None:
            return await super()._send(content, nonce_of=nonce_of, elsewhere=elsewhere)
        await channel.get_partial_message(sent).edit(**content.to_edit())
        return sent

    async def _sent(self, channel: Channel, job_id: UUID) -> int | None:
        """Our own message about the job, if one is there already: nobody gets the same picture twice."""
        myself = self._client.user.id if self._client.user else None
        # The newest too: what an earlier start sent may have come long after those moments.
        histories = [channel.history(limit=LOOKED_AT)]
        histories += [
            channel.history(limit=LOOKED_AT, after=moment - _CLOCKS_DIFFER, oldest_first=True)
            for moment in self._moments
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
