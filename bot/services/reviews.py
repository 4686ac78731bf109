"""What people decide about held pictures: once each, in the audit, and what follows from it for the picture's job, its
requester and its server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bot.clock import Clock
from bot.errors import AlreadyDecided, NotAllowed, PictureGone, UnknownJob
from bot.records import AuditRecord, Decision, ImageRecord, JobRecord, LimitScope, Member, Review, Unwanted
from bot.services.audit import changed, note_by, server_of
from bot.services.policies import SafetySettings
from bot.services.safety_settings import TOPIC, settings_of
from bot.services.stars import Position
from bot.services.strikes import Strikes, standing_of_all
from bot.storage import holds, jobs, reviews, servers
from bot.storage.database import Database, Transaction
from generation.job import JobId, JobStatus

EXPIRES_AFTER = timedelta(days=14)  #: a held picture about which nobody decides is kept back then
LOOKED_AFTER = timedelta(days=7)  #: how long a picture that was let through is tried to be delivered
MOST_AT_ONCE = 100  #: pictures that are looked after in one go
MOST_WAITING = 500  #: pictures of one server that the queue reaches


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldPicture:
    """A picture that was held back, with the job it belongs to, as both are now."""

    job: JobRecord
    image: ImageRecord
    strikes: Strikes | None = None  #: its requester's, where it was just kept back by a person


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePage:
    """One picture that waits, and where there are more."""

    shown: HeldPicture | None  #: None: nothing waits
    waiting: int  #: pictures on this server, MOST_WAITING at most
    newer: Position | None = None
    older: Position | None = None


class Reviews:
    """Decisions are rows first; delivering and telling follow from them, and are caught up with after a crash."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        clock_is_right: Callable[[], Awaitable[bool]],
        ended: Callable[[JobStatus], None] = lambda status: None,
    ) -> None:
        """`clock_is_right` is asked before anything expires: by a clock a year ahead everything would. `ended` is told
        of jobs that end here."""
        self._ended = ended
        self._database = database
        self._clock = clock
        self._clock_is_right = clock_is_right

    async def held(self, image_id: UUID) -> HeldPicture:
        """A picture that was held, whatever became of it. Raises UnknownJob, for one of a deleted job too."""

        def found(transaction: Transaction) -> HeldPicture:
            return _held(transaction, image_id)

        return await self._database.read(found)

    async def decide(self, image_id: UUID, decision: Decision, member: Member) -> HeldPicture:
        """Decide about a held picture of the member's server: by Manage Server, or as a moderator of its moderators'
        channel, from there.

        What is kept back is put on the server's list of unwanted pictures. Raises NotAllowed, UnknownJob,
        AlreadyDecided, and PictureGone for one whose file is gone.
        """
        now, is_over = self._clock(), False

        def put(transaction: Transaction) -> HeldPicture:
            nonlocal is_over
            held = _held(transaction, image_id)
            server = held.job.server
            if server is None or server != member.server:
                raise UnknownJob
            if not _may_decide(member, settings_of(transaction, server)):
                raise NotAllowed("review")
            if not holds.decide(transaction, image_id, decision, member.id, now):
                if held.image.decision is None:
                    raise PictureGone
                raise AlreadyDecided(held.image.decision, held.image.decided_by)
            servers.ensure(transaction, server)
            servers.note(transaction, _note(member, held, decision, now))
            account, strikes = (held.job.requester, server), None
            if decision is Decision.KEPT_BACK:
                _unwant(transaction, server, held.job, (held.image,), member, now)
                strikes = standing_of_all(transaction, {account}, now)[account]
            after = _held(transaction, image_id)
            is_over = after.job.status is not held.job.status
            return HeldPicture(job=after.job, image=after.image, strikes=strikes)

        decided = await self._database.write(put)
        if is_over:
            self._ended(decided.job.status)
        return decided

    async def expire(self) -> tuple[HeldPicture, ...]:
        """Keep back what nobody has decided about in EXPIRES_AFTER; returns what was. Raises StorageFault."""
        now = self._clock()
        overdue = await self._database.read(
            lambda transaction: holds.overdue(transaction, now - EXPIRES_AFTER, MOST_AT_ONCE)
        )
        if not overdue or not await self._clock_is_right():
            return ()

        def put(transaction: Transaction) -> tuple[HeldPicture, ...]:
            expired = [
                image.id for _, image in overdue if holds.decide(transaction, image.id, Decision.EXPIRED, None, now)
            ]
            return tuple(_held(transaction, image_id) for image_id in expired)

        kept_back = await self._database.write(put)
        before = {job.id: job.status for job, _ in overdue}
        after = {held.job.id: held.job.status for held in kept_back}
        for job_id, status in after.items():
            if status is not before[job_id]:
                self._ended(status)
        return kept_back

    async def queue(self, admin: Member, at: Position | None = None) -> QueuePage:
        """A picture that waits on the admin's server: the first that was held, or the one next to this position.

        `at.job` is a picture's id. Raises NotAllowed.
        """
        server = server_of(admin)
        waiting = await self._database.read(lambda transaction: holds.waiting(transaction, server, MOST_WAITING))
        found = [HeldPicture(job=job, image=image) for job, image in waiting]
        if not found:
            return QueuePage(shown=None, waiting=0)
        index = _index([_key(one) for one in found], at)
        return QueuePage(
            shown=found[index],
            waiting=len(found),
            newer=_position(found[index], goes_older=False) if index + 1 < len(found) else None,
            older=_position(found[index], goes_older=True) if index else None,
        )

    # What became of it reaches people

    async def to_give(self) -> tuple[HeldPicture, ...]:
        """What was let through in the last days and is not delivered yet. Raises StorageFault."""
        since = self._clock() - LOOKED_AFTER
        found = await self._database.read(lambda transaction: holds.to_give(transaction, since, MOST_AT_ONCE))
        return tuple(HeldPicture(job=job, image=image) for job, image in found)

    async def given(self, image_id: UUID) -> None:
        """It is delivered now, or can never be. Raises StorageFault."""
        now = self._clock()
        await self._database.write(lambda transaction: holds.given(transaction, {image_id}, now))

    async def kept_back(self) -> tuple[UUID, ...]:
        """What a person kept back in the last days, and not everybody knows yet. Raises StorageFault."""
        since = self._clock() - LOOKED_AFTER
        return await self._database.read(lambda transaction: reviews.kept_back(transaction, since, MOST_AT_ONCE))

    async def told(self, image_id: UUID) -> None:
        """Its requester and the moderators know that it is kept back. Raises StorageFault."""
        now = self._clock()
        await self._database.write(lambda transaction: reviews.told(transaction, image_id, now))

    async def to_show(self) -> tuple[HeldPicture, ...]:
        """What waits on servers that have a moderators' channel, and is not shown in it yet. Raises StorageFault."""

        def found(transaction: Transaction) -> tuple[HeldPicture, ...]:
            return tuple(
                HeldPicture(job=job, image=image)
                for server, by_name in servers.settings_about(transaction, TOPIC).items()
                if (channel := SafetySettings.of(by_name).review_channel) is not None
                for job, image in holds.to_show(transaction, server, channel, MOST_AT_ONCE)
            )

        return await self._database.read(found)

    async def deleted(self, job_id: JobId) -> JobRecord | None:
        """A job that was deleted, as it was. Raises StorageFault."""
        job = await self._database.read(lambda transaction: jobs.get(transaction, job_id))
        return job if job is not None and job.deleted_at is not None else None

    async def of_deleted(self) -> tuple[UUID, ...]:
        """Pictures of jobs that were deleted in the last days, which moderators may still see. Raises StorageFault."""
        since = self._clock() - LOOKED_AFTER
        return await self._database.read(lambda transaction: reviews.of_deleted(transaction, since, MOST_AT_ONCE))

    async def review_of(self, image_id: UUID) -> Review | None:
        """Where the moderators see it, posted or not. Raises StorageFault."""
        return await self._database.read(lambda transaction: holds.review_of(transaction, image_id))

    async def noted(self, image_id: UUID, channel: str) -> Review:
        """Note that it goes to this channel, unless it does already; what was noted of another is forgotten."""
        now = self._clock()

        def put(transaction: Transaction) -> Review:
            review = holds.review_of(transaction, image_id)
            if review is not None and review.channel == channel:
                return review
            reviews.forget(transaction, image_id)
            holds.note_review(transaction, image_id, channel, now)
            return Review(image=image_id, channel=channel, message=None, at=now)

        return await self._database.write(put)

    async def shown_as(self, image_id: UUID, message: str) -> None:
        """The moderators see it as this message. Raises StorageFault."""
        await self._database.write(lambda transaction: holds.show_review_as(transaction, image_id, message))

    async def forget_review(self, image_id: UUID) -> None:
        """The moderators see it no more. Raises StorageFault."""
        await self._database.write(lambda transaction: reviews.forget(transaction, image_id))

    # What a server remembers

    async def strikes(self, admin: Member, member_id: str) -> Strikes:
        """How a member stands on the admin's server. Raises NotAllowed."""
        account, now = (member_id, server_of(admin)), self._clock()
        found = await self._database.read(lambda transaction: standing_of_all(transaction, {account}, now))
        return found[account]

    async def reset_strikes(self, admin: Member, member_id: str) -> bool:
        """Let a member begin anew; False when nothing counted against them. Raises NotAllowed."""
        server, now = server_of(admin), self._clock()
        note = note_by(admin, server, now, scope=LimitScope.MEMBER, subject=member_id)

        def reset(transaction: Transaction) -> bool:
            before = standing_of_all(transaction, {(member_id, server)}, now)[member_id, server]
            if not before.counted and before.blocked_until is None:
                return False
            servers.ensure(transaction, server)
            holds.reset_strikes(transaction, server, member_id, now)
            servers.note(transaction, changed(note, "safety.strikes", {"strikes": before.counted}, {"strikes": 0}))
            return True

        return await self._database.write(reset)

    async def unwanted(self, admin: Member) -> tuple[Unwanted, ...]:
        """What the admin's server does not want to see again, the newest first. Raises NotAllowed."""
        server = server_of(admin)
        return await self._database.read(lambda transaction: holds.unwanted(transaction, server))

    async def want_again(self, admin: Member, look: str) -> bool:
        """Take a look off the list; False when it is not there. Raises NotAllowed."""
        server = server_of(admin)
        note = note_by(admin, server, self._clock())

        def take(transaction: Transaction) -> bool:
            if not holds.remove_unwanted(transaction, server, look):
                return False
            servers.ensure(transaction, server)
            servers.note(transaction, changed(note, "safety.unwanted", {"look": look}, {}))
            return True

        return await self._database.write(take)

    async def unwant(self, job_id: JobId, member: Member) -> None:
        """A result goes for its content: nothing that looks like it is to be shown on its server again.

        Raises UnknownJob, and NotAllowed for somebody who may not delete what others asked for.
        """
        now = self._clock()

        def put(transaction: Transaction) -> None:
            job = jobs.get(transaction, job_id)
            if job is None or job.server is None or not member.is_where(job):
                raise UnknownJob
            if not member.may_stop(job) or not member.is_moderator:
                raise NotAllowed("requester_or_moderator")
            servers.ensure(transaction, job.server)
            note = note_by(member, job.server, now, scope=LimitScope.MEMBER, subject=job.requester)
            servers.note(transaction, changed(note, "safety.deleted", {}, {"job": str(job.id)}))
            _unwant(transaction, job.server, job, job.images, member, now)

        await self._database.write(put)


