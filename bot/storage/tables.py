"""The tables. Types that SQLite and PostgreSQL share, constraints with names, so that migrations can speak of them."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

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
    """A type for words that will hardly ever change; the database refuses any other.

    Open vocabularies (schedulers, audit actions) are plain strings: a new word needs no migration.
    """
    return sa.Enum(kind, name=name, native_enum=False, create_constraint=True, length=16, values_callable=_values)


def _values(members: type[JobStatus] | type[LimitScope]) -> list[str]:
    return [member.value for member in members]


def _needed(name: str, kind: Any, *more: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False, **options)


def _where(condition: str) -> dict[str, Any]:
    """An index of some rows only."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


#: Pictures that wait for a decision, that were let through and are to be delivered, that a person kept back. Statements
#: say it in the same words: this is how a database knows the index.
WAITING = "held_at IS NOT NULL AND decision IS NULL"
TO_GIVE = "decision IN ('approved', 'false_positive') AND given_at IS NULL"
KEPT_BACK = "decision = 'kept_back'"

Snowflake = sa.String(32)  #: Discord's ids are numbers too large for some readers of JSON, so they are text everywhere
METADATA = sa.MetaData(naming_convention=NAMES)

#: A row for each accepted job. It is also the reservation that limits count.
JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("parent_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="SET NULL"), index=True),
    sa.Column("action", sa.String(32)),  # what was done to the parent
    sa.Column("batch", sa.Uuid()),  # shared by the jobs that one prompt asked for together
    _needed("requester", Snowflake),
    _needed("requester_name", sa.String(100)),
    sa.Column("server", Snowflake),
    _needed("channel", Snowflake),
    sa.Column("message", Snowflake),
    sa.Column("reply_to", Snowflake),
    sa.Column("interaction_token", sa.Text()),
    sa.Column("token_expires", UtcDateTime()),
    _needed("request", sa.JSON()),  # all that was asked for; what follows is what queries need of it
    _needed("model", sa.String(255)),
    _needed("width", sa.Integer()),
    _needed("height", sa.Integer()),
    _needed("count", sa.Integer()),
    _needed("status", _closed(JobStatus, "status")),
    sa.Column("error_code", sa.String(64)),
    _needed("accepted_at", UtcDateTime()),
    sa.Column("rendered_at", UtcDateTime()),
    sa.Column("ended_at", UtcDateTime()),
    # When the message of a job that came to nothing began to say so, or that of a deleted one was removed.
    sa.Column("told_at", UtcDateTime()),
    sa.Column("deleted_at", UtcDateTime()),
    _needed("crashes", sa.Integer(), server_default="0"),  # how often the process died while it ran
    _needed("device_seconds", sa.Double()),
    sa.Column("drawn_with", sa.JSON()),  # what else decides how the pictures look: the model's hash, versions, device
    sa.Column("ended_by", Snowflake),  # the member who cancelled it
    _needed("weight", sa.Double(), server_default="1"),
    _needed("estimated_seconds", sa.Double(), server_default="0"),  # what it was to cost, when it was accepted
    _needed("given_back", sa.Integer(), server_default="0"),  # pictures that count no more: kept back for good
    sa.Index(None, "requester", "server", "accepted_at"),  # limits
    sa.Index(None, "server", "accepted_at"),  # statistics
    sa.Index(None, "channel", "message"),  # reactions
    sa.Index(None, "requester", "status", "accepted_at"),  # what a member has waiting or running, and their results
    sa.Index(None, "requester", "accepted_at", "id", **_where("deleted_at IS NULL")),  # history
    sa.Index(None, "status", "ended_at"),  # recovery, and what the last jobs have cost
    sa.Index(None, "error_code", "server", **_where("error_code IS NOT NULL")),  # quarantine
    sa.Index(None, "batch", **_where("batch IS NOT NULL")),
    sa.Index(None, "deleted_at", **_where("deleted_at IS NOT NULL")),  # messages that a crash has left
)

