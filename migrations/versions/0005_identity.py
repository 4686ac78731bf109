"""What a database and its DATA_DIR both carry, so that neither is used with another by mistake."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity", sa.Column("id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("id", name="pk_identity")
    )


def downgrade() -> None:
    op.drop_table("identity")
