"""One job's message, from 'in line' to the pictures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import discord

from bot.discord_ui import errors, permissions
from bot.discord_ui.content import Content
from bot.discord_ui.errors import UNSENT, is_passing, is_too_large
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.discord_ui.retries import through_dropped_connections
from bot.services.errors import StorageFault, UnknownJob
from bot.services.images import ImageService, JobRecord
from generation.errors import Interrupted
from generation.job import Job, JobId
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

#: Waits for a ticket's result, so many seconds at most, and says whether it is there.
Wait: TypeAlias = Callable[[JobTicket, float], Awaitable[bool]]

RERUN_EMOJI = "🔁"
_RESULT_ATTEMPTS = 7  #: about 16 seconds of a dropped connection


class JobPost:
    """Shows one job where its requester waits. Progress when the pacer allows it, the result at once."""

    def __init__(
        self,
        client: discord.Client,
        place: Place,
        images: ImageService,
        *,
        pacer: EditPacer,
        lines: asyncio.Semaphore,
        wait: Wait = JobTicket.wait,
    ) -> None:
        self._client = client
        self._place = place
        self._images = images
        self._pacer = pacer
        self._lines = lines  #: how many results may be on their way at once, over all posts
        self._wait = wait
        self._shown: str | None = None  #: the progress that the message shows

    async def open(self, ticket: JobTicket) -> None:
        """Say for the first time that the job is in line."""
        content = self._progress(ticket)
        await self._place.say(content)
        self._shown = content.text

    async def follow(self, ticket: JobTicket) -> None:
        """Show the job's progress, then its end."""
        job = ticket.job
        try:
            await self._images.answered(job.id, str(self._place.message_id), channel=str(self._place.channel_id))
            await self._show_progress(ticket)
            await ticket.result()
            await self.deliver(job.id)
        except Exception as error:
            words = errors.words_for(error, doing=f"job {job.id}")
            await self.end(Content.ended(job.id, job.request, self._place.requester, words))
        finally:
            self._pacer.leave(job.id)

    async def deliver(self, job_id: JobId) -> None:
        """Post the pictures of a rendered job: files and final buttons in one edit. Raises StorageFault."""
        try:
            job = await self._images.job(job_id)
            content = Content.result(job, self._place.requester, await self._images.pictures(job_id))
        except UnknownJob:
            return  # deleted meanwhile
        except StorageFault as error:
            await self._images.undeliverable(job_id, error.code)
            raise
        try:
            await self._insist(content)
        except UNSENT as error:
            log.warning("the pictures of job %s cannot be posted: %r", job_id, error)
            # Where only the connection fails the row stays 'rendered': the next start posts it.
            if isinstance(error, discord.HTTPException) and not is_passing(error):
                await self._images.undeliverable(job_id, f"discord_{error.code or error.status}")
        else:
            await self._images.posted(job_id, str(self._place.message_id), channel=job.channel)
            await self._invite_rerun()

    async def interrupt(self, job: Job | JobRecord) -> None:
        """Say that the process stopped before the job was done."""
        await self.end(Content.ended(job.id, job.request, self._place.requester, Interrupted().user_text))

    async def end(self, content: Content) -> None:
        """Say that there will be no pictures. The row knows it already; a message that is gone changes nothing."""
        try:
            await self._insist(content)
        except UNSENT as error:
            log.info("nobody could be told the end of job %s: %r", content.job_id, error)

    async def _insist(self, content: Content) -> None:
        """Say something that must arrive: before any progress, and again where a connection drops."""
        async with self._lines:
            with self._pacer.posting(str(self._place.channel_id)):
                try:
                    await through_dropped_connections(lambda: self._place.say(content), attempts=_RESULT_ATTEMPTS)
                except discord.HTTPException as error:
                    if not is_too_large(error) or not content.attachments:
                        raise
                    lighter = await asyncio.to_thread(content.lighter)
                    await through_dropped_connections(lambda: self._place.say(lighter), attempts=_RESULT_ATTEMPTS)

    async def _show_progress(self, ticket: JobTicket) -> None:
        """Edit the message whenever there is something new and the pacer agrees, until the job is over."""
        refused = False
        delay = self._pacer.message_interval
        while not await self._wait(ticket, delay):
            delay = self._pacer.message_interval
            content = self._progress(ticket)
            if refused or content.text == self._shown:
                continue
            wait = self._pacer.ask(ticket.job.id, str(self._place.channel_id), ticket.progress.place or 0)
            if wait > 0:
                delay = wait
                continue
            try:
                await self._place.say(content)
                self._shown = content.text
            except UNSENT as error:
                # The next progress is as good as this one. After a refusal there is none: Discord would refuse it
                # again, and too many refusals ban the address.
                refused = not is_passing(error)
                log.info("progress of job %s was not shown: %r", ticket.job.id, error)

    def _progress(self, ticket: JobTicket) -> Content:
        return Content.progress(ticket.job.id, ticket.job.request, self._place.requester, ticket.progress)

    async def _invite_rerun(self) -> None:
        """Put the first reaction there, so that everybody else needs one click."""
        place = self._place
        if place.message_id is None or not permissions.may_react(self._client, place.channel_id):
            return
        message = self._client.get_partial_messageable(place.channel_id).get_partial_message(place.message_id)
        try:
            await message.add_reaction(RERUN_EMOJI)
        except UNSENT as error:
            log.debug("no reaction on message %s: %r", place.message_id, error)
