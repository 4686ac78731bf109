"""Pictures whose files take room on the disk: how much, which may go, which are gone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update

from bot.storage.database import Transaction
from bot.storage.tables import ImageRow, JobRow, UtcDateTime
from generation.job import JobStatus

_FINAL = tuple(status for status in JobStatus if status.is_final)
_ON_DISK = ImageRow.removed_at.is_(None) & JobRow.deleted_at.is_(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class OldPicture:
    """A picture whose job is over, so that nobody is owed it."""

    id: UUID
    file: str
    size: int  #: bytes
    ended_at: datetime  #: the job's end


async def bytes_on_disk(transaction: Transaction) -> int:
    """What all pictures take, those that may not go yet included."""
    total = select(func.coalesce(func.sum(ImageRow.size), 0)).join(JobRow).where(_ON_DISK)
    return int(await transaction.scalar(total) or 0)


async def oldest(transaction: Transaction, most: int) -> tuple[OldPicture, ...]:
    """The pictures that may go, those first whose job ended first; never one that is still owed to somebody."""
    over = func.coalesce(JobRow.ended_at, JobRow.accepted_at, type_=UtcDateTime())
    rows = await transaction.execute(
        select(ImageRow.id, ImageRow.file, ImageRow.size, over)
        .join(JobRow)
        .where(_ON_DISK, JobRow.status.in_(_FINAL))
        .order_by(over, JobRow.id, ImageRow.index)
        .limit(most)
    )
    return tuple(OldPicture(id=id_, file=file, size=size, ended_at=ended_at) for id_, file, size, ended_at in rows)


async def mark_removed(transaction: Transaction, images: Collection[UUID], at: datetime) -> None:
    """Note that these have no file any more; the row goes first, so that a crash leaves an orphan at worst."""
    await transaction.execute(update(ImageRow).where(ImageRow.id.in_(images)).values(removed_at=at))
