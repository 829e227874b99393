"""Awards that were given back, and rounds that others superseded."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "renounced_awards",
        sa.Column("award", sa.String, primary_key=True),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("renounced_on", sa.Date, nullable=False),
    )
    op.create_table(
        "superseded_rounds",
        sa.Column("round", sa.String, primary_key=True),
        sa.Column("by_round", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("superseded_on", sa.Date, nullable=False),
    )


def downgrade() -> None:
    for table in ("superseded_rounds", "renounced_awards"):
        op.drop_table(table)
