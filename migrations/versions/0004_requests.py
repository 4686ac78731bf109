"""A request is one record; columns that nobody reads go; what is on the disk is found by an index.

SQLite alters a table by building it anew, so that is done once for all columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

REBUILDS_TABLES = True  #: which takes room on the disk

SNOWFLAKE = sa.String(32)
MOMENT = sa.DateTime(timezone=True)
STATUSES = ("accepted", "started", "rendered", "posted", "failed", "cancelled", "interrupted")

#: What goes into the record, and how SQLite is to take it: it lets any column hold anything.
REQUEST = {
    "prompt": "TEXT",
    "negative_prompt": "TEXT",
    "model": "TEXT",
    "width": "INTEGER",
    "height": "INTEGER",
    "steps": "INTEGER",
    "guidance_scale": "DOUBLE PRECISION",
    "scheduler": "TEXT",
    "seed": "INTEGER",
    "count": "INTEGER",
}
#: Columns that the record replaces, as they were; and those that nobody reads.
REPLACED = {
    "prompt": sa.Text(),
    "negative_prompt": sa.Text(),
    "steps": sa.Integer(),
    "guidance_scale": sa.Double(),
    "scheduler": sa.String(64),
    "seed": sa.BigInteger(),
}
LIMITS = ("images_a_day", "jobs_at_once", "largest_size", "most_steps", "cooldown")
FROM_JSON = {"prompt": "TEXT", "negative_prompt": "TEXT", "steps": "INTEGER", "scheduler": "TEXT", "seed": "BIGINT"}
#: Indexes of jobs, by their columns.
UNCHANGED = [["parent_id"], ["channel", "message"], ["requester", "server", "accepted_at"], ["server", "accepted_at"]]
BEFORE = [["status", "requester"]]
NEW = [["requester", "status", "accepted_at"], ["status", "ended_at"]]
PARTIAL = (
    ("ix_jobs_error_code_server", "jobs", ["error_code", "server"], "error_code IS NOT NULL"),
    ("ix_images_on_disk", "images", ["made_at", "size"], "cleared_at IS NULL"),
    ("ix_images_to_clear", "images", ["removed_at"], "removed_at IS NOT NULL AND cleared_at IS NULL"),
)
LONG_AGO = "2000-01-01 00:00:00.000000"


def upgrade() -> None:
    _drop_indexes()
    record = _json_object({name: f"CAST({name} AS {kind})" for name, kind in REQUEST.items()})
    if _postgresql():
        op.add_column("images", sa.Column("made_at", MOMENT))
        op.add_column("images", sa.Column("cleared_at", MOMENT))
        op.execute(
            "UPDATE images SET made_at = coalesce(j.rendered_at, j.ended_at, j.accepted_at),"
            " removed_at = coalesce(images.removed_at, j.deleted_at),"
            " cleared_at = coalesce(images.removed_at, j.deleted_at) FROM jobs j WHERE j.id = images.job_id"
        )
        op.alter_column("images", "made_at", nullable=False)
        op.add_column("jobs", sa.Column("request", sa.JSON()))
        op.execute(f"UPDATE jobs SET request = {record}")
        op.alter_column("jobs", "request", nullable=False)
        for name in (*REPLACED, "started_at", "starts", "cost"):
            op.drop_column("jobs", name)
    else:
        gone = "coalesce(images.removed_at, jobs.deleted_at)"
        _rebuild_images(
            [sa.Column("made_at", MOMENT, nullable=False), sa.Column("cleared_at", MOMENT)],
            {
                "made_at": f"coalesce(jobs.rendered_at, jobs.ended_at, jobs.accepted_at, '{LONG_AGO}')",
                "removed_at": gone,
                "cleared_at": gone,
            },
        )
        _rebuild_jobs([sa.Column("request", sa.JSON(), nullable=False)], {"request": record})
    _create_indexes()
    for name in LIMITS:
        op.drop_column("limits", name)
    op.drop_column("servers", "first_set_at")


def downgrade() -> None:
    op.add_column("servers", sa.Column("first_set_at", MOMENT))
    op.execute("UPDATE servers SET first_set_at = CURRENT_TIMESTAMP")
    with op.batch_alter_table("servers") as servers:
        servers.alter_column("first_set_at", nullable=False)
    for name in LIMITS:
        op.add_column("limits", sa.Column(name, sa.Integer()))
    _drop_indexes(new=True)
    values = {name: _from_record(name, FROM_JSON.get(name, "DOUBLE PRECISION")) for name in REPLACED}
    values |= {"starts": "0", "cost": "0.0"}
    columns = [sa.Column(name, kind, nullable=False) for name, kind in REPLACED.items()]
    columns += [sa.Column("starts", sa.Integer(), nullable=False), sa.Column("cost", sa.Double(), nullable=False)]
    if _postgresql():
        for column in columns:
            op.add_column("jobs", sa.Column(column.name, column.type))
        op.execute("UPDATE jobs SET " + ", ".join(f"{name} = {value}" for name, value in values.items()))
        for column in columns:
            op.alter_column("jobs", column.name, nullable=False)
        op.add_column("jobs", sa.Column("started_at", MOMENT))
        op.drop_column("jobs", "request")
        op.drop_column("images", "made_at")
        op.drop_column("images", "cleared_at")
    else:
        _rebuild_images([], {"removed_at": "images.cleared_at"})
        _rebuild_jobs([*columns, sa.Column("started_at", MOMENT)], values)
    _create_indexes(new=False)


def _rebuild_jobs(columns: list[sa.Column[object]], values: dict[str, str]) -> None:
    kept = [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("requester", SNOWFLAKE, nullable=False),
        sa.Column("requester_name", sa.String(100), nullable=False),
        sa.Column("server", SNOWFLAKE),
        sa.Column("channel", SNOWFLAKE, nullable=False),
        sa.Column("message", SNOWFLAKE),
        sa.Column("reply_to", SNOWFLAKE),
        sa.Column("interaction_token", sa.Text()),
        sa.Column("token_expires", MOMENT),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("status", sa.Enum(*STATUSES, name="status", native_enum=False, length=16), nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("accepted_at", MOMENT, nullable=False),
        sa.Column("rendered_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("told_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("device_seconds", sa.Double(), nullable=False),
        sa.Column("ended_by", SNOWFLAKE),
        sa.Column("weight", sa.Double(), server_default="1", nullable=False),
        sa.Column("estimated_seconds", sa.Double(), server_default="0", nullable=False),
    ]
    _rebuild(
        "jobs",
        kept,
        columns,
        values,
        [
            sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
            sa.ForeignKeyConstraint(
                ["parent_id"], ["jobs.id"], name=op.f("fk_jobs_parent_id_jobs"), ondelete="SET NULL"
            ),
            sa.CheckConstraint(f"status IN ({', '.join(map(repr, STATUSES))})", name=op.f("ck_jobs_status")),
        ],
    )


def _rebuild_images(columns: list[sa.Column[object]], values: dict[str, str]) -> None:
    kept = [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("removed_at", MOMENT),
    ]
    _rebuild(
        "images",
        kept,
        columns,
        values,
        [
            sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
            sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_images_job_id_jobs"), ondelete="CASCADE"),
            sa.UniqueConstraint("job_id", "index", name=op.f("uq_images_job_id_index")),
            sa.UniqueConstraint("file", name=op.f("uq_images_file")),
        ],
        joined=" LEFT JOIN jobs ON jobs.id = images.job_id",
    )


def _rebuild(
    table: str,
    kept: list[sa.Column[object]],
    columns: list[sa.Column[object]],
    values: dict[str, str],
    constraints: list[sa.Constraint],
    joined: str = "",
) -> None:
    """Make a table anew: columns that are kept or computed, in the transaction that a crash undoes as a whole."""
    op.create_table(f"{table}_new", *kept, *columns, *constraints)
    names = [column.name for column in (*kept, *columns) if column.name != "started_at"]
    chosen = ", ".join(values.get(name, f'{table}."{name}"') for name in names)
    named = ", ".join(f'"{name}"' for name in names)
    op.execute(f"INSERT INTO {table}_new ({named}) SELECT {chosen} FROM {table}{joined}")
    op.drop_table(table)
    op.rename_table(f"{table}_new", table)


def _create_indexes(*, new: bool = True) -> None:
    """What a rebuilt table has lost, and what is new; or what was before."""
    changed = NEW if new else BEFORE
    for columns in changed if _postgresql() else [*UNCHANGED, *changed]:
        op.create_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs", columns)
    for name, table, columns, condition in PARTIAL if new else ():
        where = sa.text(condition)
        op.create_index(op.f(name), table, columns, sqlite_where=where, postgresql_where=where)


def _drop_indexes(*, new: bool = False) -> None:
    for columns in NEW if new else BEFORE:
        op.drop_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs")
    for name, table, _, _ in PARTIAL if new else ():
        op.drop_index(op.f(name), table)


def _json_object(values: dict[str, str]) -> str:
    pairs = ", ".join(f"'{name}', {value}" for name, value in values.items())
    function = "json_build_object" if _postgresql() else "json_object"
    return f"{function}('version', 1, 'syntax', 1, {pairs})"


def _from_record(name: str, kind: str) -> str:
    read = f"request->>'{name}'" if _postgresql() else f"json_extract(request, '$.{name}')"
    return f"CAST({read} AS {kind})"


def _postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
