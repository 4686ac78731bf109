"""Which pictures a job begins with, and what was done to its parent."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


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
    op.add_column("jobs", sa.Column("action", sa.String(32)))


def downgrade() -> None:
    op.drop_column("jobs", "action")
    op.drop_index("ix_job_inputs_sha256", "job_inputs")
    op.drop_table("job_inputs")
