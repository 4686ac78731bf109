"""The tables. Types that SQLite and PostgreSQL share, constraints with names, so that migrations can speak of them."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from bot.records import LimitScope
from generation.job import JobStatus

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment, UTC. SQLite forgets the time zone, so it is put on again here."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """On the way in. Raises ValueError for a moment without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs a time zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """On the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _closed(kind: type[JobStatus] | type[LimitScope], name: str) -> sa.Enum:
    """A column for words that will hardly ever change; the database refuses any other.

    Open vocabularies (schedulers, audit actions) are plain strings: a new word needs no migration.
    """
    return sa.Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=_values,
    )


def _values(members: type[JobStatus] | type[LimitScope]) -> list[str]:
    return [member.value for member in members]


Snowflake = sa.String(32)  #: Discord's ids are numbers too large for some readers of JSON, so they are text everywhere


class Table(DeclarativeBase):
    """What all tables share."""

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime(), UUID: sa.Uuid(), float: sa.Double()}


class JobRow(Table):
    """A row for each accepted job. It is also the reservation that limits count."""

    __tablename__ = "jobs"
    __table_args__ = (
        sa.Index(None, "requester", "server", "accepted_at"),  # limits
        sa.Index(None, "server", "accepted_at"),  # statistics
        sa.Index(None, "channel", "message"),  # reactions
        sa.Index(None, "status", "requester"),  # recovery, and what a member has waiting or running
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="SET NULL"), index=True)
    requester: Mapped[str] = mapped_column(Snowflake)
    requester_name: Mapped[str] = mapped_column(sa.String(100))
    server: Mapped[str | None] = mapped_column(Snowflake)
    channel: Mapped[str] = mapped_column(Snowflake)
    message: Mapped[str | None] = mapped_column(Snowflake)
    reply_to: Mapped[str | None] = mapped_column(Snowflake)
    interaction_token: Mapped[str | None] = mapped_column(sa.Text)
    token_expires: Mapped[datetime | None]

    prompt: Mapped[str] = mapped_column(sa.Text)
    negative_prompt: Mapped[str] = mapped_column(sa.Text)
    model: Mapped[str] = mapped_column(sa.String(255))
    width: Mapped[int]
    height: Mapped[int]
    steps: Mapped[int]
    guidance_scale: Mapped[float]
    scheduler: Mapped[str] = mapped_column(sa.String(64))
    seed: Mapped[int] = mapped_column(sa.BigInteger)  # 32 bits unsigned: more than PostgreSQL's integer
    count: Mapped[int]

    status: Mapped[JobStatus] = mapped_column(_closed(JobStatus, "status"))
    error_code: Mapped[str | None] = mapped_column(sa.String(64))
    accepted_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    rendered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]  #: when the message of a job that came to nothing began to say so
    deleted_at: Mapped[datetime | None]
    starts: Mapped[int]
    crashes: Mapped[int] = mapped_column(server_default="0")  #: how often the process died while it ran
    cost: Mapped[float]
    device_seconds: Mapped[float]
    ended_by: Mapped[str | None] = mapped_column(Snowflake)  #: the member who cancelled it
    weight: Mapped[float] = mapped_column(server_default="1")
    estimated_seconds: Mapped[float] = mapped_column(server_default="0")  #: what it was to cost, when it was accepted

    images: Mapped[list["ImageRow"]] = relationship(order_by="ImageRow.index", lazy="raise")


class ImageRow(Table):
    """A row for each picture; the file it names was complete before the row was written."""

    __tablename__ = "images"
    __table_args__ = (sa.UniqueConstraint("job_id", "index"), sa.UniqueConstraint("file"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    index: Mapped[int]
    seed: Mapped[int] = mapped_column(sa.BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    file: Mapped[str] = mapped_column(sa.String(255))
    sha256: Mapped[str] = mapped_column(sa.String(64))
    size: Mapped[int]
    removed_at: Mapped[datetime | None]  #: when its file was removed, to make room


class ServerRow(Table):
    """A server whose admins have set something; what it has set hangs on this row and goes with it."""

    __tablename__ = "servers"

    id: Mapped[str] = mapped_column(Snowflake, primary_key=True)
    first_set_at: Mapped[datetime]


class LimitsRow(Table):
    """What a server, one of its roles or one of its members may ask for at most."""

    __tablename__ = "limits"

    server: Mapped[str] = mapped_column(sa.ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[LimitScope] = mapped_column(_closed(LimitScope, "scope"), primary_key=True)
    subject: Mapped[str] = mapped_column(Snowflake, primary_key=True)  # the role, the member, or the server again
    by_name: Mapped[dict[str, float]] = mapped_column(sa.JSON, server_default="{}")
    # As they were before `by_name`. Nobody reads them; the next migration removes them.
    images_a_day: Mapped[int | None]
    jobs_at_once: Mapped[int | None]
    largest_size: Mapped[int | None]
    most_steps: Mapped[int | None]
    cooldown: Mapped[int | None]


class BlockRow(Table):
    """A member who may not ask for pictures on a server."""

    __tablename__ = "blocks"

    server: Mapped[str] = mapped_column(sa.ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    member: Mapped[str] = mapped_column(Snowflake, primary_key=True)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    by: Mapped[str] = mapped_column(Snowflake)
    at: Mapped[datetime]


class AuditRow(Table):
    """A row for each thing an admin changed, written in the change's own transaction."""

    __tablename__ = "audit"
    __table_args__ = (sa.Index(None, "server", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    server: Mapped[str] = mapped_column(sa.ForeignKey("servers.id", ondelete="CASCADE"))
    actor: Mapped[str] = mapped_column(Snowflake)
    actor_name: Mapped[str] = mapped_column(sa.String(100))
    action: Mapped[str] = mapped_column(sa.String(32))
    scope: Mapped[LimitScope] = mapped_column(_closed(LimitScope, "scope"))
    subject: Mapped[str | None] = mapped_column(Snowflake)
    changes: Mapped[list[list[Any]]] = mapped_column(sa.JSON)
    at: Mapped[datetime]
