"""Sums over jobs: what a member has used, what a server's days looked like."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Integer, case, func, select

from bot.records import Account, DayStats, DayUse, MemberStats
from bot.storage.database import Transaction
from bot.storage.jobs import LIVE, request_of
from bot.storage.tables import JobRow
from generation.job import JobStatus
from generation.request import GenerationRequest

LONGEST_COOLDOWN = timedelta(days=1)  #: jobs before that say nothing about it

#: A day's pictures; who failed, was cancelled or interrupted pays none.
COUNTED = LIVE | {JobStatus.RENDERED, JobStatus.POSTED}
DRAWN = frozenset({JobStatus.RENDERED, JobStatus.POSTED})
FAILED = frozenset({JobStatus.FAILED, JobStatus.INTERRUPTED})

_COUNTED = JobRow.status.in_(COUNTED)
_STOPPED_BY_MEMBER = (JobRow.status == JobStatus.CANCELLED) & (JobRow.ended_by == JobRow.requester)
#: What a job counts of the day's device seconds: an estimate while it is live, then what was spent on it.
_CHARGED = case((JobRow.status.in_(LIVE), JobRow.estimated_seconds), else_=JobRow.device_seconds)

_JOBS = func.count(JobRow.id)
_SECONDS = func.coalesce(func.sum(JobRow.device_seconds), 0.0)
_DRAWN = func.coalesce(func.sum(case((JobRow.status.in_(DRAWN), JobRow.count), else_=0)), 0)
_FAILURES = func.coalesce(func.sum(case((JobRow.status.in_(FAILED), 1), else_=0)), 0)


async def of_members(
    transaction: Transaction, members: Collection[Account], since: datetime, now: datetime
) -> dict[Account, DayUse]:
    """What each of them has asked of the server since then; deleting a picture refunds nothing.

    A job that a member stopped counts no pictures, but the device seconds that were spent on it by then.
    """
    people = {requester for requester, _ in members}
    servers = {server for _, server in members if server is not None}
    places = [JobRow.server.in_(servers)] if servers else []
    places += [JobRow.server.is_(None)] if any(server is None for _, server in members) else []
    day: dict[Account, Sequence[Any]] = {}
    for place in places:  # apart, or no index would serve both
        # The order of the index: a member who has asked for ten thousand pictures so far should not wait for it.
        recent = JobRow.requester.in_(people) & place & (JobRow.accepted_at >= now - LONGEST_COOLDOWN)
        today = JobRow.accepted_at >= since
        rows = await transaction.execute(
            select(
                JobRow.requester,
                JobRow.server,
                func.sum(case((today & _COUNTED, 1), else_=0)),
                func.sum(case((today & _COUNTED, JobRow.count), else_=0)),
                func.sum(case((today, _CHARGED), else_=0.0)),
                func.max(case((_COUNTED, JobRow.accepted_at))),
            )
            .where(recent, _COUNTED | _STOPPED_BY_MEMBER)
            .group_by(JobRow.requester, JobRow.server)
        )
        day |= {(requester, server): sums for requester, server, *sums in rows}
    live = await transaction.execute(
        select(JobRow.requester, JobRow.server, _JOBS)
        .where(JobRow.requester.in_(people), JobRow.status.in_(LIVE))
        .group_by(JobRow.requester, JobRow.server)
    )
    waiting_or_running = {(requester, server): count for requester, server, count in live}
    used: dict[Account, DayUse] = {}
    for member in members:
        jobs, images, seconds, last = day.get(member, (0, 0, 0.0, None))
        used[member] = DayUse(
            jobs=int(jobs),
            images=int(images),
            device_seconds=float(seconds),
            waiting_or_running=waiting_or_running.get(member, 0),
            last_accepted_at=last,
        )
    return used


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
