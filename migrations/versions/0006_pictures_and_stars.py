"""What a job begins with, what was done to its parent and what it was drawn with; what people keep and show."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HISTORY = "ix_jobs_requester_accepted_at_id"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "job_inputs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "role", name="pk_job_inputs"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_inputs_job_id_jobs", ondelete="CASCADE"),
    )
    op.create_index("ix_job_inputs_sha256", "job_inputs", ["sha256"])
    op.create_table(
        "stars",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "member", name="pk_stars"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_stars_job_id_jobs", ondelete="CASCADE"),
    )
    op.create_index("ix_stars_member_at", "stars", ["member", "at"])
    op.create_table(
        "galleries",
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("server", name="pk_galleries"),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_galleries_server_servers", ondelete="CASCADE"),
    )
    op.create_table(
        "gallery_copies",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("message", sa.String(32)),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_gallery_copies"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_gallery_copies_job_id_jobs", ondelete="CASCADE"),
    )
    op.create_index(
        "ix_gallery_copies_at",
        "gallery_copies",
        ["at"],
        sqlite_where=sa.text("message IS NULL"),
        postgresql_where=sa.text("message IS NULL"),
    )
    op.add_column("jobs", sa.Column("action", sa.String(32)))
    op.add_column("jobs", sa.Column("drawn_with", sa.JSON()))
    there = sa.text("deleted_at IS NULL")
    columns = ["requester", "accepted_at", "id"]
    op.create_index(HISTORY, "jobs", columns, sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    op.drop_index(HISTORY, "jobs")
    op.drop_column("jobs", "drawn_with")
    op.drop_column("jobs", "action")
    op.drop_index("ix_gallery_copies_at", "gallery_copies")
    op.drop_table("gallery_copies")
    op.drop_table("galleries")
    op.drop_index("ix_stars_member_at", "stars")
    op.drop_table("stars")
    op.drop_index("ix_job_inputs_sha256", "job_inputs")
    op.drop_table("job_inputs")
