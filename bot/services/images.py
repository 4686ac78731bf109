"""The use cases around pictures: ask for them, follow them, stop them, look at them again."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID, uuid4

from bot.clock import Clock
from bot.errors import AlreadyOver, NotAllowed, NotInDirectMessages, UnknownJob
from bot.records import JobRecord, Member, Place
from bot.services.answers import BatchCount, QueuedJob, QueueView, Usage
from bot.services.inputs import Inputs, named_by
from bot.services.limits import Limits, next_day
from bot.services.pictures import Pictures
from bot.services.policies import Where
from bot.services.recovery import job_of
from bot.services.reservations import Asked, Batch, Records, Reservations
from bot.services.safety import Safety
from bot.services.words import Words
from bot.storage import batches, holds, jobs, unfinished
from bot.storage.clearing import clear
from bot.storage.database import Database, Transaction
from bot.storage.image_files import ImageFiles
from generation.catalog import DrawingOptions, ModelCatalog, random_seed
from generation.dispatcher import Dispatcher
from generation.errors import Cancelled, Refusal
from generation.inputs import InputPicture
from generation.job import Job, JobId, JobStatus
from generation.request import GenerationRequest
from generation.ticket import JobTicket, Progress

T = TypeVar("T")

log = logging.getLogger(__name__)

STOPS_WITHIN = 10.0  #: seconds a worker may take to notice that a job was cancelled


class ImageService:
    """Everything members do with pictures. Refusals raise; what is allowed is written down before it is begun."""

    def __init__(
        self,
        *,
        database: Database,
        files: ImageFiles,
        dispatcher: Dispatcher[JobRecord],
        catalog: ModelCatalog,
        inputs: Inputs,
        words: Words,
        limits: Limits,
        safety: Safety,
        clock: Clock,
        new_seed: Callable[[], int] = random_seed,
        direct_messages: bool = True,
        ended: Callable[[JobStatus], None] = lambda status: None,
    ) -> None:
        """`direct_messages` says whether members may draw there too. `ended` is told of jobs that end here, and not
        with the dispatcher."""
        self._ended = ended
        self.catalog = catalog
        self._database = database
        self._files = files
        self._dispatcher = dispatcher
        self.inputs = inputs
        self._words = words
        self.pictures = Pictures(files=files, safety=safety)
        self._reservations = Reservations(database=database, limits=limits, clock=clock)
        self._clock = clock
        self._new_seed = new_seed
        self._direct_messages = direct_messages
        self._writes: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Wait for what is still being written for those who did not wait. May be called twice."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def imagine(
        self,
        request: GenerationRequest,
        member: Member,
        *,
        at: Place,
        parent: JobId | None = None,
        action: str | None = None,
        pictures: Sequence[InputPicture] = (),
    ) -> JobTicket[JobRecord]:
        """Reserve and put in line; `pictures` are those that the request begins with and that are new here.

        Raises Refusal, CheckFault, and InputGone for other pictures that it names and that are kept no longer. May be
        called under a deadline, which leaves nothing behind.
        """
        self._check_open(member)
        request = await self._words.accepted(request, member.server)
        await self.check_source(request, member, pictures)
        asked = replace(self._asked(request, member, at), parent=parent, action=action)
        try:
            async with self.inputs.kept(request, pictures):
                (ticket,) = await self._reserved((asked,))
                return ticket
        except BaseException:
            if digests := named_by(request):
                self._write(self.inputs.discard(digests), name=f"discard the inputs of {asked.job_id}")
            raise

    async def imagine_each(
        self, batch: UUID, requests: Sequence[GenerationRequest], member: Member, *, at: Place
    ) -> tuple[JobTicket[JobRecord], ...]:
        """The same for requests that one prompt makes, none of which begins with a picture: all of them, or none."""
        self._check_open(member, jobs=len(requests))
        accepted = [await self._words.accepted(request, member.server) for request in requests]
        asked = tuple(replace(self._asked(request, member, at), batch=batch) for request in accepted)
        return await self._reserved(asked)

    def seconds(self, requests: Sequence[GenerationRequest]) -> float:
        """What these are estimated to cost of the device; 0 where nothing is known."""
        return sum(self._dispatcher.estimates.seconds(request) or 0.0 for request in requests)

    async def put_batch(self, batch: UUID, *, channel: str, reply_to: str | None) -> None:
        """From now on the jobs of a batch are shown there, but for those that are shown already."""
        await self._database.write(lambda transaction: batches.put(transaction, batch, channel, reply_to))

    async def batch(self, batch: UUID) -> BatchCount:
        """How far it is."""
        found = await self._database.read(lambda transaction: batches.pictures(transaction, batch))
        drawn = sum(found.pop(status, 0) for status in (JobStatus.RENDERED, JobStatus.POSTED))
        live = sum(found.pop(status, 0) for status in jobs.LIVE)
        cancelled = found.pop(JobStatus.CANCELLED, 0)
        return BatchCount(drawn=drawn, live=live, cancelled=cancelled, lost=sum(found.values()))

    async def cancel_batch(self, batch: UUID, member: Member) -> tuple[JobRecord, ...]:
        """Stop all of its jobs that wait or run, and say which. Raises NotAllowed, UnknownJob."""
        live = await self._database.read(lambda transaction: batches.live(transaction, batch))
        stopped: list[JobRecord] = []
        for record in live:
            with suppress(AlreadyOver):
                stopped.append(await self.cancel(record.id, member))
        return tuple(stopped)

    def _check_open(self, member: Member, *, jobs: int = 1) -> None:
        if member.server is None and not self._direct_messages:
            raise NotInDirectMessages
        self._dispatcher.check_room(jobs)

    def _asked(self, request: GenerationRequest, member: Member, at: Place) -> Asked:
        seconds = self._dispatcher.estimates.seconds(request) or 0.0
        return Asked(
            job_id=uuid4(), request=request, member=member, at=at, estimated_seconds=seconds, now=self._clock()
        )

    async def check_source(
        self, request: GenerationRequest, member: Member, pictures: Sequence[InputPicture] = ()
    ) -> None:
        """Whether what a request begins with may be drawn from where the member speaks; the first time is slow.

        Raises UnsafeInput, CheckFault, and InputGone for a picture that is not given and kept no longer.
        """
        if (digest := request.source) is None:
            return
        given = next((picture.png for picture in pictures if picture.sha256 == digest), None)
        png = given or (await asyncio.to_thread(self.inputs.files.of, request)).source or b""
        checking = self.pictures.safety.check_source(digest, png, Where.of(member))
        # Whoever is not answered in time finds it looked at when they ask again.
        await asyncio.shield(self._write(checking, name=f"check {digest}"))

    async def _reserved(self, asked: Batch) -> tuple[JobTicket[JobRecord], ...]:
        # Shielded: a deadline frees the caller at once, however long the database still takes.
        reservation = self._reservations.ask(asked)
        try:
            outcome = await asyncio.shield(reservation)
        except asyncio.CancelledError:
            if not self._reservations.leave(reservation):
                self._write(self._withdraw_after(reservation), name=f"withdraw {asked[0].job_id}")
            raise
        if isinstance(outcome, Refusal):
            raise outcome
        try:
            self._dispatcher.check_room(len(outcome))
        except Refusal as refusal:
            for record in outcome:
                await self._finish(record.id, JobStatus.CANCELLED, refusal.code)
            raise
        return tuple(self._dispatcher.submit(job_of(record, self.inputs.files)) for record in outcome)

    async def rerun(self, job_id: JobId, member: Member, *, at: Place) -> JobTicket[JobRecord]:
        """The same again with new seeds, charged to whoever asks now. Raises Refusal."""
        record = await self.job(job_id)
        if not member.is_where(record):
            raise UnknownJob
        # Through the catalogue, as a new request would: the model may have gone or changed its limits since.
        request = self.catalog.request(DrawingOptions.of(record.request, seed=self._new_seed()))
        return await self.imagine(request, member, at=at, parent=record.id, action="rerun")

    async def cancel(self, job_id: JobId, member: Member) -> JobRecord:
        """Stop a waiting or running job, and say which. Raises NotAllowed, UnknownJob, AlreadyOver."""
        record = await self.job(job_id)
        self._check_theirs(record, member)
        if await self._dispatcher.cancel(job_id, by=member.id):
            return record
        # Nobody draws it, and yet its row may say so: its end could not be written down.
        now = self._clock()
        if not await self._database.write(
            lambda transaction: jobs.finish(
                transaction,
                job_id,
                JobStatus.CANCELLED,
                now,
                error_code=Cancelled.code,
                ended_by=member.id,
                among=jobs.LIVE,
            )
        ):
            raise AlreadyOver
        return record

    async def abandon(self, job_id: JobId) -> None:
        """The answer could not be given: stop the job, and count nothing."""
        await self._stop(job_id, by=None)
        await self._finish(job_id, JobStatus.CANCELLED, "abandoned")

    async def delete(self, job_id: JobId, member: Member) -> JobRecord:
        """Remove a job's pictures and hide it; its row stays as history. Raises NotAllowed, UnknownJob.

        May be repeated, for a message that outlived the first time; the record is the one from before.
        """
        record = await self._record(job_id)
        self._check_theirs(record, member)
        if record.deleted_at is not None:
            return record
        await self._stop(job_id, by=member.id)
        return await asyncio.shield(self._write(self._deleted(job_id, member.id), name=f"delete {job_id}"))

    async def job(self, job_id: JobId) -> JobRecord:
        """The job of that id. Raises UnknownJob, for a deleted one too."""
        record = await self._record(job_id)
        if record.deleted_at is not None:
            raise UnknownJob
        return record

    async def job_posted_as(self, channel: str, message: str) -> JobRecord | None:
        """The job that a message shows; None for a deleted one, or for any other message."""
        return await self._database.read(lambda transaction: jobs.shown_as(transaction, channel, message))

    async def answered(self, job_id: JobId, message: str, *, channel: str | None = None) -> None:
        """The member has their answer: this message shows the job from now on."""
        await self._database.write(lambda transaction: jobs.show_as(transaction, job_id, message, channel))

    async def posted(
        self, job_id: JobId, message: str | None, *, channel: str | None = None, given: Collection[UUID] = ()
    ) -> bool:
        """The pictures are where they belong: the job's good end. No message: they went another way. `given` are those
        of them that were held back and let through.

        False when that was known already, or the job has another end.
        """
        work = self._posted(job_id, message, channel, given)
        return await asyncio.shield(self._write(work, name=f"posted {job_id}"))

    async def withheld(self, job_id: JobId) -> None:
        """All of its pictures are held back, and its requester knows: it is owed to nobody until somebody decides."""
        now = self._clock()
        await self._database.write(lambda transaction: holds.withhold(transaction, job_id, now))

    async def keep(self, job_id: JobId, code: str) -> None:
        """The pictures are there and nobody could be given them: they are kept until their requester asks for them."""
        await self._database.write(lambda transaction: unfinished.keep(transaction, job_id, code))

    async def fail(self, job_id: JobId, code: str) -> None:
        """The pictures can be given to nobody, ever: failed, and not counted."""
        await self._finish(job_id, JobStatus.FAILED, code)

    async def told(self, job_id: JobId) -> None:
        """The requester of a job that came to nothing knows it now, or can never be told; or a deleted job's message is
        gone."""
        now = self._clock()
        await self._database.write(lambda transaction: unfinished.tell(transaction, job_id, now))

    async def unposted(self) -> tuple[JobRecord, ...]:
        """The jobs whose pictures are still to be delivered, those aside that nobody can be given."""
        return await self._database.read(unfinished.unposted)

    async def queue(self, member: Member) -> QueueView:
        """What runs and what waits, as this member may see it: of others' jobs only that they are there."""
        servers = await self._database.read(jobs.live_servers)

        def seen(job: Job, place: int | None) -> QueuedJob:
            mine = job.requester == member.id
            here = member.server is not None and servers.get(job.id) == member.server
            ticket = self._dispatcher.ticket(job.id) if place is None else None
            progress = ticket.progress if ticket is not None else Progress()
            return QueuedJob(
                job_id=job.id,
                requester=job.requester if mine or here else None,
                mine=mine,
                place=place,
                prompt=job.request.prompt if mine else None,
                step=progress.step,
                steps=progress.steps or job.request.drawn_steps * job.request.count,
                count=job.request.count,
            )

        return QueueView(
            running=tuple(seen(job, None) for job in self._dispatcher.running()),
            waiting=tuple(seen(job, place) for place, job in enumerate(self._dispatcher.waiting(), start=1)),
        )

    async def usage(self, member: Member) -> Usage:
        """What a member has used today where they speak from, and what limits hold for them there."""
        limits, use = await self._reservations.account(member)
        return Usage(
            jobs=use.jobs,
            images=use.images,
            device_seconds=use.device_seconds,
            waiting_or_running=use.waiting_or_running,
            limits=limits,
            resets_at=next_day(self._clock()),
        )

    async def live_jobs(self, member: Member) -> tuple[JobRecord, ...]:
        """The waiting and running jobs this member may cancel, the oldest first."""
        server = member.server if member.is_moderator else None
        live = await self._database.read(lambda transaction: jobs.live_of(transaction, member.id, server))
        return tuple(record for record in live if member.may_stop(record))

    async def _record(self, job_id: JobId) -> JobRecord:
        record = await self._database.read(lambda transaction: jobs.get(transaction, job_id))
        if record is None:
            raise UnknownJob
        return record

    async def _withdraw_after(self, reservation: asyncio.Future[Records | Refusal]) -> None:
        """The member is gone: give back what was reserved for them."""
        await asyncio.wait({reservation})
        if reservation.exception() is None and not isinstance(outcome := reservation.result(), Refusal):
            for record in outcome:
                await self._finish(record.id, JobStatus.CANCELLED, "abandoned")

    async def _stop(self, job_id: JobId, *, by: str | None) -> None:
        """Have the job drawn no further, and wait for its end to be written down."""
        ticket = self._dispatcher.ticket(job_id)
        if ticket is not None and await self._dispatcher.cancel(job_id, by=by):
            await ticket.wait(STOPS_WITHIN)

    async def _deleted(self, job_id: JobId, by: str) -> JobRecord:
        now = self._clock()

        def hide(transaction: Transaction) -> tuple[JobRecord, bool]:
            record = jobs.get(transaction, job_id)  # again: it may have been drawn meanwhile
            if record is None:
                raise UnknownJob
            if not jobs.delete(transaction, job_id, now):
                return record, False
            jobs.finish(transaction, job_id, JobStatus.CANCELLED, now, error_code="deleted", ended_by=by)
            return record, True

        record, is_first = await self._database.write(hide)
        if is_first:
            if record.status is JobStatus.RENDERED:  # the dispatcher has told of no end
                self._ended(JobStatus.CANCELLED)
            await clear(self._database, self._files, record.images, now)
            await self.inputs.discard(named_by(record.request))
        return record

    async def _posted(self, job_id: JobId, message: str | None, channel: str | None, given: Collection[UUID]) -> bool:
        now = self._clock()

        def post(transaction: Transaction) -> bool:
            if given:
                holds.given(transaction, given, now)
            return jobs.post(transaction, job_id, now, message, channel)

        if first := await self._database.write(post):
            self._ended(JobStatus.POSTED)
        return first

    async def _finish(self, job_id: JobId, status: JobStatus, error_code: str) -> None:
        await asyncio.shield(self._write(self._finished(job_id, status, error_code), name=f"{status} {job_id}"))

    async def _finished(self, job_id: JobId, status: JobStatus, error_code: str) -> None:
        now = self._clock()
        is_over = await self._database.write(
            lambda transaction: jobs.finish(transaction, job_id, status, now, error_code=error_code)
        )
        if is_over:
            self._ended(status)

    def _check_theirs(self, record: JobRecord, member: Member) -> None:
        if member.may_stop(record):
            return
        if not member.is_where(record):
            raise UnknownJob
        raise NotAllowed("requester_or_moderator")

    def _write(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Begin to write something down that must not be left half done because its caller is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task
