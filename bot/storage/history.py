"""A member's own jobs in the order they were asked for, a page at a time, and what a job was made from."""

from datetime import datetime

from sqlalchemy import bindparam, select, tuple_

from bot.records import JobRecord
from bot.storage import jobs
from bot.storage.database import Transaction
from bot.storage.tables import JOBS
from generation.job import JobId

_C = JOBS.c
_OWN = select(JOBS).where(_C.requester == bindparam("requester_"), _C.deleted_at.is_(None)).limit(bindparam("most"))
_POSITION = tuple_(bindparam("at", type_=_C.accepted_at.type), bindparam("id_", type_=_C.id.type))
_OLDEST_FIRST = _OWN.order_by(_C.accepted_at, _C.id)
_NEWEST_FIRST = _OWN.order_by(_C.accepted_at.desc(), _C.id.desc())
_NEWER = _OLDEST_FIRST.where(tuple_(_C.accepted_at, _C.id) > _POSITION)
_OLDER = _NEWEST_FIRST.where(tuple_(_C.accepted_at, _C.id) < _POSITION)


def newest(transaction: Transaction, requester: str, most: int) -> tuple[JobRecord, ...]:
    """A member's last jobs, the newest first; never a deleted one."""
    return jobs.records(transaction, _NEWEST_FIRST, requester_=requester, most=most)


def older(transaction: Transaction, requester: str, at: datetime, job_id: JobId, most: int) -> tuple[JobRecord, ...]:
    """Those from before a moment, the newest first; of the same moment, those with a smaller id."""
    return jobs.records(transaction, _OLDER, requester_=requester, at=at, id_=job_id, most=most)


def newer(transaction: Transaction, requester: str, at: datetime, job_id: JobId, most: int) -> tuple[JobRecord, ...]:
    """The next ones after a moment, the newest first; of the same moment, those with a larger id."""
    found = jobs.records(transaction, _NEWER, requester_=requester, at=at, id_=job_id, most=most)
    return tuple(reversed(found))


def parents(transaction: Transaction, record: JobRecord, most: int) -> tuple[JobRecord, ...]:
    """The job that this one was made from, then that one's, and so on; deleted ones too."""
    line: list[JobRecord] = []
    while record.parent is not None and len(line) < most and (parent := jobs.get(transaction, record.parent)):
        line.append(record := parent)
    return tuple(line)
