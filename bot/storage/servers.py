"""What the admins of a server have set: limits, blocks, and the audit of both."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, union_all, update

from bot.records import Account, AuditRecord, BlockRecord, Change, LimitRow, LimitScope, LimitValues
from bot.storage.database import Transaction
from bot.storage.tables import AUDIT, BLOCKS, LIMITS, SERVERS, SETTINGS

_AUDIT = [field.name for field in fields(AuditRecord)]  # columns of the same names
_BLOCK = [field.name for field in fields(BlockRecord)]  # the same

_SERVER = select(SERVERS.c.id).where(SERVERS.c.id == bindparam("server_"))
_ONE_SCOPE = (LIMITS.c.server == bindparam("server_"), LIMITS.c.scope == bindparam("scope_"))
_LIMITS_OF = select(LIMITS).where(*_ONE_SCOPE).order_by(LIMITS.c.subject).limit(bindparam("most"))
_HOW_MANY = select(func.count(LIMITS.c.subject)).where(LIMITS.c.server == bindparam("server_"))
_ON_SERVERS = select(LIMITS).where(LIMITS.c.server.in_(bindparam("servers", expanding=True)))
#: Two ways through one key: a server may have set limits for thousands of its members.
_LIMITS_OF_ALL = union_all(
    _ON_SERVERS.where(LIMITS.c.scope.in_({LimitScope.SERVER, LimitScope.ROLE})),
    _ON_SERVERS.where(LIMITS.c.scope == LimitScope.MEMBER, LIMITS.c.subject.in_(bindparam("people", expanding=True))),
)
_PLACE = (
    LIMITS.c.server == bindparam("server_"),
    LIMITS.c.scope == bindparam("scope_"),
    LIMITS.c.subject == bindparam("subject_"),
)
_BLOCKS_OF_ALL = select(BLOCKS).where(
    BLOCKS.c.server.in_(bindparam("servers", expanding=True)),
    BLOCKS.c.member.in_(bindparam("people", expanding=True)),
)
_BLOCK_OF = (BLOCKS.c.server == bindparam("server_"), BLOCKS.c.member == bindparam("member_"))
_TOPIC = (SETTINGS.c.server == bindparam("server_"), SETTINGS.c.topic == bindparam("topic_"))
_SETTINGS_OF = select(SETTINGS.c.by_name).where(*_TOPIC)
_TOPIC_OF_ALL = select(SETTINGS.c.server, SETTINGS.c.by_name).where(
    SETTINGS.c.server.in_(bindparam("servers", expanding=True)), SETTINGS.c.topic == bindparam("topic_")
)
_AUDIT_OF = (
    select(AUDIT)
    .where(AUDIT.c.server == bindparam("server_"))
    .order_by(AUDIT.c.at.desc(), AUDIT.c.id)
    .limit(bindparam("most"))
)


def ensure(transaction: Transaction, server: str) -> None:
    """The server's own row, which everything it sets hangs on."""
    if transaction.scalar(_SERVER, {"server_": server}) is None:
        transaction.execute(insert(SERVERS), {"id": server})


def limits_of(transaction: Transaction, server: str, most: int) -> tuple[tuple[LimitRow, ...], int]:
    """The limits of a server: its own, then its roles', then its members'; and how many more there are."""
    found: list[LimitRow] = []
    for scope in LimitScope:
        values = {"server_": server, "scope_": scope, "most": most - len(found)}
        found += map(_limit_row, transaction.execute(_LIMITS_OF, values))
    return tuple(found), int(transaction.scalar(_HOW_MANY, {"server_": server}) or 0) - len(found)


def limits_that_concern(transaction: Transaction, members: Collection[Account]) -> dict[str, tuple[LimitRow, ...]]:
    """By server, the limits that may touch these members: their own, and those of everybody and of all roles."""
    found: dict[str, tuple[LimitRow, ...]] = {}
    for row in transaction.execute(_LIMITS_OF_ALL, _apart(members)):
        found[row.server] = (*found.get(row.server, ()), _limit_row(row))
    return found


def blocks_of(transaction: Transaction, members: Collection[Account]) -> dict[Account, BlockRecord]:
    """The blocks that keep any of these members out."""
    rows = transaction.execute(_BLOCKS_OF_ALL, _apart(members))
    return {(row.member, row.server): _block(row) for row in rows}


