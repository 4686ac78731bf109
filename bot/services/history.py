"""Looking back: a member's own jobs in pages, one job with what it was made from, two jobs side by side."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from bot.errors import UnknownJob
from bot.records import JobRecord, Member
from bot.services.stars import Position
from bot.storage import history, jobs
from bot.storage.database import Database, Transaction
from generation.job import JobId
from generation.request import GenerationRequest
from generation.result import DrawnWith

T = TypeVar("T", GenerationRequest, DrawnWith)

PAGE = 5  #: jobs
MOST_PARENTS = 10
MOST_OFFERED = 25  #: to choose one from


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryPage:
    """Some of a member's jobs, the newest first; `newer` and `older` lead to the pages beside it, if there are any."""

    jobs: tuple[JobRecord, ...]
    newer: Position | None = None
    older: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """One step of a job's line: what was done, and to which job. None: it was deleted, or is not theirs to see."""

    action: str | None  #: None: nobody wrote it down in those days
    job: JobRecord | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """A job and what it was made from, the nearest first."""

    job: JobRecord
    parents: tuple[Parent, ...]
    more: bool = False  #: whether the line goes on


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field that is not the same in two records of a kind."""

    field: str
    first: Any
    second: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What differs between two jobs: in what was asked for, and in what they were drawn with."""

    first: JobRecord
    second: JobRecord
    asked: tuple[Difference, ...]
    drawn_with: tuple[Difference, ...]


class History:
    """Finds what was asked for before. Members see their own jobs everywhere, and others' where they speak from."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def page(self, member: Member, position: Position | None = None) -> HistoryPage:
        """The member's own jobs from this position on, or the newest; those too where nothing is left there."""
        return await self._database.read(lambda transaction: _page(transaction, member.id, position))

    async def newest(self, member: Member) -> tuple[JobRecord, ...]:
        """The member's own last jobs, wherever they asked."""
        return await self._database.read(lambda transaction: history.newest(transaction, member.id, MOST_OFFERED))

    async def one(self, job_id: JobId, member: Member) -> JobRecord:
        """A job of theirs, or of where they speak from. Raises UnknownJob, for a deleted one too."""
        record = await self._database.read(lambda transaction: jobs.get(transaction, job_id))
        if record is None or not _may_see(member, record):
            raise UnknownJob
        return record

    async def compared(self, first: JobId, second: JobId, member: Member) -> "Comparison":
        """What differs between two such jobs. Raises UnknownJob."""
        one, other = await self.one(first, member), await self.one(second, member)
        return Comparison(
            first=one,
            second=other,
            asked=differences(one.request, other.request),
            drawn_with=drawn_differently(one.drawn_with, other.drawn_with),
        )

    async def lineage(self, job_id: JobId, member: Member) -> Lineage:
        """Such a job with what it was made from. Raises UnknownJob."""
        record = await self.one(job_id, member)
        found = await self._database.read(lambda transaction: history.parents(transaction, record, MOST_PARENTS))
        line = zip((record, *found), found, strict=False)
        steps = [Parent(action=child.action, job=job if _may_see(member, job) else None) for child, job in line]
        last = found[-1] if found else record
        return Lineage(job=record, parents=tuple(steps), more=bool(found) and last.parent is not None)


def differences(first: T, second: T) -> tuple[Difference, ...]:
    """The fields in which two records differ, in their order; not those that say how it was asked for."""
    names = [field.name for field in fields(first) if field.compare]
    values = [(name, getattr(first, name), getattr(second, name)) for name in names]
    return tuple(Difference(field=name, first=one, second=two) for name, one, two in values if one != two)


def drawn_differently(first: DrawnWith, second: DrawnWith) -> tuple[Difference, ...]:
    """What two jobs were drawn with, where it differs as far as both are known."""
    return tuple(one for one in differences(first, second) if one.first and one.second)


def _may_see(member: Member, job: JobRecord) -> bool:
    return job.deleted_at is None and (job.requester == member.id or member.is_where(job))


def _page(transaction: Transaction, requester: str, position: Position | None) -> HistoryPage:
    if position is not None:
        search = history.older if position.goes_older else history.newer
        found = search(transaction, requester, position.at, position.job, PAGE + 1)
        if found and position.goes_older:
            is_first = not history.newer(transaction, requester, found[0].accepted_at, found[0].id, 1)
            return _between(found[:PAGE], has_newer=not is_first, has_older=len(found) > PAGE)
        if len(found) > PAGE:  # else it is the first page that they come to
            return _between(found[1:], has_newer=True, has_older=True)
    found = history.newest(transaction, requester, PAGE + 1)
    return _between(found[:PAGE], has_newer=False, has_older=len(found) > PAGE)


def _between(jobs: tuple[JobRecord, ...], *, has_newer: bool, has_older: bool) -> HistoryPage:
    newer = Position(at=jobs[0].accepted_at, job=jobs[0].id, goes_older=False) if has_newer else None
    older = Position(at=jobs[-1].accepted_at, job=jobs[-1].id) if has_older else None
    return HistoryPage(jobs=jobs, newer=newer, older=older)
