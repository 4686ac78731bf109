"""One job's message, from 'in line' to the pictures."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TypeAlias, TypeVar

import discord

from bot.clock import Clock
from bot.discord_ui import permissions, private
from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.delivery.pacing import EditPacer
from bot.discord_ui.delivery.seen import Remark, SeenResult
from bot.discord_ui.delivery.ways import hand_over, in_fitting_form
from bot.discord_ui.surroundings import where_is
from bot.discord_ui.unsent import UNSENT, is_passing, is_too_large
from bot.discord_ui.words import errors, text
from bot.discord_ui.words.content import Content
from bot.errors import CheckFault, Quarantined, StorageFault, UnknownJob, WordRefused, is_storage_fault
from bot.records import JobRecord, Place
from bot.retrying import PATIENT, retried
from bot.services.images import ImageService
from generation.errors import Cancelled, KnownError, Postponed, Refusal
from generation.job import Job, JobStatus
from generation.ticket import JobTicket, Progress

log = logging.getLogger(__name__)

T = TypeVar("T")
Ticket: TypeAlias = JobTicket[JobRecord]
#: Waits for a ticket's result, so many seconds at most, and says whether it is there.
Wait: TypeAlias = Callable[[Ticket, float], Awaitable[bool]]
_News: TypeAlias = tuple[int | None, bool, int, datetime | None]  #: place, loading, step, when it will be done

RERUN_EMOJI = "🔁"
FIRST_LOOK = 0.7  #: seconds; a picture that takes longer is seen to begin
_ESTIMATE_TOLERANCE = 5.0  #: seconds
_BAD_ENDS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})
_WORTH_SAYING = 3.0  #: seconds; sooner than that the picture itself is the news


async def wait_for(ticket: Ticket, seconds: float) -> bool:
    """The plain Wait."""
    return await ticket.wait(seconds)


async def no_remark(job: JobRecord) -> None:
    """The plain Remark."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What all posts share."""

    client: discord.Client
    images: ImageService
    clock: Clock
    wait: Wait = wait_for
    remark: Remark = no_remark
    ping_after: timedelta | None = None  #: waits longer than this end with a ping
    pacer: EditPacer = field(default_factory=EditPacer)
    #: How many results may be on their way at once; a thousand would only be told to wait.
    lines: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(20))
    #: How many results may be in memory for that: a few more, which are judged before it is their turn.
    in_memory: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(30))


