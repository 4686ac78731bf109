"""Jobs that somebody is still owed: put back in line, kept until they are asked for, or set aside after two crashes."""

from datetime import datetime
from typing import TypeAlias

from sqlalchemy import ColumnElement, select, update

from bot.errors import Quarantined
from bot.records import JobRecord
from bot.storage.database import Transaction
from bot.storage.jobs import move, records
from bot.storage.tables import JobRow
from generation.job import JobId, JobStatus

_Where: TypeAlias = ColumnElement[bool]
_QUARANTINED: _Where = (JobRow.status == JobStatus.FAILED) & (JobRow.error_code == Quarantined.code)
#: What was rendered and has an error code could not be delivered: it waits to be asked for.
_KEPT: _Where = (JobRow.status == JobStatus.RENDERED) & JobRow.error_code.is_not(None)
_NOT_DELETED: _Where = JobRow.deleted_at.is_(None)


async def unposted(transaction: Transaction) -> tuple[JobRecord, ...]:
    """The jobs whose pictures nobody has tried in vain to deliver, the oldest first."""
    open_ = (JobRow.status == JobStatus.RENDERED) & JobRow.error_code.is_(None)
    return await records(transaction, open_ & _NOT_DELETED)


async def put_back(transaction: Transaction, job_id: JobId, device_seconds: float) -> bool:
    """A worker had it and stopped in good order: it waits as before."""
    return await move(
        transaction, job_id, {JobStatus.STARTED}, JobStatus.ACCEPTED, started_at=None, device_seconds=device_seconds
    )


async def count_crash(transaction: Transaction, job_id: JobId) -> bool:
    """A worker had it when the process died: it waits again, and that is remembered."""
    return await move(
        transaction, job_id, {JobStatus.STARTED}, JobStatus.ACCEPTED, started_at=None, crashes=JobRow.crashes + 1
    )


async def keep(transaction: Transaction, job_id: JobId, error_code: str) -> bool:
    """The pictures are there and nobody could be given them: they stay until they are asked for."""
    return await move(
        transaction,
        job_id,
        {JobStatus.RENDERED},
        JobStatus.RENDERED,
        error_code=error_code,
        interaction_token=None,
        token_expires=None,
    )


async def results_of(transaction: Transaction, requester: str, most: int) -> tuple[JobRecord, ...]:
    """A member's jobs that have pictures: those nobody could deliver first, then the newest."""
    theirs = (JobRow.requester == requester) & _NOT_DELETED
    drawn = JobRow.status.in_({JobStatus.RENDERED, JobStatus.POSTED})
    newest = await transaction.scalars(
        select(JobRow.id).where(theirs & drawn).order_by(_KEPT.desc(), JobRow.accepted_at.desc(), JobRow.id).limit(most)
    )
    order = {job_id: number for number, job_id in enumerate(newest)}
    return tuple(sorted(await records(transaction, JobRow.id.in_(order)), key=lambda record: order[record.id]))


async def quarantined(transaction: Transaction, server: str) -> tuple[JobRecord, ...]:
    """The jobs of a server that were set aside, the oldest first."""
    return await records(transaction, _QUARANTINED & (JobRow.server == server) & _NOT_DELETED)


async def release(transaction: Transaction, job_id: JobId) -> bool:
    """A job that was set aside waits again. One more crash sets it aside again."""
    changed = await transaction.scalars(
        update(JobRow)
        .where(JobRow.id == job_id, _QUARANTINED, _NOT_DELETED)
        .values(status=JobStatus.ACCEPTED, error_code=None, ended_at=None, told_at=None, crashes=1)
        .returning(JobRow.id)
    )
    return changed.one_or_none() is not None


async def untold(transaction: Transaction, since: datetime) -> tuple[JobRecord, ...]:
    """The jobs that came to nothing since then and whose message does not say so yet.

    One that was cancelled before anybody was answered has nobody who waits for a word.
    """
    cancelled = (JobRow.status == JobStatus.CANCELLED) & JobRow.message.is_not(None)
    ended = JobRow.status.in_({JobStatus.FAILED, JobStatus.INTERRUPTED}) | cancelled
    open_ = ended & JobRow.told_at.is_(None) & (JobRow.ended_at >= since)
    return await records(transaction, open_ & _NOT_DELETED)


async def tell(transaction: Transaction, job_id: JobId, at: datetime) -> None:
    """Note that the requester was told of the job's bad end."""
    await transaction.execute(update(JobRow).where(JobRow.id == job_id).values(told_at=at))