#: A row for each picture; the file it names was complete before the row was written.
IMAGES = sa.Table(
    "images",
    METADATA,
    sa.Column("id", sa.Uuid(), primary_key=True),
    _needed("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
    _needed("index", sa.Integer()),
    _needed("seed", sa.BigInteger()),
    _needed("width", sa.Integer()),
    _needed("height", sa.Integer()),
    _needed("file", sa.String(255)),
    _needed("sha256", sa.String(64)),
    _needed("size", sa.Integer()),
    _needed("made_at", UtcDateTime()),
    sa.Column("removed_at", UtcDateTime()),  # when it was given up, to make room or with its job
    sa.Column("cleared_at", UtcDateTime()),  # when its file was gone
    sa.Column("score", sa.Double[float]()),  # how unsafe the check found it, from 0 to 1
    sa.Column("look", sa.String(64)),  # its perceptual hash
    sa.Column("held_at", UtcDateTime()),  # when it was held back from its requester
    sa.Column("decision", sa.String(16)),  # what became of it then
    sa.Column("decided_by", Snowflake),
    sa.Column("decided_at", UtcDateTime()),
    sa.Column("given_at", UtcDateTime()),  # when one let through was delivered, or all knew that it is kept back
    sa.UniqueConstraint("job_id", "index"),
    sa.UniqueConstraint("file"),
    sa.Index("ix_images_on_disk", "made_at", "size", **_where("cleared_at IS NULL")),  # retention
    sa.Index("ix_images_to_clear", "removed_at", **_where("removed_at IS NOT NULL AND cleared_at IS NULL")),
    sa.Index("ix_images_waiting", "held_at", **_where(WAITING)),
    sa.Index("ix_images_to_give", "decided_at", **_where(TO_GIVE)),
    sa.Index("ix_images_kept_back", "decided_at", **_where(KEPT_BACK)),  # strikes
)

#: The pictures that a job begins with. Their files were complete before the job's row was written.
JOB_INPUTS = sa.Table(
    "job_inputs",
    METADATA,
    sa.Column("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    sa.Column("role", sa.String(16), primary_key=True, nullable=False),
    _needed("sha256", sa.String(64), index=True),
)

#: Who has starred which job.
STARS = sa.Table(
    "stars",
    METADATA,
    sa.Column("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    sa.Column("member", Snowflake, primary_key=True, nullable=False),
    _needed("at", UtcDateTime()),
    sa.Index(None, "member", "at"),  # favourites
)

#: The jobs that were copied to a server's gallery: noted first and posted then, so that none is there twice.
GALLERY_COPIES = sa.Table(
    "gallery_copies",
    METADATA,
    sa.Column("job_id", sa.Uuid(), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    _needed("channel", Snowflake),
    sa.Column("message", Snowflake),
    _needed("at", UtcDateTime()),
    sa.Index(None, "at", **_where("message IS NULL")),  # copies that are still to be posted
)

#: A server whose admins have set something; what it has set hangs on this row and goes with it.
SERVERS = sa.Table("servers", METADATA, sa.Column("id", Snowflake, primary_key=True))


def _of_server(*, primary_key: bool = False) -> sa.Column[Any]:
    key = sa.ForeignKey("servers.id", ondelete="CASCADE")
    return sa.Column("server", Snowflake, key, primary_key=primary_key, nullable=False)


#: What a server, one of its roles or one of its members may ask for at most.
LIMITS = sa.Table(
    "limits",
    METADATA,
    _of_server(primary_key=True),
    sa.Column("scope", _closed(LimitScope, "scope"), primary_key=True),
    sa.Column("subject", Snowflake, primary_key=True),  # the role, the member, or the server again
    _needed("by_name", sa.JSON(), server_default="{}"),
)

#: The channel where results are copied to that so many members have starred.
GALLERIES = sa.Table(
    "galleries",
    METADATA,
    _of_server(primary_key=True),
    _needed("channel", Snowflake),
    _needed("stars", sa.Integer()),
)

#: What a server has set about one topic, by name.
SETTINGS = sa.Table(
    "settings",
    METADATA,
    _of_server(primary_key=True),
    sa.Column("topic", sa.String(32), primary_key=True, nullable=False),
    _needed("by_name", sa.JSON()),
)

#: Held pictures as the moderators' channel shows them: noted first and posted then.
REVIEWS = sa.Table(
    "reviews",
    METADATA,
    sa.Column("image_id", sa.Uuid(), sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    _needed("channel", Snowflake),
    sa.Column("message", Snowflake),
    _needed("at", UtcDateTime()),
)

#: The perceptual hashes of pictures that a server does not want to see again.
UNWANTED = sa.Table(
    "unwanted",
    METADATA,
    _of_server(primary_key=True),
    sa.Column("look", sa.String(64), primary_key=True, nullable=False),
    sa.Column("job_id", sa.Uuid()),
    _needed("by", Snowflake),
    _needed("at", UtcDateTime()),
)

#: Since when a member's strikes count anew.
STRIKE_RESETS = sa.Table(
    "strike_resets",
    METADATA,
    _of_server(primary_key=True),
    sa.Column("member", Snowflake, primary_key=True, nullable=False),
    _needed("at", UtcDateTime()),
)

#: A member who may not ask for pictures on a server.
BLOCKS = sa.Table(
    "blocks",
    METADATA,
    _of_server(primary_key=True),
    sa.Column("member", Snowflake, primary_key=True),
    sa.Column("reason", sa.Text()),
    _needed("by", Snowflake),
    _needed("at", UtcDateTime()),
)

#: A row for each thing an admin changed, written in the change's own transaction.
AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.Uuid(), primary_key=True),
    _of_server(),
    _needed("actor", Snowflake),
    _needed("actor_name", sa.String(100)),
    _needed("action", sa.String(32)),
    _needed("scope", _closed(LimitScope, "scope")),
    sa.Column("subject", Snowflake),
    _needed("changes", sa.JSON()),
    _needed("at", UtcDateTime()),
    sa.Index(None, "server", "at"),
)

#: One row: what the database and its DATA_DIR both carry, so that neither is used with another.
IDENTITY = sa.Table("identity", METADATA, sa.Column("id", sa.Uuid(), primary_key=True))