class JobPost:
    """Shows one job where its requester waits. Progress when the pacer allows it, the result at once."""

    def __init__(
        self, desk: Desk, job: Job | JobRecord, place: Place, requester: str, *, quietly: bool = False
    ) -> None:
        """`requester` is a name. A record is of an earlier run, and may have a message that its row does not know.
        `quietly`: it has no message before its end, since one of many speaks for all.
        """
        self._quietly = quietly
        self._desk = desk
        self._images = desk.images
        self._job = job
        self._place = place
        self._requester = requester
        moments = (job.accepted_at, job.rendered_at) if isinstance(job, JobRecord) else ()
        self._messages = Messages(desk.client, desk.clock, sent_since=tuple(filter(None, moments)))
        self._interaction: discord.Interaction | None = None  #: by which it was asked for, in this run
        self._shown: _News | None = None  #: the progress that the message shows
        self._done_at: datetime | None = None  #: when the job will be done, as last estimated

    async def open(self, ticket: Ticket, interaction: discord.Interaction | None) -> None:
        """Say for the first time that the job is in line. Raises what Discord said, one of UNSENT."""
        content, self._interaction = await self._content(ticket.progress), interaction
        if interaction is not None:
            self._place = await self._messages.answer(interaction, self._place, content)
        else:
            self._place = await in_fitting_form(content, lambda fitting: self._messages.send(self._place, fitting))

    async def resume(self, ticket: Ticket) -> None:
        """Follow a job of an earlier run, whose message may be missing or show what was going on then."""
        if self._place.message is None and not self._quietly:
            await self._insist(await self._content(ticket.progress))
        await self.follow(ticket, first_look=0.0)

    async def follow(self, ticket: Ticket, *, first_look: float = FIRST_LOOK) -> None:
        """Show the job's progress, for the first time after `first_look` seconds, then its end."""
        try:
            if (message := self._place.message) is not None:
                channel = self._place.channel
                await self._write(lambda: self._images.answered(self._job.id, message, channel=channel), "the message")
            await self._show_progress(ticket, first_look)
            record = await ticket.result()
        except Postponed:
            await self.postpone()
        except Exception as error:
            if not isinstance(error, KnownError):  # a fault of ours: nobody follows the job now, so nobody pays for it
                await self._write(lambda: self._images.abandon(self._job.id), "the end")
            if not self._quietly or not isinstance(error, Cancelled):
                await self._apologize(error)
        else:
            await self.deliver(record)
        finally:
            self._desk.pacer.leave(self._job.id)

    async def deliver(self, job: JobRecord, *, quietly: bool = False) -> None:
        """Post the pictures of a rendered job: files and final buttons in one edit; or say why there are none.

        What fails only for the moment leaves the row as it is and is tried again later, then `quietly`.
        """
        try:
            async with self._desk.in_memory:
                # Before others wait for its turn.
                seen = await SeenResult.judged(self._desk.client, self._images, job, self._place.channel)
                async with self._posting():
                    self._place, is_private = await hand_over(
                        self._messages,
                        self._place,
                        partial(seen.content, requester=self._requester, hint=self._hint, remark=self._desk.remark),
                        job.requester,
                        check_wanted=partial(self._images.job, job.id),
                    )
        except UnknownJob:
            return  # deleted meanwhile
        except UNSENT as error:
            log.warning("the pictures of job %s cannot be posted: %r", job.id, error)
            if isinstance(error, discord.HTTPException) and not is_passing(error):
                await self._keep(error)
        except (StorageFault, CheckFault) as error:
            log.info("the pictures of job %s are not posted yet: %s", job.id, error)
            if not quietly and await self._current() is not None:
                words = text.CANNOT_READ if isinstance(error, StorageFault) else text.CANNOT_CHECK
                await self._insist(Content.ended(job, self._requester, words, again=False))
        except Exception as error:
            code = error.code if isinstance(error, KnownError) else "unexpected"
            await self._write(lambda: self._images.fail(job.id, code), "the end")
            await self._apologize(error)
        else:
            await self._posted(job, seen, is_private=is_private)

    async def deliver_again(self) -> None:
        """The same for a job that could not be posted a while ago, if that is still so."""
        job = await self._current()
        if job is not None and job.status is JobStatus.RENDERED and not job.is_kept:
            await self.deliver(job, quietly=True)

    async def postpone(self) -> None:
        """Say that the process stops and goes on with the job when it is back; who misses it sees it go on."""
        if self._quietly:
            return
        await self._insist(Content.postponed(self._job, self._requester))

    async def tell_end(self) -> None:
        """Say what became of a job of an earlier run, as far as its row knows, and while that is still so."""
        job = await self._current()
        if job is not None and job.status in _BAD_ENDS:  # else an admin let it try again
            if job.error_code == WordRefused.code:
                await self._tell_privately(job)
                return
            # A culprit is tried again by an admin; in direct messages there is none, so its requester may.
            again = job.error_code != Quarantined.code or job.server is None
            await self._tell(errors.end_in_row(job), again=again)

    async def _tell_privately(self, job: JobRecord) -> None:
        """The channel learns that there is no picture, and no longer what was asked for; its requester why."""
        words = errors.end_in_row(job)
        is_told = await private.write(self._desk.client, int(job.requester), text.about(job, words))
        # Where direct messages are closed to us, the channel is the only way left.
        await self._close(Content.withdrawn(job, self._requester, text.NOT_DRAWN if is_told else words))

    async def _current(self) -> JobRecord | None:
        """The job as its row is now; None when it is deleted, or cannot be read."""
        try:
            return await self._images.job(self._job.id)
        except (UnknownJob, StorageFault) as error:
            log.info("job %s: %s", self._job.id, error)
            return None

    async def _keep(self, error: discord.HTTPException) -> None:
        """No way leads to its requester: the pictures stay until they ask for them."""
        code = f"discord_{error.code or error.status}"
        await self._write(lambda: self._images.keep(self._job.id, code), "what is kept")
        if is_too_large(error):
            await self._insist(Content.ended(self._job, self._requester, text.TOO_LARGE_HERE))

    async def _posted(self, job: JobRecord, seen: SeenResult, *, is_private: bool) -> None:
        """The pictures are there: the row first, so that a member who waited long is called once at most.

        Whose pictures are held back is told before: after a crash rather twice than never.
        """
        place, shown = self._place, seen.shown
        ping_after = None if self._quietly else self._desk.ping_after
        if not is_private:
            await seen.tell_requester(self._interaction)
        if not shown.pictures:
            await self._write(lambda: self._images.withheld(job.id), "what is held back")
            return
        given = shown.let_through
        post = partial(self._images.posted, job.id, place.message, channel=place.channel, given=given)
        first = await self._write(post, "the post")
        if is_private or place.message is None:
            return
        try:
            if first and ping_after is not None and self._desk.clock() - job.accepted_at > ping_after:
                await self._messages.ping(place, job.id, job.requester, text.ready(job.request.count))
            if permissions.may_react(self._desk.client, int(place.channel)):
                # So that everybody else needs one click.
                await self._messages.react(place, RERUN_EMOJI)
        except UNSENT as error:
            log.info("no ping or reaction on message %s: %r", place.message, error)

    async def _apologize(self, error: Exception) -> None:
        await self._tell(errors.end_of(error, self._job.requester, doing=f"job {self._job.id}"))

    async def _tell(self, words: str, *, again: bool = True) -> None:
        """Say that the job came to nothing. A member who cannot be reached now is told at the next start."""
        await self._close(Content.ended(self._job, self._requester, words, again=again))

    async def _close(self, content: Content) -> None:
        if await self._insist(content):
            await self._write(lambda: self._images.told(self._job.id), "the last word")

    async def _insist(self, content: Content) -> bool:
        """Say what is not pictures. False when trying again later may help; else the matter is closed."""
        try:
            async with self._posting():
                self._place = await in_fitting_form(content, lambda fitting: self._messages.say(self._place, fitting))
        except UNSENT as error:
            log.info("the message of job %s cannot be shown: %r", content.job_id, error)
            return not is_passing(error)
        return True

    @asynccontextmanager
    async def _posting(self) -> AsyncGenerator[None, None]:
        """Before any progress of others, and with only so many at once."""
        async with self._desk.lines:
            with self._desk.pacer.posting(self._place.channel):
                yield

    async def _show_progress(self, ticket: Ticket, first_look: float) -> None:
        """Edit the message whenever there is something new and the pacer agrees, until the job is over. Of one that is
        followed quietly there is none: only its end is waited for."""
        pacer, refused, delay = self._desk.pacer, False, first_look
        while not await self._desk.wait(ticket, delay):
            delay, progress = pacer.message_interval, ticket.progress
            if self._quietly or refused or self._news(progress) == self._shown:
                continue
            # Asked before anything is put into words: most of those who wait may show nothing now.
            wait = pacer.ask(self._job.id, self._place.channel, progress.place or 0)
            if wait > 0:
                delay = wait
                continue
            try:
                self._place = await self._messages.say(self._place, await self._content(progress))
            except UNSENT as error:
                # The next progress is as good as this one. After a refusal there is none: Discord would refuse it
                # again, and too many refusals ban the address.
                self._shown, refused = None, not is_passing(error)
                log.info("progress of job %s was not shown: %r", self._job.id, error)

    def _news(self, progress: Progress) -> _News:
        """The values that the text would show. They are compared before the text is made, which is slow."""
        self._done_at = self._estimate(progress.seconds_left)
        return progress.place, progress.loading, progress.step, self._done_at

    async def _content(self, progress: Progress) -> Content:
        self._shown = self._news(progress)
        hides = progress.preview is not None and await self._hides_previews()
        return Content.progress(self._job, self._requester, progress, self._done_at, self._hint, hides_preview=hides)

    async def _hides_previews(self) -> bool:
        """Whether what is unfinished is not to be recognised here; yes where that cannot be known."""
        job = self._job
        server = job.server if isinstance(job, JobRecord) else job.group
        try:
            where = await where_is(self._desk.client, self._place.channel, server)
            return await self._images.pictures.safety.hides_previews(job.request, where)
        except (*UNSENT, StorageFault):
            return True

    @cached_property
    def _hint(self) -> str | None:
        """The same for the whole life of the job, so looked for once."""
        request = self._job.request
        try:
            return text.hint(self._images.catalog.get(request.model), request)
        except Refusal:
            return None  # a model that is no longer on offer

    def _estimate(self, seconds_left: float | None) -> datetime | None:
        """When the job will be done: as said before, as long as that is about right. A time that jumps helps nobody."""
        if seconds_left is None:
            return None
        now = self._desk.clock()
        done_at = now + timedelta(seconds=seconds_left)
        if self._done_at is not None:
            tolerance = max(_ESTIMATE_TOLERANCE, 0.25 * seconds_left)
            if self._done_at > now and abs((done_at - self._done_at).total_seconds()) <= tolerance:
                return self._done_at
        return done_at if seconds_left >= _WORTH_SAYING else None

    async def _patiently(self, work: Callable[[], Awaitable[T]], what: str) -> T:
        return await retried(work, PATIENT, passing=is_storage_fault, doing=f"{what} of job {self._job.id}")

    async def _write(self, write: Callable[[], Awaitable[T]], what: str) -> T | None:
        """What `write` returns; None when it could not be written down: what people see already is not taken back."""
        try:
            return await self._patiently(write, what)
        except StorageFault:
            log.exception("%s of job %s could not be written down", what, self._job.id)
            return None
