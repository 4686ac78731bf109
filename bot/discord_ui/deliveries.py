"""Owns one named task for each job that is still owed to somebody, and the small errands beside them."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord

from bot.discord_ui.earlier_places import EarlierPlace
from bot.discord_ui.errors import UNSENT, is_passing
from bot.discord_ui.job_post import JobPost, Wait
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.services.errors import TooBusy
from bot.services.images import ImageService, JobRecord, Recovery, Resumed
from bot.storage.records import Clock
from generation.errors import ShuttingDown
from generation.job import JobId
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

ANSWER_DEADLINE = 1.5  #: seconds a service may take; Discord gives up after 3
RESULTS_AT_ONCE = 20  #: a thousand last words at once would only be told to wait
CLOSE_DEADLINE = 10.0  #: seconds for the last words when the process stops
TRIED_AGAIN_AFTER = timedelta(minutes=2)  #: most first deliveries are over by then; what is not is in `_owed`


@dataclass(frozen=True, slots=True)
class _Owed:
    post: JobPost
    ticket: JobTicket | None  #: None for what is drawn already
    task: asyncio.Task[None]


class Deliveries:
    """Sees each accepted job to its requester, whatever it came from: a command, a button, a reaction, a stored row."""

    def __init__(
        self,
        client: discord.Client,
        images: ImageService,
        clock: Clock,
        *,
        pacer: EditPacer | None = None,
        wait: Wait = JobTicket.wait,
        answer_deadline: float = ANSWER_DEADLINE,
        close_deadline: float = CLOSE_DEADLINE,
        ping_after: timedelta | None = None,
    ) -> None:
        self._client = client
        self._images = images
        self._clock = clock
        self._pacer = pacer or EditPacer()
        self._lines = asyncio.Semaphore(RESULTS_AT_ONCE)
        self._wait = wait
        self._answer_deadline = answer_deadline
        self._close_deadline = close_deadline
        self._ping_after = ping_after
        self._owed: dict[JobId, _Owed] = {}
        self._errands: set[asyncio.Task[Any]] = set()
        self._recovered = False
        self._closing = False

    def answer_to(self, interaction: discord.Interaction[Any]) -> Place:
        """The place for a job that is asked for by this interaction: its answer."""
        return Place.interaction(interaction, self._clock)

    def reply_to(self, channel: int, message: int, requester: str) -> Place:
        """The place for a job that is asked for by a reaction: a reply to the message."""
        return Place.reply(self._client, self._clock, channel=channel, message=message, requester=requester)

    async def order(self, place: Place, acceptance: Coroutine[Any, Any, JobTicket]) -> None:
        """Have the service accept the job in time for an answer, then answer and follow it.

        Raises what the service raises, and TooBusy when it takes too long; the service then leaves nothing behind.
        """
        if self._closing:
            acceptance.close()
            raise ShuttingDown()
        deadline = asyncio.timeout(self._answer_deadline)
        try:
            async with deadline:
                ticket = await acceptance
        except TimeoutError:
            if deadline.expired():
                raise TooBusy() from None
            raise
        await self.open(place, ticket)

    async def open(self, place: Place, ticket: JobTicket) -> None:
        """Answer that the job is accepted and follow it. Without an answer nobody waits for it: it is cancelled."""
        job_id = ticket.job.id
        post = self._post(place)
        try:
            await post.open(ticket)
        except UNSENT as error:
            log.warning("job %s is cancelled, its requester cannot be answered: %r", job_id, error)
            await self._images.abandon(job_id)
            if not isinstance(error, discord.NotFound | discord.Forbidden) and not is_passing(error):
                raise
            return
        except BaseException:
            await asyncio.shield(self._start(self._images.abandon(job_id), name=f"abandon {job_id}"))
            raise
        self._owe(job_id, post, post.follow(ticket), ticket)

    async def recover(self, recovery: Recovery) -> None:
        """Follow what goes on, deliver what was drawn before the restart, tell those it ended. Returns at once."""
        for resumed in recovery.resumed:
            self.resume(resumed)
        for job in recovery.rendered:
            self._deliver(job)
        if recovery.ended:
            self.errand(self._tell_ended(recovery.ended), name="tell the ended")
        self._recovered = True

    def resume(self, resumed: Resumed) -> None:
        """Follow a job that is back in line, in the message it had, unless somebody does already."""
        if resumed.job.id in self._owed:
            return
        post = self._post_of(resumed.job)
        self._owe(resumed.job.id, post, post.resume(resumed.ticket), resumed.ticket)

    async def try_again(self) -> None:
        """Deliver what was drawn a while ago and could not be posted then: Discord or the disk was out of order."""
        if self._closing or not self._recovered:
            return  # what a restart found is still to be delivered for the first time
        long_ago = self._clock() - TRIED_AGAIN_AFTER
        for job in await self._images.unposted():
            if (job.rendered_at or job.accepted_at) < long_ago:
                self._deliver(job, quietly=True)

    async def close(self, *, silently: bool = False) -> None:
        """Say the last words to everyone who still waits, unless `silently`, then stop. May be called twice."""
        self._closing = True
        try:
            async with asyncio.timeout(0 if silently else self._close_deadline):
                waiting = {owed.ticket: owed for owed in self._owed.values() if owed.ticket and not owed.ticket.done}
                for owed in waiting.values():
                    owed.task.cancel()
                await asyncio.gather(*(owed.task for owed in waiting.values()), return_exceptions=True)
                await asyncio.gather(*(owed.post.postpone(ticket.job) for ticket, owed in waiting.items()))
                while self._owed:
                    await asyncio.wait({owed.task for owed in self._owed.values()})
        except TimeoutError:
            log.warning("%s jobs could not be told that the bot stops", len(self._owed))
        for task in tuple(self._errands):
            task.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def errand(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run this beside everything else; ends at the latest when the bot stops."""
        task = self._start(work, name=name)
        task.add_done_callback(_log_failure)
        return task

    def _start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    def _deliver(self, job: JobRecord, *, quietly: bool = False) -> None:
        if job.id not in self._owed:
            post = self._post_of(job)
            self._owe(job.id, post, post.deliver(job, quietly=quietly))

    def _owe(
        self, job_id: JobId, post: JobPost, work: Coroutine[Any, Any, None], ticket: JobTicket | None = None
    ) -> None:
        task = self.errand(work, name=f"deliver {job_id}")
        self._owed[job_id] = _Owed(post, ticket, task)
        task.add_done_callback(lambda _: self._owed.pop(job_id, None))

    def _post_of(self, job: JobRecord) -> JobPost:
        return self._post(EarlierPlace(self._client, self._clock, job))

    def _post(self, place: Place) -> JobPost:
        return JobPost(
            self._client,
            place,
            self._images,
            clock=self._clock,
            pacer=self._pacer,
            lines=self._lines,
            wait=self._wait,
            ping_after=self._ping_after,
        )

    async def _tell_ended(self, jobs: tuple[JobRecord, ...]) -> None:
        """One after the other: nobody is in a hurry, and Discord's limits are."""
        for job in jobs:
            await self._post_of(job).tell_end(job)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended unexpectedly", task.get_name(), exc_info=error)
