"""Jobs that one prompt asked for together."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEX, WHERE = "ix_jobs_batch", sa.text("batch IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("batch", sa.Uuid()))
    op.create_index(INDEX, "jobs", ["batch"], sqlite_where=WHERE, postgresql_where=WHERE)


def downgrade() -> None:
    op.drop_index(INDEX, "jobs")
    op.drop_column("jobs", "batch")
