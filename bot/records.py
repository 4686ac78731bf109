"""The values that services, storage and front ends share: frozen, complete, no row of the database behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from bot.errors import Held
from generation.job import JobId, JobStatus
from generation.request import GenerationRequest
from generation.result import NOT_KNOWN, DrawnWith

Account: TypeAlias = tuple[str, str | None]  #: a member, and the server they ask on; None for direct messages


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one job's message is, or is to be. Plain values, so that it survives a restart."""

    channel: str
    message: str | None = None  #: None: not sent yet
    reply_to: str | None = None  #: the message that it answers
    # The interaction's. With it one may write in the bot's name: it must not get into a log by way of a repr.
    token: str | None = field(default=None, repr=False)
    token_expires: datetime | None = None


class Decision(StrEnum):
    """What became of a picture that was held back."""

    APPROVED = "approved"  #: delivered after all
    FALSE_POSITIVE = "false_positive"  #: the same, and counted against the check
    KEPT_BACK = "kept_back"
    EXPIRED = "expired"  #: nobody decided in time, so that it is kept back

    @property
    def is_let_through(self) -> bool:
        """Whether the picture may be shown."""
        return self in (Decision.APPROVED, Decision.FALSE_POSITIVE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """One picture of a job; `file` is its name in ImageFiles."""

    id: UUID
    index: int
    seed: int
    width: int  #: pixels
    height: int  #: pixels
    file: str
    sha256: str
    size: int  #: bytes
    removed_at: datetime | None = None  #: its file was removed then, to make room
    score: float | None = None  #: how unsafe the check found it, from 0 to 1; None: not checked yet
    look: str | None = None  #: its perceptual hash, 256 bits in hex; None: not checked yet
    held_at: datetime | None = None  #: it was held back from its requester then
    decision: Decision | None = None  #: None: not held, or waits for one
    decided_by: str | None = None
    decided_at: datetime | None = None
    given_at: datetime | None = None  #: when one that was let through was delivered, or all knew that it is kept back

    @property
    def is_held(self) -> bool:
        """Whether it is shown to nobody but moderators: it waits for a decision, or was kept back."""
        return self.held_at is not None and (self.decision is None or not self.decision.is_let_through)

    @property
    def waits(self) -> bool:
        """Whether somebody is still to decide about it."""
        return self.held_at is not None and self.decision is None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """One job's whole story: who, where, what, and what became of it."""

    id: JobId
    request: GenerationRequest
    requester: str
    requester_name: str
    place: Place
    accepted_at: datetime
    server: str | None = None  #: None in a direct message
    parent: JobId | None = None  #: the job this one was made from
    action: str | None = None  #: what was done to it, such as "rerun"
    batch: UUID | None = None  #: shared by the jobs that one prompt asked for together
    weight: float = 1.0  #: the requester's, when they asked
    status: JobStatus = JobStatus.ACCEPTED
    error_code: str | None = None
    ended_by: str | None = None  #: the member who cancelled it
    rendered_at: datetime | None = None
    ended_at: datetime | None = None  #: posted, failed, cancelled or interrupted
    crashes: int = 0  #: how often the process died while it ran
    estimated_seconds: float = 0.0  #: of the device, when it was accepted; 0: nothing to judge by
    given_back: int = 0  #: pictures that count for no limit any more: kept back for good
    device_seconds: float = 0.0  #: spent
    deleted_at: datetime | None = None
    drawn_with: DrawnWith = NOT_KNOWN  #: filled when it is rendered; nothing is known of those of earlier versions
    images: tuple[ImageRecord, ...] = ()
    unread: str = ""  #: the end of the prompt that the model did not read, in the run that drew it; not stored

    @property
    def is_kept(self) -> bool:
        """Whether its pictures could not be delivered and wait for its requester to ask for them."""
        return self.status is JobStatus.RENDERED and self.error_code not in (None, Held.code)

    @property
    def is_held(self) -> bool:
        """Whether all of its pictures are held back, and somebody is to decide about them."""
        return self.status is JobStatus.RENDERED and self.error_code == Held.code

    def came_late(self, image: ImageRecord) -> bool:
        """Whether one of its pictures was let through when its message was there already, so that it follows that."""
        if image.decision is None or not image.decision.is_let_through or image.decided_at is None:
            return False
        return self.ended_at is None or image.decided_at >= self.ended_at


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A member as one command of theirs sees them: who they are and what they may do there."""

    id: str
    name: str
    server: str | None  #: None in a direct message
    channel: str
    parent: str | None = None  #: the channel above, in a thread
    is_restricted: bool = False  #: whether the channel is age-restricted
    roles: tuple[str, ...] = ()
    joined_at: datetime | None = None  #: when they came to the server; None: not known
    is_moderator: bool = False  #: Manage Messages in this channel: may cancel and delete here what others asked for
    is_admin: bool = False  #: Manage Server
    is_operator: bool = False  #: the bot's application is theirs, or their team's

    def is_where(self, job: JobRecord) -> bool:
        """Whether the job belongs to the server the member speaks from; in direct messages, to this very channel."""
        return self.server == job.server and (job.server is not None or self.channel == job.place.channel)

    def may_stop(self, job: JobRecord) -> bool:
        """Whether the member may cancel or delete the job. Moderators may in the channel where they are ones."""
        moderates = self.is_moderator and self.server is not None and self.channel == job.place.channel
        return self.id == job.requester or (moderates and self.is_where(job))


@dataclass(frozen=True, kw_only=True, slots=True)
class DayUse:
    """What a member has asked of a server, today and right now; jobs that came to nothing are left out."""

    jobs: int = 0
    images: int = 0
    device_seconds: float = 0.0  #: spent on ended jobs, also on those the member stopped, and estimated for live ones
    waiting_or_running: int = 0
    last_accepted_at: datetime | None = None  #: within the longest cooldown, on whatever day


class LimitScope(StrEnum):
    """Whom a limit is set for; the later goes before the earlier."""

    SERVER = "server"
    ROLE = "role"
    MEMBER = "member"


#: Limits that are set, by name (`bot.services.limits.LIMIT_KINDS`). One that is missing says nothing.
LimitValues: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRow:
    """What is set for a server, or for one of its roles or members."""

    scope: LimitScope
    subject: str | None  #: the role or member, None for the server itself
    values: LimitValues


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockRecord:
    """A member who may not ask for pictures on a server."""

    server: str
    member: str
    reason: str | None
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Star:
    """A result that a member has kept, and when."""

    job: JobRecord
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """Where a server's results are copied to that so many of its members have starred."""

    channel: str
    stars: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GalleryCopy:
    """A result's copy in a gallery, noted before it is posted."""

    job: JobId
    channel: str
    message: str | None  #: None: not posted, or not written down yet
    at: datetime  #: when it was noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A held picture as the moderators' channel shows it, noted before it is posted."""

    image: UUID
    channel: str
    message: str | None  #: None: not posted, or not written down yet
    at: datetime  #: when it was noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwanted:
    """What a server does not want to see again."""

    look: str  #: a perceptual hash
    job: JobId | None  #: whose picture it was; None for one that is not known any more
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One value before and after."""

    field: str
    before: float | str | None
    after: float | str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """What an admin did, to whom, and what was there before."""

    id: UUID
    server: str
    actor: str
    actor_name: str
    action: str  #: such as "limits.set"
    scope: LimitScope
    subject: str | None
    changes: tuple[Change, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DayStats:
    """One day of a server, UTC. Failures: jobs that nobody stopped and that came to nothing."""

    day: date
    jobs: int = 0
    images: int = 0
    failures: int = 0
    device_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberStats:
    """One member's share of a server's days."""

    member: str
    name: str
    jobs: int
    images: int
    failures: int
    device_seconds: float
