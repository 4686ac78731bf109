"""What the admins of a server have set: limits, blocks, and the audit of both."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, select

from bot.records import Account, AuditRecord, BlockRecord, Change, LimitRow, LimitScope, LimitValues
from bot.storage.database import Transaction
from bot.storage.tables import AuditRow, BlockRow, LimitsRow, ServerRow

_LIMITS = cast("Table", LimitsRow.__table__)
_BLOCKS = cast("Table", BlockRow.__table__)
_AUDIT = [field.name for field in fields(AuditRecord)]  # columns of the same names


async def ensure(transaction: Transaction, server: str, at: datetime) -> None:
    """The server's own row, which everything it sets hangs on."""
    if await transaction.get(ServerRow, server) is None:
        transaction.add(ServerRow(id=server, first_set_at=at))
        await transaction.flush()


async def limits_of(transaction: Transaction, server: str) -> tuple[LimitRow, ...]:
    """All limits of a server: its own, then its roles', then its members'."""
    rows = await transaction.scalars(select(LimitsRow).where(LimitsRow.server == server).order_by(LimitsRow.subject))
    order = list(LimitScope)
    return tuple(sorted(map(_limit_row, rows), key=lambda row: order.index(row.scope)))


async def limits_that_concern(
    transaction: Transaction, members: Collection[Account]
) -> dict[str, tuple[LimitRow, ...]]:
    """By server, the limits that may touch these members: their own, and those of everybody and of all roles."""
    servers, people = _apart(members)
    rows = await transaction.execute(
        select(_LIMITS).where(
            LimitsRow.server.in_(servers), (LimitsRow.scope != LimitScope.MEMBER) | LimitsRow.subject.in_(people)
        )
    )
    found: dict[str, tuple[LimitRow, ...]] = {}
    for row in rows:
        found[row.server] = (*found.get(row.server, ()), _limit_row(row))
    return found


async def blocks_of(transaction: Transaction, members: Collection[Account]) -> dict[Account, BlockRecord]:
    """The blocks that keep any of these members out."""
    servers, people = _apart(members)
    rows = await transaction.execute(select(_BLOCKS).where(BlockRow.server.in_(servers), BlockRow.member.in_(people)))
    return {(row.member, row.server): _block(row) for row in rows}


async def limits_at(transaction: Transaction, server: str, scope: LimitScope, subject: str | None) -> LimitValues:
    """What is set at exactly this place."""
    row = await transaction.get(LimitsRow, (server, scope, subject or server))
    return {} if row is None else row.by_name


async def put_limits(
    transaction: Transaction, server: str, scope: LimitScope, subject: str | None, values: LimitValues
) -> None:
    """Set these limits and no others at this place."""
    row = await transaction.get(LimitsRow, (server, scope, subject or server))
    if row is not None and not values:
        await transaction.delete(row)
    elif row is not None:
        row.by_name = dict(values)
    elif values:
        transaction.add(LimitsRow(server=server, scope=scope, subject=subject or server, by_name=dict(values)))
    await transaction.flush()


async def block_of(transaction: Transaction, server: str, member: str) -> BlockRecord | None:
    """The block that keeps a member out, if there is one."""
    row = await transaction.get(BlockRow, (server, member))
    return None if row is None else _block(row)


async def put_block(transaction: Transaction, block: BlockRecord) -> None:
    """Block a member, or block them for another reason."""
    await transaction.merge(
        BlockRow(server=block.server, member=block.member, reason=block.reason, by=block.by, at=block.at)
    )
    await transaction.flush()


async def remove_block(transaction: Transaction, block: BlockRecord) -> None:
    """Let a member in again."""
    row = await transaction.get_one(BlockRow, (block.server, block.member))
    await transaction.delete(row)
    await transaction.flush()


async def note(transaction: Transaction, record: AuditRecord) -> None:
    """Write down what an admin did; in the transaction that does it."""
    changes = [[change.field, change.before, change.after] for change in record.changes]
    transaction.add(AuditRow(**{name: getattr(record, name) for name in _AUDIT} | {"changes": changes}))
    await transaction.flush()


async def audit_of(transaction: Transaction, server: str, most: int = 100) -> tuple[AuditRecord, ...]:
    """What the admins of a server did, the newest first."""
    rows = await transaction.scalars(
        select(AuditRow).where(AuditRow.server == server).order_by(AuditRow.at.desc(), AuditRow.id).limit(most)
    )
    return tuple(map(_audit, rows))


def _audit(row: AuditRow) -> AuditRecord:
    values: dict[str, Any] = {name: getattr(row, name) for name in _AUDIT}
    values["changes"] = tuple(Change(field=name, before=before, after=after) for name, before, after in row.changes)
    return AuditRecord(**values)


def _apart(members: Collection[Account]) -> tuple[set[str], set[str]]:
    """The servers, and the members. A server or member too many is found for nobody, and one query does for all."""
    servers = {server for _, server in members if server is not None}
    return servers, {member for member, server in members if server is not None}


def _block(row: Any) -> BlockRecord:
    return BlockRecord(server=row.server, member=row.member, reason=row.reason, by=row.by, at=row.at)


def _limit_row(row: Any) -> LimitRow:
    subject = None if row.scope is LimitScope.SERVER else row.subject
    return LimitRow(scope=row.scope, subject=subject, values=row.by_name)
