"""Pictures whose files take room on the disk: how much, which may go, which are gone.

A picture that goes is first given up in its row, then its file is removed, then the row says so: what a crash leaves in
between is found by `to_clear`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, or_, select, update

from bot.records import Decision
from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOBS
from generation.job import JobStatus

_FINAL = tuple(status for status in JobStatus if status.is_final)
_C = IMAGES.c
_HAS_FILE = _C.cleared_at.is_(None)
SHOWN = (_HAS_FILE, _C.removed_at.is_(None))
_BYTES = select(func.coalesce(func.sum(_C.size), 0)).where(_HAS_FILE)
_PICTURES = select(_C.id, _C.file, _C.size)
#: Nobody is still to decide about it, or to be given it.
_SETTLED = or_(
    _C.held_at.is_(None),
    _C.decision.in_({Decision.KEPT_BACK, Decision.EXPIRED}),
    _C.given_at.is_not(None),
    _C.decided_at < bindparam("owed_since"),
)
# A join would begin at the jobs: there are many more of those than pictures on the disk.
_OVER = select(JOBS.c.id).where(JOBS.c.id == _C.job_id, JOBS.c.status.in_(_FINAL))
_IN_ORDER = _PICTURES.where(*SHOWN, _SETTLED).order_by(_C.made_at).limit(bindparam("most"))
_OLDEST = _IN_ORDER.where(_OVER.exists())
_OLDER = _IN_ORDER.where(_C.made_at < bindparam("before"), _OVER.where(JOBS.c.ended_at < bindparam("before")).exists())
_TO_CLEAR = _PICTURES.where(_HAS_FILE, _C.removed_at.is_not(None)).limit(bindparam("most"))
_THESE = _C.id.in_(bindparam("ids", expanding=True))
_GIVE_UP = update(IMAGES).where(_THESE, _C.removed_at.is_(None))
_CLEARED = update(IMAGES).where(_THESE)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFile:
    """A picture that goes, or may go."""

    id: UUID
    file: str
    size: int  #: bytes


def bytes_on_disk(transaction: Transaction) -> int:
    """What all pictures take, those that may not go yet included."""
    return int(transaction.scalar(_BYTES) or 0)


def oldest(
    transaction: Transaction, most: int, owed_since: datetime, before: datetime | None = None
) -> tuple[PictureFile, ...]:
    """The pictures that may go, the first drawn first; never one that is still owed to somebody.

    One that was let through before `owed_since` is owed no longer. `before` leaves out those that were drawn or whose
    job ended later.
    """
    if before is None:
        return _found(transaction, _OLDEST, most=most, owed_since=owed_since)
    return _found(transaction, _OLDER, most=most, owed_since=owed_since, before=before)


def to_clear(transaction: Transaction, most: int) -> tuple[PictureFile, ...]:
    """Pictures that were given up and whose files may still be there."""
    return _found(transaction, _TO_CLEAR, most=most)


def give_up(transaction: Transaction, images: Collection[UUID], at: datetime) -> None:
    """Note that these are shown to nobody any more."""
    transaction.execute(_GIVE_UP, {"ids": list(images), "removed_at": at})


def note_cleared(transaction: Transaction, images: Collection[UUID], at: datetime) -> None:
    """Note that these have no file any more."""
    transaction.execute(_CLEARED, {"ids": list(images), "cleared_at": at})


def _found(transaction: Transaction, statement: Select[Any, Any, Any], **values: Any) -> tuple[PictureFile, ...]:
    rows = transaction.execute(statement, values)
    return tuple(PictureFile(id=row.id, file=row.file, size=row.size) for row in rows)
