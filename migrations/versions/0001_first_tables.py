"""Jobs, their images, and what servers set."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SNOWFLAKE = sa.String(32)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("requester", SNOWFLAKE, nullable=False),
        sa.Column("requester_name", sa.String(length=100), nullable=False),
        sa.Column("server", SNOWFLAKE, nullable=True),
        sa.Column("channel", SNOWFLAKE, nullable=False),
        sa.Column("message", SNOWFLAKE, nullable=True),
        sa.Column("reply_to", SNOWFLAKE, nullable=True),
        sa.Column("interaction_token", sa.Text(), nullable=True),
        sa.Column("token_expires", MOMENT, nullable=True),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("negative_prompt", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("guidance_scale", sa.Double(), nullable=False),
        sa.Column("scheduler", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "accepted",
                "started",
                "rendered",
                "posted",
                "failed",
                "cancelled",
                "interrupted",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("accepted_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("rendered_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Double(), nullable=False),
        sa.Column("device_seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["jobs.id"], name=op.f("fk_jobs_parent_id_jobs"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_channel_message"), "jobs", ["channel", "message"])
    op.create_index(op.f("ix_jobs_parent_id"), "jobs", ["parent_id"])
    op.create_index(op.f("ix_jobs_requester_server_accepted_at"), "jobs", ["requester", "server", "accepted_at"])
    op.create_index(op.f("ix_jobs_server_accepted_at"), "jobs", ["server", "accepted_at"])
    op.create_index(op.f("ix_jobs_status_requester"), "jobs", ["status", "requester"])
    op.create_table(
        "servers",
        sa.Column("id", SNOWFLAKE, nullable=False),
        sa.Column("first_set_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("server", SNOWFLAKE, nullable=False),
        sa.Column("actor", SNOWFLAKE, nullable=False),
        sa.Column("actor_name", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column(
            "scope",
            sa.Enum("server", "role", "member", name="scope", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("subject", SNOWFLAKE, nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name=op.f("fk_audit_server_servers"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_server_at"), "audit", ["server", "at"])
    op.create_table(
        "blocks",
        sa.Column("server", SNOWFLAKE, nullable=False),
        sa.Column("member", SNOWFLAKE, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by", SNOWFLAKE, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name=op.f("fk_blocks_server_servers"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server", "member", name=op.f("pk_blocks")),
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_images_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("file", name=op.f("uq_images_file")),
        sa.UniqueConstraint("job_id", "index", name=op.f("uq_images_job_id_index")),
    )
    op.create_table(
        "limits",
        sa.Column("server", SNOWFLAKE, nullable=False),
        sa.Column(
            "scope",
            sa.Enum("server", "role", "member", name="scope", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("subject", SNOWFLAKE, nullable=False),
        sa.Column("images_a_day", sa.Integer(), nullable=True),
        sa.Column("jobs_at_once", sa.Integer(), nullable=True),
        sa.Column("largest_size", sa.Integer(), nullable=True),
        sa.Column("most_steps", sa.Integer(), nullable=True),
        sa.Column("cooldown", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name=op.f("fk_limits_server_servers"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server", "scope", "subject", name=op.f("pk_limits")),
    )


def downgrade() -> None:
    op.drop_table("limits")
    op.drop_table("images")
    op.drop_table("blocks")
    op.drop_table("audit")
    op.drop_table("servers")
    op.drop_table("jobs")