def _held(transaction: Transaction, image_id: UUID) -> HeldPicture:
    found = holds.image(transaction, image_id)
    if found is None or found[0].deleted_at is not None or found[1].held_at is None:
        raise UnknownJob
    return HeldPicture(job=found[0], image=found[1])


def _may_decide(member: Member, settings: SafetySettings) -> bool:
    return member.is_admin or (member.is_moderator and member.channel == settings.review_channel)


def _note(member: Member, held: HeldPicture, decision: Decision, at: datetime) -> AuditRecord:
    """The requester is its subject; the model is what false positives are counted by."""
    note = note_by(member, held.job.server or "", at, scope=LimitScope.MEMBER, subject=held.job.requester)
    return changed(note, f"safety.{decision}", {}, {"picture": str(held.image.id), "model": held.job.request.model})


def _unwant(
    transaction: Transaction, server: str, job: JobRecord, images: Sequence[ImageRecord], by: Member, at: datetime
) -> None:
    for image in images:
        if image.look is not None:
            holds.add_unwanted(transaction, server, Unwanted(look=image.look, job=job.id, by=by.id, at=at))


def _key(held: HeldPicture) -> tuple[datetime | None, UUID]:
    return held.image.held_at, held.image.id


def _index(keys: Sequence[tuple[datetime | None, UUID]], at: Position | None) -> int:
    """Of the pictures, the first held first, the one that is next to the position; where there is none, the first."""
    if at is None:
        return 0
    here = (at.at, at.job)
    if at.goes_older:
        return max((index for index, key in enumerate(keys) if key < here), default=0)
    return next((index for index, key in enumerate(keys) if key > here), 0)


def _position(held: HeldPicture, *, goes_older: bool) -> Position:
    return Position(at=held.image.held_at or held.job.accepted_at, job=held.image.id, goes_older=goes_older)
