"""The values that storage hands out and takes in: frozen, complete, no row of the database behind them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from generation.job import JobId, JobStatus
from generation.request import GenerationRequest

Clock: TypeAlias = Callable[[], datetime]  #: says the time, in UTC
Account: TypeAlias = tuple[str, str | None]  #: a member, and the server they ask on; None for direct messages


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


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """One job's whole story: who, where, what, and what became of it."""

    id: JobId
    request: GenerationRequest
    requester: str
    requester_name: str
    channel: str
    accepted_at: datetime
    cost: float  #: estimated when it was accepted, in images
    server: str | None = None  #: None in a direct message
    parent: JobId | None = None  #: the job this one was made from
    message: str | None = None  #: the message that shows it
    reply_to: str | None = None
    # Whoever has the token may write in the bot's name: it must not get into a log by way of a repr.
    interaction_token: str | None = field(default=None, repr=False)
    token_expires: datetime | None = None
    status: JobStatus = JobStatus.ACCEPTED
    error_code: str | None = None
    started_at: datetime | None = None
    rendered_at: datetime | None = None
    ended_at: datetime | None = None  #: posted, failed, cancelled or interrupted
    starts: int = 0
    crashes: int = 0  #: how often the process died while it ran
    device_seconds: float = 0.0
    deleted_at: datetime | None = None
    images: tuple[ImageRecord, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether its pictures could not be delivered and wait for its requester to ask for them."""
        return self.status is JobStatus.RENDERED and self.error_code is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class DayUse:
    """What a member has asked of a server, today and right now; jobs that came to nothing are left out."""

    jobs: int = 0
    images: int = 0
    device_seconds: float = 0.0
    waiting_or_running: int = 0
    last_accepted_at: datetime | None = None  #: within the longest cooldown, on whatever day


class LimitScope(StrEnum):
    """Whom a limit is set for; the later goes before the earlier."""

    SERVER = "server"
    ROLE = "role"
    MEMBER = "member"


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitValues:
    """The limits that can be set. None: says nothing, whoever comes next in line decides."""

    images_a_day: int | None = None  #: 0: none at all
    jobs_at_once: int | None = None  #: waiting or running
    largest_size: int | None = None  #: pixels of the longer side
    most_steps: int | None = None
    cooldown: int | None = None  #: seconds from one accepted job to the next


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitRow:
    """One setting of a server; `subject` is the role or member, None for the server itself."""

    scope: LimitScope
    subject: str | None
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
class Change:
    """One value before and after."""

    field: str
    before: int | str | None
    after: int | str | None


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
