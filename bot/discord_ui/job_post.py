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
from bot.discord_ui.handover import Handover
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.discord_ui.retries import written_down
from bot.services.errors import Quarantined, StorageFault, UnknownJob
from bot.services.images import ImageService, JobRecord
from bot.storage.patience import patiently
from bot.storage.records import Clock
from generation.errors import Cancelled, Interrupted, KnownError, Postponed
from generation.job import Job, JobStatus
from generation.request import GenerationRequest
from generation.ticket import JobTicket, Progress

log = logging.getLogger(__name__)

#: Waits for a ticket's result, so many seconds at most, and says whether it is there.
Wait: TypeAlias = Callable[[JobTicket, float], Awaitable[bool]]

_News: TypeAlias = tuple[int | None, bool, int, datetime | None]  #: place, loading, step, when it will be done

RERUN_EMOJI = "🔁"
_ESTIMATE_TOLERANCE = 5.0  #: seconds
_SOMETHING_WENT_WRONG = "Something went wrong while drawing. It was not counted."
_CANNOT_READ = "The pictures are there, but I cannot read them at the moment. They follow as soon as I can."
_ENDS = {kind.code: kind for kind in (Cancelled, Interrupted, StorageFault)}  #: by the row's error code
_BAD_ENDS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})
_WORTH_SAYING = 3.0  #: seconds; sooner than that the picture itself is the news


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
        ping_after: timedelta | None = None,
    ) -> None:
        self._client = client
        self._place = place
        self._images = images
        self._clock = clock
        self._pacer = pacer
        self._handover = Handover(place, pacer=pacer, lines=lines)
        self._ping_after = ping_after  #: waits longer than this end with a ping
        self._wait = wait
        self._shown: _News | None = None  #: the progress that the message shows
        self._hinted: tuple[str | None] | None = None  #: the hint, once it was looked for
        self._done_at: datetime | None = None  #: when the job will be done, as the message says

    async def open(self, ticket: JobTicket) -> None:
        """Say for the first time that the job is in line."""
        progress = ticket.progress
        self._shown = self._news(progress)
        await self._place.say(self._content(ticket.job, progress))

    async def resume(self, ticket: JobTicket) -> None:
        """The same for a job of an earlier run, whose message may be missing or show what was going on then."""
        if self._place.message_id is None:
            try:
                progress = ticket.progress
                news = self._news(progress)
                await self._handover.insist(self._content(ticket.job, progress))
                self._shown = news
            except UNSENT as error:
                log.info("the message of job %s cannot be found or sent: %r", ticket.job.id, error)
        await self.follow(ticket, first_look=0.0)

    async def follow(self, ticket: JobTicket, *, first_look: float | None = None) -> None:
        """Show the job's progress, for the first time after `first_look` seconds, then its end."""
        job = ticket.job
        try:
            await self._note_message(job)
            await self._show_progress(ticket, first_look)
            await ticket.result()
        except Postponed:
            await self.postpone(job)
        except Exception as error:
            if not isinstance(error, KnownError):  # a fault of ours: nobody follows the job now, so nobody pays for it
                await written_down(lambda: self._images.abandon(job.id), doing=f"the end of job {job.id}")
            await self._apologize(job, error)
        else:
            await self.deliver(job)
        finally:
            self._pacer.leave(job.id)

    async def deliver(self, job: Job | JobRecord, *, quietly: bool = False) -> None:
        """Post the pictures of a rendered job: files and final buttons in one edit; or say why there are none.

        What fails only for the moment leaves the row as it is and is tried again later, then `quietly`.
        """
        try:
            record = await self._images.job(job.id)
            if record.status is not JobStatus.RENDERED:
                return  # posted meanwhile: whoever asked for this knew the job from before
            pictures = await patiently(lambda: self._images.pictures(job.id), doing=f"the pictures of job {job.id}")
            content = await asyncio.to_thread(
                Content.result, record, self._place.requester, pictures, self._hint(record.request)
            )
            await self._handover.deliver(content, int(record.requester))
        except UnknownJob:
            return  # deleted meanwhile
        except UNSENT as error:
            log.warning("the pictures of job %s cannot be posted: %r", job.id, error)
            if isinstance(error, discord.HTTPException) and not is_passing(error):
                await self._keep(job, error)
        except StorageFault as error:
            log.warning("the pictures of job %s cannot be read: %s", job.id, error)
            if not quietly:
                await self._end(Content.ended(job.id, job.request, self._place.requester, _CANNOT_READ, again=False))
        except Exception as error:
            code = error.code if isinstance(error, KnownError) else "unexpected"
            await written_down(lambda: self._images.fail(job.id, code), doing=f"the end of job {job.id}")
            await self._apologize(job, error)
        else:
            await self._posted(record)

    async def _keep(self, job: Job | JobRecord, error: discord.HTTPException) -> None:
        """No way leads to its requester: the pictures stay until they ask for them."""
        code = f"discord_{error.code or error.status}"
        await written_down(lambda: self._images.keep(job.id, code), doing=f"what is kept of job {job.id}")
        if is_too_large(error):
            words = "The pictures are too large to be posted here. `/result` shows them to you elsewhere."
            await self._end(Content.ended(job.id, job.request, self._place.requester, words))

    async def _note_message(self, job: Job) -> None:
        if self._place.message_id is not None:
            message, channel = str(self._place.message_id), str(self._place.channel_id)
            await written_down(
                lambda: self._images.answered(job.id, message, channel=channel), doing=f"the message of job {job.id}"
            )

    async def postpone(self, job: Job | JobRecord) -> None:
        """Say that the process stops and goes on with the job when it is back; whoever misses it sees it go on."""
        await self._end(Content.postponed(job.id, job.request, self._place.requester))

    async def tell_end(self, job: JobRecord) -> None:
        """Say what became of a job of an earlier run, as far as its row knows, and while that is still so."""
        try:
            job = await self._images.job(job.id)
        except UnknownJob:
            return  # deleted meanwhile
        except StorageFault as error:
            log.warning("the end of job %s is told after the next start: %s", job.id, error)
            return
        if job.status not in _BAD_ENDS:
            return  # an admin let it try again
        if job.error_code == Quarantined.code:
            in_server = job.server is not None
            await self._tell(job, Quarantined(in_server=in_server).user_text, again=not in_server)
            return
        kind = _ENDS.get(job.error_code or "")
        await self._tell(job, kind().user_text if kind is not None else _SOMETHING_WENT_WRONG)

    async def _posted(self, job: JobRecord) -> None:
        """The pictures are there: the row first, so that whoever waited long is called once at most."""
        message = str(self._place.message_id) if self._place.message_id is not None else None
        first = await written_down(
            lambda: self._images.posted(job.id, message, channel=str(self._place.channel_id)),
            doing=f"the post of job {job.id}",
        )
        if self._place.is_private:
            return
        if first and self._ping_after is not None and self._clock() - job.accepted_at > self._ping_after:
            try:
                words = "your picture is ready." if job.request.count == 1 else "your pictures are ready."
                await self._place.ping(job.id, int(job.requester), words)
            except UNSENT as error:
                log.info("nobody could be called for job %s: %r", job.id, error)
        await self._invite_rerun()

    async def _apologize(self, job: Job | JobRecord, error: Exception) -> None:
        words = errors.words_for(error, doing=f"job {job.id}")
        if isinstance(error, Cancelled) and self._images.stopped_by_moderator(job.id):
            words = "Cancelled by a moderator. It was not counted."
        await self._tell(job, words)

    async def _tell(self, job: Job | JobRecord, words: str, *, again: bool = True) -> None:
        """Say that the job came to nothing. Whoever cannot be reached at the moment is told at the next start."""
        if await self._end(Content.ended(job.id, job.request, self._place.requester, words, again=again)):
            await written_down(lambda: self._images.told(job.id), doing=f"the last word on job {job.id}")

    async def _end(self, content: Content) -> bool:
        """Say that there will be no pictures. False when trying again later may help; else the matter is closed."""
        try:
            await self._handover.insist(content)
        except UNSENT as error:
            log.info("nobody could be told the end of job %s: %r", content.job_id, error)
            return not is_passing(error)
        return True

    async def _show_progress(self, ticket: JobTicket, first_look: float | None) -> None:
        """Edit the message whenever there is something new and the pacer agrees, until the job is over."""
        refused = False
        delay = self._pacer.message_interval if first_look is None else first_look
        while not await self._wait(ticket, delay):
            delay, progress = self._pacer.message_interval, ticket.progress
            news = self._news(progress)
            if refused or news == self._shown:
                continue
            # Asked before anything is put into words: most of those who wait may show nothing now.
            wait = self._pacer.ask(ticket.job.id, str(self._place.channel_id), progress.place or 0)
            if wait > 0:
                delay = wait
                continue
            try:
                await self._place.say(self._content(ticket.job, progress))
                self._shown = news
            except UNSENT as error:
                # The next progress is as good as this one. After a refusal there is none: Discord would refuse it
                # again, and too many refusals ban the address.
                refused = not is_passing(error)
                log.info("progress of job %s was not shown: %r", ticket.job.id, error)

    def _news(self, progress: Progress) -> _News:
        """What the words of this progress would be made of; cheap, unlike the words."""
        self._done_at = self._estimate(progress.seconds_left)
        return progress.place, progress.loading, progress.step, self._done_at

    def _content(self, job: Job, progress: Progress) -> Content:
        return Content.progress(
            job.id, job.request, self._place.requester, progress, done_at=self._done_at, hint=self._hint(job.request)
        )

    def _hint(self, request: GenerationRequest) -> str | None:
        """The same for the whole life of the job, so looked for once."""
        if self._hinted is None:
            self._hinted = (self._images.hint_for(request),)
        return self._hinted[0]

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
