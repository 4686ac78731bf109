"""Sums over jobs: what a member has used, what a server's days looked like."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Integer, case, func, select

from bot.storage.database import Transaction
from bot.storage.jobs import LIVE, request_of
from bot.storage.records import DayStats, DayUse, MemberStats
from bot.storage.tables import JobRow
from generation.job import JobStatus
from generation.request import GenerationRequest

COUNTED = LIVE | {JobStatus.RENDERED, JobStatus.POSTED}  #: who failed, was cancelled or interrupted pays nothing
DRAWN = frozenset({JobStatus.RENDERED, JobStatus.POSTED})
FAILED = frozenset({JobStatus.FAILED, JobStatus.INTERRUPTED})

_JOBS = func.count(JobRow.id)
_SECONDS = func.coalesce(func.sum(JobRow.device_seconds), 0.0)
_DRAWN = func.coalesce(func.sum(case((JobRow.status.in_(DRAWN), JobRow.count), else_=0)), 0)
_FAILURES = func.coalesce(func.sum(case((JobRow.status.in_(FAILED), 1), else_=0)), 0)


async def of_member(transaction: Transaction, requester: str, server: str | None, since: datetime) -> DayUse:
    """What a member has asked of a server (None: in direct messages) since then; deleting a picture refunds nothing."""
    theirs = (JobRow.requester == requester) & JobRow.server.is_not_distinct_from(server)
    counted = theirs & JobRow.status.in_(COUNTED)
    today = select(_JOBS, func.coalesce(func.sum(JobRow.count), 0), _SECONDS).where(
        counted, JobRow.accepted_at >= since
    )
    jobs, images, seconds = (await transaction.execute(today)).one()
    live = await transaction.scalar(select(_JOBS).where(theirs, JobRow.status.in_(LIVE)))
    last = await transaction.scalar(
        select(JobRow.accepted_at).where(counted).order_by(JobRow.accepted_at.desc()).limit(1)
    )
    return DayUse(
        jobs=jobs,
        images=int(images),
        device_seconds=float(seconds),
        waiting_or_running=live or 0,
        last_accepted_at=last,
    )


async def measured(transaction: Transaction, most: int) -> tuple[tuple[GenerationRequest, float], ...]:
    """What the last jobs that were drawn have cost in device seconds, the oldest first."""
    drawn = JobRow.status.in_(DRAWN) & (JobRow.device_seconds > 0)
    rows = await transaction.scalars(select(JobRow).where(drawn).order_by(JobRow.accepted_at.desc()).limit(most))
    return tuple((request_of(row), row.device_seconds) for row in reversed(rows.all()))


async def by_day(transaction: Transaction, server: str, first: date, days: int) -> tuple[DayStats, ...]:
    """Each of these days of a server, the earliest first, quiet ones too."""
    # Neither database's own date functions: they differ, and PostgreSQL's would use the session's time zone.
    ends = {index: _midnight(first + timedelta(days=index + 1)) for index in range(days)}
    day = case(*((JobRow.accepted_at < end, index) for index, end in ends.items())).cast(Integer).label("day")
    rows = await transaction.execute(
        select(day, _JOBS, _DRAWN, _FAILURES, _SECONDS)
        .where(JobRow.server == server, JobRow.accepted_at >= _midnight(first), JobRow.accepted_at < ends[days - 1])
        .group_by(day)
    )
    busy = {
        index: DayStats(
            day=first + timedelta(days=index),
            jobs=jobs,
            images=int(images),
            failures=int(failures),
            device_seconds=float(seconds),
        )
        for index, jobs, images, failures, seconds in rows
    }
    return tuple(busy.get(index, DayStats(day=first + timedelta(days=index))) for index in range(days))


async def by_member(transaction: Transaction, server: str, first: date, most: int) -> tuple[MemberStats, ...]:
    """Those who used a server's device most since that day, the heaviest first."""
    rows = await transaction.execute(
        select(JobRow.requester, func.max(JobRow.requester_name), _JOBS, _DRAWN, _FAILURES, _SECONDS)
        .where(JobRow.server == server, JobRow.accepted_at >= _midnight(first))
        .group_by(JobRow.requester)
        .order_by(_SECONDS.desc(), _JOBS.desc(), JobRow.requester)
        .limit(most)
    )
    return tuple(
        MemberStats(
            member=member,
            name=name,
            jobs=jobs,
            images=int(images),
            failures=int(failures),
            device_seconds=float(seconds),
        )
        for member, name, jobs, images, failures, seconds in rows
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
