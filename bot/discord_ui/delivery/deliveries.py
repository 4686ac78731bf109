"""Owns one named task for each job that is still owed to somebody, and the small errands beside them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import discord

from bot.discord_ui.delivery.batch_post import BatchPost, follow_earlier
from bot.discord_ui.delivery.post import Desk, JobPost, Ticket
from bot.discord_ui.private import thought
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.errors import StorageFault, TooBusy
from bot.records import JobRecord, Place
from bot.retrying import PATIENT, retried
from bot.services.answers import Recovery, Resumed
from generation.errors import ShuttingDown
from generation.job import JobId

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_DEADLINE = 1.5  #: seconds a service may take; Discord gives up after 3
CLOSE_DEADLINE = 10.0  #: seconds for the last words when the process stops
TRIED_AGAIN_AFTER = timedelta(minutes=2)  #: most first deliveries are over by then; what is not is in `_owed`


@dataclass(frozen=True, slots=True)
class _Owed:
    post: JobPost
    ticket: Ticket | None  #: None for what is drawn already
    task: asyncio.Task[None]


class Deliveries:
    """Sees each accepted job to its requester, whatever it came from: a command, a button, a reaction, a stored row."""

    def __init__(self, desk: Desk, *, answer_deadline: float = ANSWER_DEADLINE) -> None:
        self._desk = desk
        self._images = desk.images
        self._answer_deadline = answer_deadline
        self._owed: dict[JobId, _Owed] = {}
        self._errands: set[asyncio.Task[Any]] = set()
        self._recovered = False
        self._closing = False

    @property
    def owed(self) -> frozenset[JobId]:
        """The jobs that somebody still waits for here."""
        return frozenset(self._owed)

    async def answer(
        self, interaction: discord.Interaction, accept: Callable[[Place], Coroutine[Any, Any, Ticket]]
    ) -> None:
        """Have the service accept a job in time for the interaction's answer, then answer and follow the job.

        Raises what the service raises, and TooBusy when it takes too long; the service then leaves nothing behind.
        """
        place = Place(
            channel=str(interaction.channel_id),
            message=thought(interaction),
            token=interaction.token,
            token_expires=interaction.expires_at,
        )
        await self._order(place, accept, interaction.user.display_name, interaction)

    async def reply(
        self, channel: int, message: int, requester: str, accept: Callable[[Place], Coroutine[Any, Any, Ticket]]
    ) -> None:
        """The same for a job that is asked for by a reaction: its place is a reply to the message."""
        await self._order(Place(channel=str(channel), reply_to=str(message)), accept, requester, None)

    async def answer_each(
        self,
        interaction: discord.Interaction,
        batch: UUID,
        prompt: str,
        accept: Callable[[Place], Coroutine[Any, Any, tuple[Ticket, ...]]],
    ) -> None:
        """The same for the jobs that one prompt makes: one message counts them, and each is posted when it is done.

        Raises what `answer` raises.
        """
        place = Place(channel=str(interaction.channel_id))
        tickets = await self._accepted(place, accept)
        name = interaction.user.display_name
        reaching = replace(place, token=interaction.token, token_expires=interaction.expires_at)
        post = BatchPost(self._desk, batch, reaching, name)
        try:
            await post.open(interaction, prompt)
        except UNSENT as error:
            # Without an answer nobody waits for them.
            log.warning("batch %s is cancelled, its requester cannot be answered: %r", batch, error)
            await self._abandon(tickets)
            if not isinstance(error, discord.NotFound | discord.Forbidden) and not is_passing(error):
                raise
            return
        except BaseException:
            await asyncio.shield(self.errand(self._abandon(tickets), name=f"abandon batch {batch}"))
            raise
        place = await post.settle(interaction, prompt)
        try:
            await self._images.put_batch(batch, channel=place.channel, reply_to=place.reply_to)
        except StorageFault as fault:  # after a crash they would go to the channel instead
            log.warning("where batch %s is shown could not be written down: %s", batch, fault)
        for ticket in tickets:
            one = JobPost(self._desk, ticket.job, place, name, quietly=True)
            self._owe(ticket.job.id, one, one.follow(ticket), ticket)
        self.errand(post.follow(tickets), name=f"count batch {batch}")

    async def recover(self, recovery: Recovery) -> None:
        """Follow what goes on, deliver what was drawn before the restart, tell those it ended. Returns at once."""
        for resumed in recovery.resumed:
            self.resume(resumed)
        for job in recovery.rendered:
            if job.id not in self._owed:
                post = self._earlier(job)
                self._owe(job.id, post, post.deliver(job))
        for batch in {job.batch for job in self._of_batches(recovery)}:
            job = next(job for job in self._of_batches(recovery) if job.batch == batch)
            tickets = [resumed.ticket for resumed in recovery.resumed if resumed.job.batch == batch]
            self.errand(follow_earlier(self._desk, job, tickets), name=f"count batch {batch}")
        if recovery.ended:
            self.errand(self._tell_ended(recovery.ended), name="tell the ended")
        if recovery.deleted:
            self.errand(self._remove_messages(recovery.deleted), name="remove messages of deleted jobs")
        self._recovered = True

    def resume(self, resumed: Resumed) -> None:
        """Follow a job that is back in line, in the message it had, unless somebody does already."""
        if resumed.job.id not in self._owed:
            post = self._earlier(resumed.job)
            self._owe(resumed.job.id, post, post.resume(resumed.ticket), resumed.ticket)

    async def remove(self, job_id: JobId, remove_message: Callable[[], Awaitable[object]]) -> None:
        """Remove the message of a deleted job; one that is gone already is fine. Raises one of UNSENT, StorageFault."""
        with suppress(discord.NotFound):
            await retried(remove_message, PATIENT, passing=is_passing, doing=f"deleting the message of job {job_id}")
        await self._images.told(job_id)

    async def tell_end(self, job: JobRecord) -> None:
        """Have a job's message say that the job came to nothing, which was decided long after it was drawn."""
        if job.id not in self._owed:
            await self._earlier(job).tell_end()

    async def try_again(self) -> None:
        """Deliver what was drawn a while ago and could not be posted then: Discord or the disk was out of order."""
        if self._closing or not self._recovered:
            return  # what a restart found is still to be delivered for the first time
        long_ago = self._desk.clock() - TRIED_AGAIN_AFTER
        for job in await self._images.unposted():
            if (job.rendered_at or job.accepted_at) < long_ago and job.id not in self._owed:
                post = self._earlier(job)
                self._owe(job.id, post, post.deliver_again())

    async def close(self, *, silently: bool = False) -> None:
        """Say the last words to everyone who still waits, unless `silently`, then stop. May be called twice."""
        self._closing = True
        try:
            async with asyncio.timeout(0 if silently else CLOSE_DEADLINE):
                waiting = [owed for owed in self._owed.values() if owed.ticket and not owed.ticket.done]
                for owed in waiting:
                    owed.task.cancel()
                await asyncio.gather(*(owed.task for owed in waiting), return_exceptions=True)
                await asyncio.gather(*(owed.post.postpone() for owed in waiting))
                while self._owed:
                    await asyncio.wait({owed.task for owed in self._owed.values()})
        except TimeoutError:
            log.warning("%s jobs could not be told that the bot stops", len(self._owed))
        for task in tuple(self._errands):
            task.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def errand(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run this beside everything else; ends at the latest when the bot stops."""
        task = asyncio.create_task(work, name=name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        task.add_done_callback(_log_failure)
        return task

    async def _order(
        self,
        place: Place,
        accept: Callable[[Place], Coroutine[Any, Any, Ticket]],
        requester: str,
        interaction: discord.Interaction | None,
    ) -> None:
        ticket = await self._accepted(place, accept)
        post, job_id = JobPost(self._desk, ticket.job, place, requester), ticket.job.id
        try:
            await post.open(ticket, interaction)
        except UNSENT as error:
            # Without an answer nobody waits for it.
            log.warning("job %s is cancelled, its requester cannot be answered: %r", job_id, error)
            await self._images.abandon(job_id)
            if not isinstance(error, discord.NotFound | discord.Forbidden) and not is_passing(error):
                raise
            return
        except BaseException:
            await asyncio.shield(self.errand(self._images.abandon(job_id), name=f"abandon {job_id}"))
            raise
        self._owe(job_id, post, post.follow(ticket), ticket)

    async def _accepted(self, place: Place, accept: Callable[[Place], Coroutine[Any, Any, T]]) -> T:
        """What the service accepts in time. Raises TooBusy, ShuttingDown, and what the service raises."""
        if self._closing:
            raise ShuttingDown
        deadline = asyncio.timeout(self._answer_deadline)
        try:
            async with deadline:
                return await accept(place)
        except TimeoutError:
            if deadline.expired():
                raise TooBusy from None
            raise

    async def _abandon(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            await self._images.abandon(ticket.job.id)

    @staticmethod
    def _of_batches(recovery: Recovery) -> list[JobRecord]:
        jobs = [*(resumed.job for resumed in recovery.resumed), *recovery.rendered]
        return [job for job in jobs if job.batch is not None]

    def _owe(self, job_id: JobId, post: JobPost, work: Coroutine[Any, Any, None], ticket: Ticket | None = None) -> None:
        task = self.errand(work, name=f"deliver {job_id}")
        self._owed[job_id] = _Owed(post, ticket, task)
        task.add_done_callback(lambda _: self._owed.pop(job_id, None))

    def _earlier(self, job: JobRecord) -> JobPost:
        quietly = job.batch is not None and job.place.message is None
        return JobPost(self._desk, job, job.place, job.requester_name, quietly=quietly)

    async def _tell_ended(self, jobs: tuple[JobRecord, ...]) -> None:
        """One after the other: nobody is in a hurry, and Discord's limits are."""
        for job in jobs:
            try:
                await self._earlier(job).tell_end()
            except Exception:  # the others should hear of theirs
                log.exception("the end of job %s could not be told", job.id)

    async def _remove_messages(self, jobs: tuple[JobRecord, ...]) -> None:
        """What Delete had not come to when the process ended. What cannot be removed now is tried at the next start."""
        for job in jobs:
            try:
                self._desk.client.dispatch("job_deleted", job.id)  # for whatever else shows it
                await self.remove(job.id, self.message_of(job).delete)
            except (*UNSENT, StorageFault) as error:
                log.info("the message of the deleted job %s may still be there: %r", job.id, error)

    def message_of(self, job: JobRecord) -> discord.PartialMessage:
        """The message that shows a job; of id 0 where it is not known."""
        channel = self._desk.client.get_partial_messageable(int(job.place.channel))
        return channel.get_partial_message(int(job.place.message or 0))


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended unexpectedly", task.get_name(), exc_info=error)
