"""Who has starred which job, a server's gallery, and which jobs were copied there."""

from collections import Counter
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, insert, or_, select, update

from bot.records import Gallery, GalleryCopy, Star
from bot.storage.database import Transaction
from bot.storage.jobs import records
from bot.storage.tables import GALLERIES, GALLERY_COPIES, JOBS, STARS
from generation.job import JobId, JobStatus

_S, _J, _COPY = STARS.c, JOBS.c, GALLERY_COPIES.c
_STAR = (_S.job_id == bindparam("job_"), _S.member == bindparam("member_"))
_IS_STARRED = select(_S.at).where(*_STAR)
_HOW_MANY = select(func.count(_S.member)).where(_S.job_id == bindparam("job_"), _S.member != bindparam("but"))

_SEEN = (
    _S.member == bindparam("member_"),
    _J.deleted_at.is_(None),
    or_(_J.requester == bindparam("member_"), _J.server == bindparam("server_")),
)
_STARS_OF = select(_S.job_id, _S.at).join(JOBS, _J.id == _S.job_id).where(*_SEEN)
_NEWEST = _STARS_OF.order_by(_S.at.desc(), _S.job_id.desc()).limit(bindparam("most"))
_AT, _JOB = bindparam("at_", type_=_S.at.type), bindparam("job_", type_=_S.job_id.type)
# The bound on the moment alone is what the index knows.
_OLDER = _NEWEST.where(_S.at <= _AT, or_(_S.at < _AT, _S.job_id < _JOB))
_NEWER = (
    _STARS_OF.where(_S.at >= _AT, or_(_S.at > _AT, _S.job_id > _JOB))
    .order_by(_S.at, _S.job_id)
    .limit(bindparam("most"))
)
_JOBS_OF = select(JOBS).where(_J.id.in_(bindparam("ids", expanding=True)))

_GALLERY = GALLERIES.c.server == bindparam("server_")
_GALLERY_OF = select(GALLERIES.c.channel, GALLERIES.c.stars).where(_GALLERY)

_COPY_FIELDS = [field.name for field in fields(GalleryCopy) if field.name != "job"]  # columns of the same names
_THIS_COPY = _COPY.job_id == bindparam("job_")
_COPY_OF = select(GALLERY_COPIES).where(_THIS_COPY)
#: Of jobs that are posted, to galleries that are still where they were.
_TO_POST = (
    select(_COPY.job_id, _J.server)
    .join(JOBS, _J.id == _COPY.job_id)
    .join(GALLERIES, GALLERIES.c.server == _J.server)
    .where(
        _COPY.message.is_(None),
        _COPY.at >= bindparam("since"),
        _COPY.channel == GALLERIES.c.channel,
        _J.status == JobStatus.POSTED,
        _J.deleted_at.is_(None),
    )
    .order_by(_COPY.at)
)
_TO_REMOVE = (
    select(_COPY.job_id, _J.server)
    .join(JOBS, _J.id == _COPY.job_id)
    .where(_J.deleted_at.is_not(None), _J.deleted_at >= bindparam("since"))
)


def put(transaction: Transaction, job_id: JobId, member: str, at: datetime) -> None:
    """Star a job; one that they have starred keeps its moment."""
    if transaction.scalar(_IS_STARRED, {"job_": job_id, "member_": member}) is None:
        transaction.execute(insert(STARS), {"job_id": job_id, "member": member, "at": at})


def remove(transaction: Transaction, job_id: JobId, member: str) -> None:
    """Take a member's star off a job, if it is there."""
    transaction.execute(delete(STARS).where(*_STAR), {"job_": job_id, "member_": member})


def count(transaction: Transaction, job_id: JobId, *, but: str) -> int:
    """How many members have starred a job, that one aside."""
    return int(transaction.scalar(_HOW_MANY, {"job_": job_id, "but": but}) or 0)


def newest(transaction: Transaction, member: str, server: str | None, most: int) -> tuple[Star, ...]:
    """What a member has starred on a server, and of their own jobs anywhere; the latest star first. No deleted ones."""
    return _found(transaction, _NEWEST, member_=member, server_=server, most=most)


