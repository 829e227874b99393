"""Readiness registers."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readiness_items",
        sa.Column("item", sa.String, primary_key=True),
        sa.Column("agreement", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("evidence", sa.String, nullable=False),
        sa.Column("cleared_by", sa.String, nullable=False),
        sa.Column("cleared_on", sa.Date, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String),
    )


def downgrade() -> None:
    op.drop_table("readiness_items")
