"""How often the process died under a job, and pictures whose files are no longer kept."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("crashes", sa.Integer(), server_default="0", nullable=False))
    op.add_column("images", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    # Until now nobody wrote down that a bad end was told, and it was: nobody should hear of last week's again.
    op.execute("UPDATE jobs SET told_at = ended_at WHERE told_at IS NULL AND status IN ('failed', 'cancelled')")


def downgrade() -> None:
    op.drop_column("images", "removed_at")
    op.drop_column("jobs", "crashes")
