"""One job's message, from 'in line' to the pictures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeAlias

import discord

from bot.discord_ui import errors, permissions
from bot.discord_ui.content import Content
from bot.discord_ui.errors import UNSENT, is_passing, is_too_large
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.discord_ui.retries import through_dropped_connections, written_down
from bot.services.errors import UnknownJob
from bot.services.images import ImageService, JobRecord
from bot.storage.records import Clock
from generation.errors import Interrupted, KnownError
from generation.job import Job
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

#: Waits for a ticket's result, so many seconds at most, and says whether it is there.
Wait: TypeAlias = Callable[[JobTicket, float], Awaitable[bool]]

RERUN_EMOJI = "🔁"
_ESTIMATE_TOLERANCE = 5.0  #: seconds
_WORTH_SAYING = 3.0  #: seconds; sooner than that the picture itself is the news
_RESULT_ATTEMPTS = 7  #: about 16 seconds of a dropped connection


class JobPost:
    """Shows one job where its requester waits. Progress when the pacer allows it, the result at once."""

    def __init__(
        self,
        client: discord.Client,
        place: Place,
        images: ImageService,
        *,
        clock: Clock,
        pacer: EditPacer,
        lines: asyncio.Semaphore,
        wait: Wait = JobTicket.wait,
    ) -> None:
        self._client = client
        self._place = place
        self._images = images
        self._clock = clock
        self._pacer = pacer
        self._lines = lines  #: how many results may be on their way at once, over all posts
        self._wait = wait
        self._shown: str | None = None  #: the progress that the message shows
        self._done_at: datetime | None = None  #: when the job will be done, as the message says

    async def open(self, ticket: JobTicket) -> None:
        """Say for the first time that the job is in line."""
        content = self._progress(ticket)
        await self._place.say(content)
        self._shown = content.text

    async def follow(self, ticket: JobTicket) -> None:
        """Show the job's progress, then its end."""
        job = ticket.job
        message, channel = str(self._place.message_id), str(self._place.channel_id)
        try:
            await written_down(
                lambda: self._images.answered(job.id, message, channel=channel), doing=f"the message of job {job.id}"
            )
            await self._show_progress(ticket)
            await ticket.result()
        except Exception as error:
            if not isinstance(error, KnownError):  # a fault of ours: nobody follows the job now, so nobody pays for it
                await written_down(lambda: self._images.abandon(job.id), doing=f"the end of job {job.id}")
            await self._apologize(job, error)
        else:
            await self.deliver(job)
        finally:
            self._pacer.leave(job.id)

    async def deliver(self, job: Job | JobRecord) -> None:
        """Post the pictures of a rendered job: files and final buttons in one edit; or say why there are none."""
        try:
            record = await self._images.job(job.id)
            pictures = await self._images.pictures(job.id)
            content = await asyncio.to_thread(
                Content.result, record, self._place.requester, pictures, self._images.hint_for(record.request)
            )
            await self._hand_over(content, record)
        except UnknownJob:
            return  # deleted meanwhile
        except UNSENT as error:
            log.warning("the pictures of job %s cannot be posted: %r", job.id, error)
            # Where only the connection fails the row stays 'rendered': the next start posts it.
            if isinstance(error, discord.HTTPException) and not is_passing(error):
                await self._images.undeliverable(job.id, f"discord_{error.code or error.status}")
        except Exception as error:
            code = error.code if isinstance(error, KnownError) else "unexpected"
            await self._images.undeliverable(job.id, code)
            await self._apologize(job, error)
        else:
            message = str(self._place.message_id)
            await written_down(
                lambda: self._images.posted(job.id, message, channel=record.channel), doing=f"the post of job {job.id}"
            )
            await self._invite_rerun()

    async def _hand_over(self, content: Content, job: JobRecord) -> None:
        """In the job's own message; where that is gone, in a new one; where the channel is closed, by direct message.

        Raises what the last way raised: then there is none left.
        """
        ways: list[Callable[[Content], Awaitable[object]]] = [
            self._place.say,
            self._place.say_anew,
            lambda content: self._place.say_privately(content, int(job.requester)),
        ]
        for number, way in enumerate(ways, 1):
            try:
                await self._insist(content, way)
                return
            except discord.HTTPException as error:
                # A fault that may pass is no reason for a second message: the next start looks after it.
                if is_passing(error) or number == len(ways):
                    raise
                log.info("the pictures of job %s go another way: %r", job.id, error)

    async def interrupt(self, job: Job | JobRecord) -> None:
        """Say that the process stopped before the job was done; whoever cannot be reached is told at the next start."""
        if await self._end(Content.ended(job.id, job.request, self._place.requester, Interrupted().user_text)):
            await written_down(lambda: self._images.told(job.id), doing=f"the last word on job {job.id}")

    async def _apologize(self, job: Job | JobRecord, error: Exception) -> None:
        words = errors.words_for(error, doing=f"job {job.id}")
        await self._end(Content.ended(job.id, job.request, self._place.requester, words))

    async def _end(self, content: Content) -> bool:
        """Say that there will be no pictures. False when trying again later may help; else the matter is closed."""
        try:
            await self._insist(content)
        except UNSENT as error:
            log.info("nobody could be told the end of job %s: %r", content.job_id, error)
            return not is_passing(error)
        return True

    async def _insist(self, content: Content, say: Callable[[Content], Awaitable[object]] | None = None) -> None:
        """Say something that must arrive: before any progress, and again where a connection drops."""
        say = say or self._place.say
        async with self._lines:
            with self._pacer.posting(str(self._place.channel_id)):
                try:
                    await through_dropped_connections(lambda: say(content), attempts=_RESULT_ATTEMPTS)
                except discord.HTTPException as error:
                    if not is_too_large(error) or not content.attachments:
                        raise
                    lighter = await asyncio.to_thread(content.lighter)
                    await through_dropped_connections(lambda: say(lighter), attempts=_RESULT_ATTEMPTS)

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
        job = ticket.job
        progress = ticket.progress
        self._done_at = self._estimate(progress.seconds_left)
        hint = self._images.hint_for(job.request)
        return Content.progress(job.id, job.request, self._place.requester, progress, done_at=self._done_at, hint=hint)

    def _estimate(self, seconds_left: float | None) -> datetime | None:
        """When the job will be done: as said before, as long as that is about right. A time that jumps helps nobody."""
        if seconds_left is None:
            return None
        now = self._clock()
        done_at = now + timedelta(seconds=seconds_left)
        if self._done_at is not None:
            tolerance = max(_ESTIMATE_TOLERANCE, 0.25 * seconds_left)
            if self._done_at > now and abs((done_at - self._done_at).total_seconds()) <= tolerance:
                return self._done_at
        return done_at if seconds_left >= _WORTH_SAYING else None

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
