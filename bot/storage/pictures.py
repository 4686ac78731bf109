"""Pictures whose files take room on the disk: how much, which may go, which are gone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOBS, UtcDateTime
from generation.job import JobStatus

_FINAL = tuple(status for status in JobStatus if status.is_final)
_OF_JOBS = IMAGES.join(JOBS)
ON_DISK = (IMAGES.c.removed_at.is_(None), JOBS.c.deleted_at.is_(None))
_BYTES = select(func.coalesce(func.sum(IMAGES.c.size), 0)).select_from(_OF_JOBS).where(*ON_DISK)
_OVER = func.coalesce(JOBS.c.ended_at, JOBS.c.accepted_at, type_=UtcDateTime())
_OLDEST = (
    select(IMAGES.c.id, IMAGES.c.file, IMAGES.c.size, _OVER.label("ended_at"))
    .select_from(_OF_JOBS)
    .where(*ON_DISK, JOBS.c.status.in_(_FINAL))
    .order_by(_OVER, JOBS.c.id, IMAGES.c.index)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OldPicture:
    """A picture whose job is over, so that nobody is owed it."""

    id: UUID
    file: str
    size: int  #: bytes
    ended_at: datetime  #: the job's end


def bytes_on_disk(transaction: Transaction) -> int:
    """What all pictures take, those that may not go yet included."""
    return int(transaction.scalar(_BYTES) or 0)


def oldest(transaction: Transaction, most: int) -> tuple[OldPicture, ...]:
    """The pictures that may go, those first whose job ended first; never one that is still owed to somebody."""
    rows = transaction.execute(_OLDEST, {"most": most})
    return tuple(OldPicture(id=row.id, file=row.file, size=row.size, ended_at=row.ended_at) for row in rows)


def mark_removed(transaction: Transaction, images: Collection[UUID], at: datetime) -> None:
    """Note that these have no file any more; the row goes first, so that a crash leaves an orphan at worst."""
    transaction.execute(update(IMAGES).where(IMAGES.c.id.in_(images)).values(removed_at=at))