def limits_at(transaction: Transaction, server: str, scope: LimitScope, subject: str | None) -> LimitValues:
    """What is set at exactly this place."""
    return transaction.scalar(select(LIMITS.c.by_name).where(*_PLACE), _place(server, scope, subject)) or {}


def put_limits(
    transaction: Transaction, server: str, scope: LimitScope, subject: str | None, values: LimitValues
) -> None:
    """Set these limits and no others at this place."""
    place = _place(server, scope, subject)
    if not values:
        transaction.execute(delete(LIMITS).where(*_PLACE), place)
        return
    if not transaction.execute(update(LIMITS).where(*_PLACE), {**place, "by_name": dict(values)}).rowcount:
        row = {name.removesuffix("_"): value for name, value in place.items()}
        transaction.execute(insert(LIMITS), {**row, "by_name": dict(values)})


def settings_of(transaction: Transaction, server: str, topic: str) -> dict[str, Any]:
    """What a server has set about a topic, by name; nothing where it has set nothing."""
    return dict(transaction.scalar(_SETTINGS_OF, {"server_": server, "topic_": topic}) or {})


def settings_of_all(transaction: Transaction, servers: Collection[str], topic: str) -> dict[str, dict[str, Any]]:
    """The same for several servers at once, those left out that have set nothing."""
    rows = transaction.execute(_TOPIC_OF_ALL, {"servers": list(servers), "topic_": topic})
    return {row.server: dict(row.by_name) for row in rows}


def put_settings(transaction: Transaction, server: str, topic: str, by_name: Mapping[str, Any]) -> None:
    """Set what a server says about a topic, and nothing else. The server has its row."""
    transaction.execute(delete(SETTINGS).where(*_TOPIC), {"server_": server, "topic_": topic})
    if by_name:
        transaction.execute(insert(SETTINGS), {"server": server, "topic": topic, "by_name": dict(by_name)})


def block_of(transaction: Transaction, server: str, member: str) -> BlockRecord | None:
    """The block that keeps a member out, if there is one."""
    row = transaction.execute(select(BLOCKS).where(*_BLOCK_OF), {"server_": server, "member_": member}).one_or_none()
    return None if row is None else _block(row)


def put_block(transaction: Transaction, block: BlockRecord) -> None:
    """Block a member, or block them for another reason."""
    remove_block(transaction, block)
    transaction.execute(insert(BLOCKS), {name: getattr(block, name) for name in _BLOCK})


def remove_block(transaction: Transaction, block: BlockRecord) -> None:
    """Let a member in again."""
    transaction.execute(delete(BLOCKS).where(*_BLOCK_OF), {"server_": block.server, "member_": block.member})


def note(transaction: Transaction, record: AuditRecord) -> None:
    """Write down what an admin did; in the transaction that does it."""
    changes = [[change.field, change.before, change.after] for change in record.changes]
    transaction.execute(insert(AUDIT), {name: getattr(record, name) for name in _AUDIT} | {"changes": changes})


def audit_of(transaction: Transaction, server: str, most: int = 100) -> tuple[AuditRecord, ...]:
    """What the admins of a server did, the newest first."""
    return tuple(map(_audit, transaction.execute(_AUDIT_OF, {"server_": server, "most": most})))


def _audit(row: Row[Any]) -> AuditRecord:
    values: dict[str, Any] = {name: getattr(row, name) for name in _AUDIT}
    values["changes"] = tuple(Change(field=name, before=before, after=after) for name, before, after in row.changes)
    return AuditRecord(**values)


def _apart(members: Collection[Account]) -> dict[str, list[str]]:
    """The servers, and the members. A server or member too many is found for nobody, and one query does for all."""
    servers = {server for _, server in members if server is not None}
    return {"servers": list(servers), "people": list({member for member, server in members if server is not None})}


def _place(server: str, scope: LimitScope, subject: str | None) -> dict[str, Any]:
    return {"server_": server, "scope_": scope, "subject_": subject or server}


def _block(row: Row[Any]) -> BlockRecord:
    return BlockRecord(**{name: getattr(row, name) for name in _BLOCK})


def _limit_row(row: Row[Any]) -> LimitRow:
    subject = None if row.scope is LimitScope.SERVER else row.subject
    return LimitRow(scope=row.scope, subject=subject, values=row.by_name)
