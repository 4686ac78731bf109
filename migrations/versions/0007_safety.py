"""How pictures were judged and who decided about them; what a server has set about that, and never wants again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WAITING = "held_at IS NOT NULL AND decision IS NULL"
TO_GIVE = "decision IN ('approved', 'false_positive') AND given_at IS NULL"
KEPT_BACK = "decision = 'kept_back'"


def upgrade() -> None:
    for column in (
        sa.Column("score", sa.Double[float]()),
        sa.Column("look", sa.String(64)),
        sa.Column("held_at", MOMENT),
        sa.Column("decision", sa.String(16)),
        sa.Column("decided_by", sa.String(32)),
        sa.Column("decided_at", MOMENT),
        sa.Column("given_at", MOMENT),
    ):
        op.add_column("images", column)
    _index("ix_images_waiting", ["held_at"], WAITING)
    _index("ix_images_to_give", ["decided_at"], TO_GIVE)
    _index("ix_images_kept_back", ["decided_at"], KEPT_BACK)
    op.add_column("jobs", sa.Column("given_back", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "settings",
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("topic", sa.String(32), nullable=False),
        sa.Column("by_name", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("server", "topic", name="pk_settings"),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_settings_server_servers", ondelete="CASCADE"),
    )
    op.create_table(
        "reviews",
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("message", sa.String(32)),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_reviews"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_reviews_image_id_images", ondelete="CASCADE"),
    )
    op.create_table(
        "unwanted",
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("look", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("by", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("server", "look", name="pk_unwanted"),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_unwanted_server_servers", ondelete="CASCADE"),
    )
    op.create_table(
        "strike_resets",
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("member", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("server", "member", name="pk_strike_resets"),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_strike_resets_server_servers", ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("strike_resets", "unwanted", "reviews", "settings"):
        op.drop_table(table)
    op.drop_column("jobs", "given_back")
    for index in ("ix_images_kept_back", "ix_images_to_give", "ix_images_waiting"):
        op.drop_index(index, "images")
    for column in ("given_at", "decided_at", "decided_by", "decision", "held_at", "look", "score"):
        op.drop_column("images", column)


def _index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "images", columns, sqlite_where=where, postgresql_where=where)
