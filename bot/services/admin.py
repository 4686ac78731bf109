"""What a server's admins may set and see. Each change leaves an audit row in its own transaction."""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import uuid4

from bot.services.answers import Resumed, Stats
from bot.services.errors import NotAllowed, UnknownJob
from bot.services.limits import LIMIT_NAMES, LimitRow, LimitScope, LimitValues, check_ranges
from bot.services.members import Member
from bot.services.restart import resume
from bot.storage import jobs, servers, unfinished, usage
from bot.storage.database import Database, Transaction
from bot.storage.records import AuditRecord, BlockRecord, Change, Clock, DayStats, JobRecord, MemberStats
from generation.catalog import ModelCatalog
from generation.dispatcher import Dispatcher
from generation.errors import InvalidRequest
from generation.job import JobId

__all__ = [
    "AdminService",
    "AuditRecord",
    "DayStats",
    "JobRecord",
    "LimitRow",
    "LimitScope",
    "LimitValues",
    "MemberStats",
    "Stats",
]

MAX_STATS_DAYS = 90
MAX_STATS_MEMBERS = 25
MAX_REASON = 500  #: characters

_Values: TypeAlias = dict[str, Any]


class AdminService:
    """A server's settings, in the hands of those who may manage it. Every method raises NotAllowed for anybody else."""

    def __init__(self, *, database: Database, dispatcher: Dispatcher, catalog: ModelCatalog, clock: Clock) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._catalog = catalog
        self._clock = clock

    async def limits(self, admin: Member) -> tuple[LimitRow, ...]:
        """All that is set on this server: for the server, then for roles, then for members."""
        server = _server_of(admin)
        async with self._database.reading() as transaction:
            return await servers.limits_of(transaction, server)

    async def set_limits(
        self, admin: Member, scope: LimitScope, subject: str | None, changes: LimitValues
    ) -> LimitValues:
        """Set the limits that are given, leave the others; returns what is set now. Raises InvalidRequest."""
        server = _server_of(admin)
        if changes == LimitValues():
            raise InvalidRequest("limits", "at least one of " + ", ".join(LIMIT_NAMES.values()), "none")
        check_ranges(changes)
        subject = _subject_of(scope, subject)
        async with self._database.writing() as transaction:
            before = await servers.limits_at(transaction, server, scope, subject)
            after = replace(before, **{field: value for field, value in asdict(changes).items() if value is not None})
            await servers.ensure(transaction, server, self._clock())
            await servers.put_limits(transaction, server, scope, subject, after)
            await self._note(transaction, admin, server, "limits.set", scope, subject, asdict(before), asdict(after))
        return after

    async def reset_limits(self, admin: Member, scope: LimitScope, subject: str | None) -> bool:
        """Forget all limits set for exactly this server, role or member; False when there were none."""
        server = _server_of(admin)
        subject = _subject_of(scope, subject)
        nothing = LimitValues()
        async with self._database.writing() as transaction:
            before = await servers.limits_at(transaction, server, scope, subject)
            if before == nothing:
                return False
            await servers.put_limits(transaction, server, scope, subject, nothing)
            await self._note(
                transaction, admin, server, "limits.reset", scope, subject, asdict(before), asdict(nothing)
            )
        return True

    async def stats(self, admin: Member, days: int = 7) -> Stats:
        """The last days of this server, today included, UTC. Raises InvalidRequest."""
        server = _server_of(admin)
        if not 1 <= days <= MAX_STATS_DAYS:
            raise InvalidRequest("days", f"from 1 to {MAX_STATS_DAYS}", days)
        first = self._clock().date() - timedelta(days=days - 1)
        async with self._database.reading() as transaction:
            return Stats(
                by_day=await usage.by_day(transaction, server, first, days),
                by_member=await usage.by_member(transaction, server, first, MAX_STATS_MEMBERS),
            )

    async def block(self, admin: Member, member_id: str, reason: str | None) -> None:
        """Let this member ask for no more pictures here; what they asked for before goes on. Raises InvalidRequest."""
        server = _server_of(admin)
        if reason is not None and len(reason) > MAX_REASON:
            raise InvalidRequest("reason", f"at most {MAX_REASON} characters", f"{len(reason)} characters")
        now = self._clock()
        block = BlockRecord(server=server, member=member_id, reason=reason or None, by=admin.id, at=now)
        async with self._database.writing() as transaction:
            earlier = await servers.block_of(transaction, server, member_id)
            before = _as_values(earlier)
            if earlier is not None and not block.reason:  # blocked again without a word: the old one still holds
                block = replace(block, reason=earlier.reason)
            await servers.ensure(transaction, server, now)
            await servers.put_block(transaction, block)
            await self._note(
                transaction, admin, server, "block", LimitScope.MEMBER, member_id, before, _as_values(block)
            )

    async def unblock(self, admin: Member, member_id: str) -> bool:
        """Let this member ask again; False when they were not blocked."""
        server = _server_of(admin)
        async with self._database.writing() as transaction:
            block = await servers.block_of(transaction, server, member_id)
            if block is None:
                return False
            await servers.remove_block(transaction, block)
            await self._note(
                transaction, admin, server, "unblock", LimitScope.MEMBER, member_id, _as_values(block), _as_values(None)
            )
        return True

    async def quarantined(self, admin: Member) -> tuple[JobRecord, ...]:
        """The jobs of this server that ran in two crashes and were set aside, the oldest first."""
        server = _server_of(admin)
        async with self._database.reading() as transaction:
            return await unfinished.quarantined(transaction, server)

    async def release(self, admin: Member, job_id: JobId) -> Resumed:
        """Let a job that was set aside try again, alone, however long the line is.

        Raises UnknownJob, InvalidRequest when its model is no longer on offer, and what the dispatcher's
        `check_open` raises.
        """
        server = _server_of(admin)
        self._dispatcher.check_open()
        async with self._database.writing() as transaction:
            record = await jobs.get(transaction, job_id)
            if record is None or record.server != server or not await unfinished.release(transaction, job_id):
                raise UnknownJob
            self._catalog.get(record.request.model)  # what it raises leaves the job where it was
            record = await jobs.get(transaction, job_id) or record
            await servers.ensure(transaction, server, self._clock())
            await self._note(
                transaction,
                admin,
                server,
                "quarantine.release",
                LimitScope.MEMBER,
                record.requester,
                {"job": None},
                {"job": str(job_id)},
            )
        return Resumed(job=record, ticket=resume(self._dispatcher, record))

    async def audit(self, admin: Member, most: int = 100) -> tuple[AuditRecord, ...]:
        """What the admins of this server did, the newest first."""
        server = _server_of(admin)
        async with self._database.reading() as transaction:
            return await servers.audit_of(transaction, server, most)

    async def _note(
        self,
        transaction: Transaction,
        admin: Member,
        server: str,
        action: str,
        scope: LimitScope,
        subject: str | None,
        before: _Values,
        after: _Values,
    ) -> None:
        changes = tuple(
            Change(field=field, before=before[field], after=value)
            for field, value in after.items()
            if value != before[field]
        )
        record = AuditRecord(
            id=uuid4(),
            server=server,
            actor=admin.id,
            actor_name=admin.name,
            action=action,
            scope=scope,
            subject=subject,
            changes=changes,
            at=self._clock(),
        )
        await servers.note(transaction, record)


def _server_of(admin: Member) -> str:
    if admin.server is None or not admin.is_admin:
        raise NotAllowed("Only those who may manage this server (Manage Server) may do that.")
    return admin.server


def _subject_of(scope: LimitScope, subject: str | None) -> str | None:
    if scope is LimitScope.SERVER:
        return None
    if not subject:
        raise InvalidRequest(scope.value, f"a {scope.value} of this server", subject)
    return subject


def _as_values(block: BlockRecord | None) -> _Values:
    return {"blocked": "yes" if block else "no", "reason": block.reason if block else None}
