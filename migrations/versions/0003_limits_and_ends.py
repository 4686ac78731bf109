"""Limits by name, so that a new one needs no column; who ended a job, its weight and what it was estimated to cost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: The limits there were: names of columns, and of what the new column holds.
NAMES = ("images_a_day", "jobs_at_once", "largest_size", "most_steps", "cooldown")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("ended_by", sa.String(32), nullable=True))
    op.add_column("jobs", sa.Column("weight", sa.Double(), server_default="1", nullable=False))
    op.add_column("jobs", sa.Column("estimated_seconds", sa.Double(), server_default="0", nullable=False))
    op.add_column("limits", sa.Column("by_name", sa.JSON(), server_default="{}", nullable=False))
    # The old columns stay as they are: nobody reads them any more, and a later migration removes them.
    pairs = ", ".join(f"'{name}', {name}" for name in NAMES)
    if _postgresql():
        op.execute(f"UPDATE limits SET by_name = json_strip_nulls(json_build_object({pairs}))")
    else:
        op.execute(f"UPDATE limits SET by_name = json_patch('{{}}', json_object({pairs}))")


def downgrade() -> None:
    read = "CAST(by_name->>'{0}' AS DOUBLE PRECISION)" if _postgresql() else "json_extract(by_name, '$.{0}')"
    values = ", ".join(f"{name} = CAST({read.format(name)} AS INTEGER)" for name in NAMES)
    op.execute(f"UPDATE limits SET {values}")
    op.drop_column("limits", "by_name")
    op.drop_column("jobs", "estimated_seconds")
    op.drop_column("jobs", "weight")
    op.drop_column("jobs", "ended_by")


def _postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"
