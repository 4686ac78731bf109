"""Jobs that somebody is still owed: put back in line, kept until they are asked for, or set aside after two crashes."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select, update

from bot.errors import Held, Quarantined
from bot.records import JobRecord
from bot.storage.database import Transaction
from bot.storage.jobs import JOBS_IN_ORDER, LIVE, finish, move, records
from bot.storage.tables import JOBS
from generation.job import JobId, JobStatus

log = logging.getLogger(__name__)

CRASHES_ALLOWED = 1  #: a neighbour may have caused the first crash; afterwards the job runs alone

_C = JOBS.c
_THIS = _C.id == bindparam("id_")
_NOT_DELETED = _C.deleted_at.is_(None)
_QUARANTINED = and_(_C.status == JobStatus.FAILED, _C.error_code == Quarantined.code, _NOT_DELETED)

_UNPOSTED = JOBS_IN_ORDER.where(_C.status == JobStatus.RENDERED, _C.error_code.is_(None), _NOT_DELETED)
#: The newest of a member's jobs in a status, in the order of an index: some members have thousands.
_NEWEST = (
    select(JOBS)
    .where(_C.requester == bindparam("requester_"), _C.status == bindparam("status_"), _NOT_DELETED)
    .order_by(_C.accepted_at.desc())
    .limit(bindparam("most"))
)
#: What is rendered and has an error could not be delivered, unless that says that it is held back.
_KEPT = _NEWEST.where(_C.error_code != Held.code)
_NOT_KEPT = _NEWEST.where(or_(_C.error_code.is_(None), _C.error_code == Held.code))
_QUARANTINED_ON = select(JOBS).where(_QUARANTINED, _C.server == bindparam("server_"))
_RELEASE = update(JOBS).where(_THIS, _QUARANTINED)
#: One that was cancelled before anybody was answered has nobody who waits for a word.
_UNTOLD = JOBS_IN_ORDER.where(
    or_(
        _C.status.in_({JobStatus.FAILED, JobStatus.INTERRUPTED}),
        and_(_C.status == JobStatus.CANCELLED, _C.message.is_not(None)),
    ),
    _C.told_at.is_(None),
    _C.ended_at >= bindparam("since"),
    _NOT_DELETED,
)
_MESSAGE_LEFT = JOBS_IN_ORDER.where(_C.deleted_at >= bindparam("since"), _C.told_at.is_(None), _C.message.is_not(None))
_TELL = update(JOBS).where(_THIS)


def unposted(transaction: Transaction) -> tuple[JobRecord, ...]:
    """The jobs whose pictures nobody has tried in vain to deliver, the oldest first."""
    return records(transaction, _UNPOSTED)


def put_back(transaction: Transaction, job_id: JobId, device_seconds: float) -> bool:
    """A worker had it and stopped in good order: it waits as before."""
    return move(transaction, job_id, {JobStatus.STARTED}, JobStatus.ACCEPTED, device_seconds=device_seconds)


def clear(transaction: Transaction, job_id: JobId) -> bool:
    """The process died while the job stood: it waits as before."""
    return move(transaction, job_id, {JobStatus.STARTED}, JobStatus.ACCEPTED)


def crashed(transaction: Transaction, record: JobRecord, at: datetime) -> bool:
    """The device worked for it when it went down: it waits again, and that is remembered. False: it is set aside."""
    if record.crashes >= CRASHES_ALLOWED:
        log.error("job %s by %s ran in two crashes and is set aside", record.id, record.requester)
        finish(transaction, record.id, JobStatus.FAILED, at, error_code=Quarantined.code, among=LIVE)
        return False
    # Its row may still say that it waits, when the process died of the very first step.
    move(transaction, record.id, LIVE, JobStatus.ACCEPTED, crashes=record.crashes + 1)
    return True


def keep(transaction: Transaction, job_id: JobId, error_code: str) -> bool:
    """The pictures are there and nobody could be given them: they stay until they are asked for."""
    return move(
        transaction,
        job_id,
        {JobStatus.RENDERED},
        JobStatus.RENDERED,
        error_code=error_code,
        interaction_token=None,
        token_expires=None,
    )


def results_of(transaction: Transaction, requester: str, most: int) -> tuple[JobRecord, ...]:
    """A member's jobs that have pictures: those nobody could deliver first, then the newest."""

    def newest(statement: Select[Any], status: JobStatus) -> tuple[JobRecord, ...]:
        return records(transaction, statement, requester_=requester, status_=status, most=most)

    kept = newest(_KEPT, JobStatus.RENDERED)
    others = newest(_NOT_KEPT, JobStatus.RENDERED) + newest(_NEWEST, JobStatus.POSTED)
    return (kept + tuple(sorted(others, key=lambda record: record.accepted_at, reverse=True)))[:most]


def quarantined(transaction: Transaction, server: str) -> tuple[JobRecord, ...]:
    """The jobs of a server that were set aside, the oldest first."""
    found = records(transaction, _QUARANTINED_ON, server_=server)
    return tuple(sorted(found, key=lambda record: record.accepted_at))


def release(transaction: Transaction, job_id: JobId) -> bool:
    """A job that was set aside waits again. One more crash sets it aside again."""
    again = {"status": JobStatus.ACCEPTED, "error_code": None, "ended_at": None, "told_at": None, "crashes": 1}
    return transaction.execute(_RELEASE, {"id_": job_id, **again}).rowcount > 0


def untold(transaction: Transaction, since: datetime) -> tuple[JobRecord, ...]:
    """The jobs that came to nothing since then and whose message does not say so yet."""
    return records(transaction, _UNTOLD, since=since)


def with_messages_left(transaction: Transaction, since: datetime) -> tuple[JobRecord, ...]:
    """The jobs that were deleted since then and whose message may still be there."""
    return records(transaction, _MESSAGE_LEFT, since=since)


def tell(transaction: Transaction, job_id: JobId, at: datetime) -> None:
    """Note that the requester was told of the job's bad end, or that the message of a deleted job is gone."""
    transaction.execute(_TELL, {"id_": job_id, "told_at": at})
