"""The message that counts the pictures of one prompt, and the thread or the replies in which they are posted."""

import logging
from collections.abc import Sequence
from uuid import UUID

import discord

from bot.discord_ui import permissions
from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.delivery.post import Desk, Ticket
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.discord_ui.words import batches as words
from bot.discord_ui.words.batches import BatchContent
from bot.errors import StorageFault
from bot.records import JobRecord, Place
from bot.retrying import PATIENT, retried

log = logging.getLogger(__name__)


class BatchPost:
    """One batch's message. What it counts is read from the rows, so that a restart changes nothing."""

    def __init__(self, desk: Desk, batch: UUID, place: Place, requester: str) -> None:
        self._desk = desk
        self._batch = batch
        self._place = place
        self._requester = requester
        self._messages = Messages(desk.client, desk.clock)
        self._shown: str | None = None

    async def open(self, interaction: discord.Interaction, prompt: str) -> None:
        """Answer with it. Raises what Discord said, one of UNSENT, and StorageFault."""
        content = await self._content(prompt)
        self._place = await self._messages.answer(interaction, self._place, content)
        self._shown = content.text

    async def settle(self, interaction: discord.Interaction, prompt: str) -> Place:
        """Return where the pictures go: to a thread below the message if there may be one, else they answer it."""
        message = int(self._place.message or 0)
        channel, rights = interaction.channel, interaction.app_permissions
        if isinstance(channel, discord.TextChannel) and permissions.may_open_thread(rights):
            try:
                thread = await channel.get_partial_message(message).create_thread(name=words.title(prompt))
            except UNSENT as error:
                log.info("no thread below message %s: %r", message, error)
            else:
                return Place(channel=str(thread.id))
        answers = interaction.guild_id is None or rights.read_message_history
        return Place(channel=self._place.channel, reply_to=str(message) if answers else None)

    async def follow(self, tickets: Sequence[Ticket]) -> None:
        """Show how far they are, until all are over."""
        pacer = self._desk.pacer
        seconds = pacer.message_interval
        for ticket in tickets:
            is_over = False
            while not is_over:
                is_over = await self._desk.wait(ticket, seconds)
                seconds = await self._show(must=False)  # also where each is over sooner than that
        pacer.leave(self._batch)
        await self._show(must=True)

    async def _show(self, *, must: bool) -> float:
        """Return the seconds after which to look again."""
        pacer = self._desk.pacer
        try:
            content = await self._content()
            if content.text == self._shown:
                return pacer.message_interval
            if not must and (seconds := pacer.ask(self._batch, self._place.channel, 0)) > 0:
                return seconds
            await retried(
                lambda: self._messages.edit(self._place, content),
                PATIENT,
                passing=is_passing,
                doing=f"counting batch {self._batch}",
            )
            self._shown = content.text
        except (*UNSENT, StorageFault) as error:
            log.info("batch %s is not counted in its message: %r", self._batch, error)
        return pacer.message_interval

    async def _content(self, prompt: str | None = None) -> BatchContent:
        count = await self._desk.images.batch(self._batch)
        return BatchContent(job_id=self._batch, requester=self._requester, count=count, prompt=prompt)


async def earlier_post(desk: Desk, batch: UUID, job: JobRecord) -> BatchPost | None:
    """Return the message of a batch of an earlier run, to which this job belongs; None where it is not known."""
    channel, message = job.place.channel, job.place.reply_to
    if message is None:
        try:
            thread = await desk.client.fetch_channel(int(channel))
        except UNSENT as error:
            log.info("the thread of batch %s is not there: %r", batch, error)
            return None
        if not isinstance(thread, discord.Thread):
            return None
        # A thread has the id of the message that it is below.
        channel, message = str(thread.parent_id), channel
    return BatchPost(desk, batch, Place(channel=channel, message=message), job.requester_name)


async def follow_earlier(desk: Desk, job: JobRecord, tickets: Sequence[Ticket]) -> None:
    """Go on counting the batch to which this job of an earlier run belongs."""
    if job.batch is not None and (post := await earlier_post(desk, job.batch, job)) is not None:
        await post.follow(tickets)
