"""One id for a database and its DATA_DIR, so that neither is used with another; an index of what was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEX = "ix_jobs_deleted_at"
DELETED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "identity", sa.Column("id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("id", name="pk_identity")
    )
    op.create_index(INDEX, "jobs", ["deleted_at"], sqlite_where=DELETED, postgresql_where=DELETED)


def downgrade() -> None:
    op.drop_index(INDEX, "jobs")
    op.drop_table("identity")
