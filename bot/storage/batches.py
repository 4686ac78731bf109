"""Jobs that one prompt asked for together: where they are shown, and how far they are."""

from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from bot.records import JobRecord
from bot.storage.database import Transaction
from bot.storage.jobs import JOBS_IN_ORDER, LIVE, records
from bot.storage.tables import JOBS
from generation.job import JobStatus

_C = JOBS.c
_THESE = _C.batch == bindparam("batch_")
_PUT = update(JOBS).where(_THESE, _C.message.is_(None))
_COUNT = select(_C.status, func.sum(_C.count).label("pictures")).where(_THESE).group_by(_C.status)
_LIVE = JOBS_IN_ORDER.where(_THESE, _C.status.in_(LIVE))


def put(transaction: Transaction, batch: UUID, channel: str, reply_to: str | None) -> None:
    """Note where the jobs are to be shown that are not shown yet."""
    transaction.execute(_PUT, {"batch_": batch, "channel": channel, "reply_to": reply_to})


def pictures(transaction: Transaction, batch: UUID) -> dict[JobStatus, int]:
    """How many pictures its jobs of each status have been asked for."""
    return {JobStatus(row.status): int(row.pictures) for row in transaction.execute(_COUNT, {"batch_": batch})}


def live(transaction: Transaction, batch: UUID) -> tuple[JobRecord, ...]:
    """Those that wait or run."""
    return records(transaction, _LIVE, batch_=batch)
