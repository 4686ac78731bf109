"""What each change of a server's settings begins and ends with: whether somebody may make it, and the note of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from uuid import uuid4

from bot.errors import NotAllowed
from bot.records import AuditRecord, Change, LimitScope, Member

Values: TypeAlias = Mapping[str, float | str | None]  #: by name


def server_of(admin: Member) -> str:
    """The server that they may manage. Raises NotAllowed."""
    if admin.server is None or not admin.is_admin:
        raise NotAllowed("manage_server")
    return admin.server


def note_by(
    actor: Member, server: str, at: datetime, *, scope: LimitScope = LimitScope.SERVER, subject: str | None = None
) -> AuditRecord:
    """What is known of a note before the change is made."""
    return AuditRecord(
        id=uuid4(),
        server=server,
        actor=actor.id,
        actor_name=actor.name,
        action="",
        scope=scope,
        subject=subject,
        changes=(),
        at=at,
    )


def changed(note: AuditRecord, action: str, before: Values, after: Values) -> AuditRecord:
    """The note, with what was done and what differs."""
    changes = tuple(
        Change(field=field, before=before.get(field), after=after.get(field))
        for field in dict.fromkeys((*before, *after))
        if before.get(field) != after.get(field)
    )
    return replace(note, action=action, changes=changes)