def older(
    transaction: Transaction, member: str, server: str | None, most: int, *, than: tuple[datetime, JobId]
) -> tuple[Star, ...]:
    """Those that come after a star of that moment and job, which need not be there any more."""
    return _found(transaction, _OLDER, member_=member, server_=server, most=most, at_=than[0], job_=than[1])


def newer(
    transaction: Transaction, member: str, server: str | None, most: int, *, than: tuple[datetime, JobId]
) -> tuple[Star, ...]:
    """The nearest that come before it; in the same order, the latest star first."""
    found = _found(transaction, _NEWER, member_=member, server_=server, most=most, at_=than[0], job_=than[1])
    return tuple(reversed(found))


def gallery_of(transaction: Transaction, server: str) -> Gallery | None:
    """Where a server's gallery is; None where it has none."""
    row = transaction.execute(_GALLERY_OF, {"server_": server}).one_or_none()
    return None if row is None else Gallery(channel=row.channel, stars=row.stars)


def put_gallery(transaction: Transaction, server: str, gallery: Gallery | None) -> None:
    """Set a server's gallery, or none. The server has its row."""
    transaction.execute(delete(GALLERIES).where(_GALLERY), {"server_": server})
    if gallery is not None:
        values = {"server": server, "channel": gallery.channel, "stars": gallery.stars}
        transaction.execute(insert(GALLERIES), values)


def note_copy(transaction: Transaction, job_id: JobId, channel: str, at: datetime) -> bool:
    """Note that a job goes to the gallery; False where that was noted before: it is there once at most."""
    if copy_of(transaction, job_id) is not None:
        return False
    transaction.execute(insert(GALLERY_COPIES), {"job_id": job_id, "channel": channel, "at": at})
    return True


def copy_of(transaction: Transaction, job_id: JobId) -> GalleryCopy | None:
    """A job's copy, posted or not."""
    row = transaction.execute(_COPY_OF, {"job_": job_id}).one_or_none()
    return None if row is None else _copy(row)


def show_copy_as(transaction: Transaction, job_id: JobId, message: str) -> None:
    """Note which message is the copy."""
    transaction.execute(update(GALLERY_COPIES).where(_THIS_COPY), {"job_": job_id, "message": message})


def forget_copy(transaction: Transaction, job_id: JobId) -> None:
    """The copy is gone, as its job is."""
    transaction.execute(delete(GALLERY_COPIES).where(_THIS_COPY), {"job_": job_id})


def to_post(transaction: Transaction, since: datetime, most: int) -> tuple[JobId, ...]:
    """The jobs whose copies were noted since then and have no message yet, the oldest first: so many of each server."""
    return _of_each_server(transaction, _TO_POST, since, most)


def to_remove(transaction: Transaction, since: datetime, most: int) -> tuple[JobId, ...]:
    """The jobs that were deleted since then and whose copies may still be there: so many of each server."""
    return _of_each_server(transaction, _TO_REMOVE, since, most)


def _of_each_server(
    transaction: Transaction, statement: Select[Any, Any], since: datetime, most: int
) -> tuple[JobId, ...]:
    """The first of each server: one where nothing can be done at present keeps no other waiting."""
    taken: Counter[str] = Counter()
    found: list[JobId] = []
    for row in transaction.execute(statement, {"since": since}):
        taken[row.server] += 1
        if taken[row.server] <= most:
            found.append(row.job_id)
    return tuple(found)


def _found(transaction: Transaction, statement: Any, **values: Any) -> tuple[Star, ...]:
    rows = transaction.execute(statement, values).all()
    ids = [row.job_id for row in rows]
    jobs = {job.id: job for job in records(transaction, _JOBS_OF, ids=ids)} if ids else {}
    return tuple(Star(job=jobs[row.job_id], at=row.at) for row in rows)


def _copy(row: Row[Any]) -> GalleryCopy:
    return GalleryCopy(job=row.job_id, **{name: getattr(row, name) for name in _COPY_FIELDS})
