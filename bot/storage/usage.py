"""Sums over jobs: what a member has used, what a server's days looked like."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from bot.records import Account, DayStats, DayUse, MemberStats
from bot.storage import requests
from bot.storage.database import Transaction
from bot.storage.jobs import LIVE
from bot.storage.tables import JOBS, UtcDateTime
from generation.job import JobStatus
from generation.request import GenerationRequest

LONGEST_COOLDOWN = timedelta(days=1)  #: jobs before that say nothing about it

#: Statuses that count towards `images_a_day`.
COUNTED = LIVE | {JobStatus.RENDERED, JobStatus.POSTED}
DRAWN = frozenset({JobStatus.RENDERED, JobStatus.POSTED})
FAILED = frozenset({JobStatus.FAILED, JobStatus.INTERRUPTED})

_C = JOBS.c
_COUNTED = _C.status.in_(COUNTED)
_STOPPED_BY_MEMBER = and_(_C.status == JobStatus.CANCELLED, _C.ended_by == _C.requester)
#: What a job counts of the day's device seconds: an estimate while it is live, then what was spent on it.
_CHARGED = case((_C.status.in_(LIVE), _C.estimated_seconds), else_=_C.device_seconds)

_SUMS = (
    func.count().label("jobs"),
    func.coalesce(func.sum(case((_C.status.in_(DRAWN), _C.count), else_=0)), 0).label("images"),
    func.coalesce(func.sum(case((_C.status.in_(FAILED), 1), else_=0)), 0).label("failures"),
    func.coalesce(func.sum(_C.device_seconds), 0.0).label("seconds"),
)
_THEIRS = _C.requester.in_(bindparam("people", expanding=True))


_NONE = literal_column("0", Integer())
_ONE = literal_column("1", Integer())
_BATCH = func.coalesce(_C.batch, _C.id)
_NO_SECONDS = literal_column("0.0", _C.device_seconds.type)


def _day(place: ColumnElement[bool]) -> "Select[Any, Any, Any, Any, Any, Any, Any]":
    today = _C.accepted_at >= bindparam("since")
    return (
        select(
            _C.requester,
            _C.server,
            func.sum(case((and_(today, _COUNTED), 1), else_=0)).label("jobs"),
            func.sum(case((and_(today, _COUNTED), _C.count - _C.given_back), else_=0)).label("images"),
            func.sum(case((today, _CHARGED), else_=0.0)).label("seconds"),
            func.max(case((_COUNTED, _C.accepted_at))).label("last"),
            _NONE.label("live"),
        )
        # The order of the index: a member who has asked for ten thousand pictures so far should not wait for it.
        # What a clock that was ahead has written is not of this day.
        .where(_THEIRS, place, _C.accepted_at >= bindparam("recent"), _C.accepted_at <= bindparam("now"))
        .where(or_(_COUNTED, _STOPPED_BY_MEMBER))
        .group_by(_C.requester, _C.server)
    )


#: In one statement, each part by an index of its own: a day on servers, a day elsewhere, what is live.
_USED = union_all(
    _day(_C.server.in_(bindparam("servers", expanding=True))),
    _day(_C.server.is_(None)),
    select(_C.requester, _C.server, _NONE, _NONE, _NO_SECONDS, cast(null(), UtcDateTime()), _ONE)
    .where(_THEIRS, _C.status.in_(LIVE))
    # Jobs that one prompt asked for together are one of those that wait or run. The batch is first: for the order of
    # the others SQLite would take another index, and read all that a member has ever asked for.
    .group_by(_BATCH, _C.requester, _C.server),
)
_MEASURED = (
    select(_C.request, _C.device_seconds, _C.drawn_with)
    .where(_C.status == JobStatus.POSTED, _C.device_seconds > 0)
    .order_by(_C.ended_at.desc())
    .limit(bindparam("most"))
)
_ONE_DAY = select(*_SUMS).where(
    _C.server == bindparam("server_"), _C.accepted_at >= bindparam("since"), _C.accepted_at < bindparam("until")
)
_SINCE = (_C.server == bindparam("server_"), _C.accepted_at >= bindparam("since"))
_SECONDS = func.sum(_C.device_seconds)
#: No more than the order needs: this groups all that a server has asked for in three months.
_HEAVIEST = (
    select(_C.requester)
    .where(*_SINCE)
    .group_by(_C.requester)
    .order_by(_SECONDS.desc(), func.count().desc(), _C.requester)
    .limit(bindparam("most"))
)
_OF_MEMBER = select(*_SUMS).where(_C.requester == bindparam("member"), *_SINCE)
_NAME_OF_MEMBER = (
    select(_C.requester_name)
    .where(_C.requester == bindparam("member"), *_SINCE)
    .order_by(_C.accepted_at.desc())
    .limit(1)
)


def of_members(
    transaction: Transaction, members: Collection[Account], since: datetime, now: datetime
) -> dict[Account, DayUse]:
    """What each of them has asked of the server since then; deleting a picture refunds nothing.

    A job that a member stopped counts no pictures, but the device seconds that were spent on it by then.
    """
    found: dict[Account, DayUse] = {member: DayUse() for member in members}
    asked = {
        "people": list({requester for requester, _ in members}),
        "servers": list({server for _, server in members if server is not None}),
        "since": since,
        "recent": now - LONGEST_COOLDOWN,
        "now": now,
    }
    for row in transaction.execute(_USED, asked):
        if (use := found.get((row.requester, row.server))) is not None:
            found[row.requester, row.server] = DayUse(
                jobs=use.jobs + int(row.jobs),
                images=use.images + int(row.images),
                device_seconds=use.device_seconds + float(row.seconds),
                waiting_or_running=use.waiting_or_running + row.live,
                last_accepted_at=row.last or use.last_accepted_at,
            )
    return found


def measured(transaction: Transaction, most: int) -> tuple[tuple[GenerationRequest, float, str], ...]:
    """What the last jobs that were posted have cost in device seconds, and on which kind of device, the oldest first.

    A model whose file was replaced is another one: of each only what its last file has cost.
    """
    last_files: dict[str, str | None] = {}
    costs: list[tuple[GenerationRequest, float, str]] = []
    for row in transaction.execute(_MEASURED, {"most": most}):
        request = requests.from_data(row.request)
        drawn_with: dict[str, str] = row.drawn_with or {}
        file = drawn_with.get("model_hash")
        if last_files.setdefault(request.model, file) == file:
            costs.append((request, row.device_seconds, drawn_with.get("device", "")))
    return tuple(reversed(costs))


def by_day(transaction: Transaction, server: str, first: date, days: int) -> tuple[DayStats, ...]:
    """Each of these days of a server, the earliest first, quiet ones too."""

    # Neither database's own date functions: they differ, and PostgreSQL's would use the session's time zone.
    def one(day: date) -> DayStats:
        bounds = {"server_": server, "since": _midnight(day), "until": _midnight(day + timedelta(days=1))}
        return DayStats(day=day, **_sums(transaction.execute(_ONE_DAY, bounds).one()))

    return tuple(one(first + timedelta(days=index)) for index in range(days))


def by_member(transaction: Transaction, server: str, first: date, most: int) -> tuple[MemberStats, ...]:
    """Those who used a server's device most since that day, the heaviest first."""
    asked = {"server_": server, "since": _midnight(first)}

    def one(member: str) -> MemberStats:
        of_member = {**asked, "member": member}
        name = transaction.scalar(_NAME_OF_MEMBER, of_member)
        return MemberStats(member=member, name=str(name), **_sums(transaction.execute(_OF_MEMBER, of_member).one()))

    return tuple(one(member) for member in transaction.scalars(_HEAVIEST, {**asked, "most": most}).all())


def _sums(row: Any) -> dict[str, Any]:
    return {
        "jobs": row.jobs,
        "images": int(row.images),
        "failures": int(row.failures),
        "device_seconds": float(row.seconds),
    }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
