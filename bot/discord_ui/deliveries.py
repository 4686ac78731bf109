"""Owns one named task for each job that is still owed to somebody, and the small errands beside them."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import discord

from bot.discord_ui.errors import UNSENT, TooBusy, is_passing
from bot.discord_ui.job_post import JobPost, Wait
from bot.discord_ui.pacing import EditPacer
from bot.discord_ui.places import Place
from bot.services.images import ImageService, JobRecord, Recovery
from bot.storage.records import Clock
from generation.errors import ShuttingDown
from generation.job import JobId
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

ANSWER_DEADLINE = 2.0  #: seconds a service may take; Discord gives up after 3
RESULTS_AT_ONCE = 20  #: a thousand last words at once would only be told to wait
CLOSE_DEADLINE = 10.0  #: seconds for the last words when the process stops


@dataclass(frozen=True, slots=True)
class _Owed:
    post: JobPost
    ticket: JobTicket
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
    ) -> None:
        self._client = client
        self._images = images
        self._clock = clock
        self._pacer = pacer or EditPacer()
        self._lines = asyncio.Semaphore(RESULTS_AT_ONCE)
        self._wait = wait
        self._answer_deadline = answer_deadline
        self._close_deadline = close_deadline
        self._owed: dict[JobId, _Owed] = {}
        self._errands: set[asyncio.Task[Any]] = set()
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
        task = self.errand(post.follow(ticket), name=f"deliver {job_id}")
        self._owed[job_id] = _Owed(post, ticket, task)
        task.add_done_callback(lambda _: self._owed.pop(job_id, None))

    async def recover(self, recovery: Recovery) -> None:
        """Deliver what was drawn before a restart, tell those whose jobs it ended. Returns at once."""
        for job in recovery.rendered:
            post = self._post(Place.stored(self._client, self._clock, job))
            self.errand(post.deliver(job), name=f"deliver {job.id}")
        if recovery.interrupted:
            self.errand(self._tell_interrupted(recovery.interrupted), name="tell the interrupted")

    async def close(self) -> None:
        """Say the last words to everyone who still waits, then stop. May be called twice."""
        self._closing = True
        try:
            async with asyncio.timeout(self._close_deadline):
                waiting = [owed for owed in self._owed.values() if not owed.ticket.done]
                for owed in waiting:
                    owed.task.cancel()
                await asyncio.gather(*(owed.task for owed in waiting), return_exceptions=True)
                await asyncio.gather(*(owed.post.interrupt(owed.ticket.job) for owed in waiting))
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

    def _post(self, place: Place) -> JobPost:
        return JobPost(
            self._client,
            place,
            self._images,
            clock=self._clock,
            pacer=self._pacer,
            lines=self._lines,
            wait=self._wait,
        )

    async def _tell_interrupted(self, jobs: tuple[JobRecord, ...]) -> None:
        """One after the other: nobody is in a hurry, and Discord's limits are."""
        for job in jobs:
            if job.message is not None:
                await self._post(Place.stored(self._client, self._clock, job)).interrupt(job)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended unexpectedly", task.get_name(), exc_info=error)
