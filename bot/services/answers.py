"""What a front end gets to show: values only, ready to be put into words."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.records import DayStats, JobRecord, LimitRow, LimitValues, MemberStats
from bot.services.limits import EffectiveLimits
from generation.job import JobId
from generation.ticket import JobTicket


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One finished picture, ready to be sent."""

    id: UUID
    filename: str
    png: bytes
    seed: int
    width: int  #: pixels
    height: int  #: pixels
    is_spoiler: bool = False  #: seen by those only who ask for it


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A job's pictures as one place may see them."""

    job: JobRecord  #: as its pictures were judged
    pictures: tuple[Picture, ...]
    held: int = 0  #: how many are held back, for everybody
    left_out: int = 0  #: how many this place alone does not want

    @property
    def let_through(self) -> tuple[UUID, ...]:
        """Those among the pictures that were held back once."""
        seen = {picture.id for picture in self.pictures}
        return tuple(image.id for image in self.job.images if image.id in seen and image.decision is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchCount:
    """How far the pictures are that one prompt asked for."""

    drawn: int
    live: int  #: wait, or are being drawn
    cancelled: int
    lost: int  #: came to nothing for any other reason

    @property
    def total(self) -> int:
        """All of them."""
        return self.drawn + self.live + self.cancelled + self.lost


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedJob:
    """A waiting or running job as one particular member may see it."""

    job_id: JobId
    requester: str | None  #: None for somebody on another server
    mine: bool
    place: int | None  #: 1 is next; None when it runs
    prompt: str | None  #: None when it is not mine
    step: int
    steps: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueView:
    """The whole queue as one particular member may see it."""

    running: tuple[QueuedJob, ...]
    waiting: tuple[QueuedJob, ...]  #: in the order they will be started


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a member has used today, what is left to them, and when the next day begins."""

    jobs: int
    images: int
    device_seconds: float
    waiting_or_running: int
    limits: EffectiveLimits
    resets_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """A job of an earlier run that is back in line."""

    job: JobRecord
    ticket: JobTicket[JobRecord]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What a restart found: jobs that go on, that have pictures to deliver, that it ended, or that are half deleted."""

    resumed: tuple[Resumed, ...] = ()
    rendered: tuple[JobRecord, ...] = ()
    ended: tuple[JobRecord, ...] = ()  #: came to nothing, and their requester does not know it yet
    deleted: tuple[JobRecord, ...] = ()  #: their pictures are gone, and their message may still be there


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """What is set on a server, for whom, and the operator's ceiling over it."""

    rows: tuple[LimitRow, ...]  #: the server's own, then its roles', then its members'
    ceiling: LimitValues
    more: int = 0  #: how many rows are not among these


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """A server's last days."""

    by_day: tuple[DayStats, ...]  #: the earliest first, quiet days too
    by_member: tuple[MemberStats, ...]  #: the heaviest users of the device first
    false_positives: Mapping[str, int]  #: by model: pictures that were held back and that people found harmless


def picture_filename(prompt: str, seed: int) -> str:
    """A name that says what is on it and suits every file system: "a-red-heart-42.png"."""
    ascii_only = unicodedata.normalize("NFKD", prompt.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:40].strip("-")
    return f"{words or 'picture'}-{seed}.png"
