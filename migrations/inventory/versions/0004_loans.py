"""Releases that are lent, with the gate of their draws."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "awarded_loans",
        sa.Column("release", sa.String, primary_key=True),
        sa.Column("award", sa.String),
        sa.Column("decision", sa.String),
        sa.Column("return_on", sa.Date),
        sa.Column("opened_for", sa.String),
        sa.Column("gate", JSONB),
    )


def downgrade() -> None:
    op.drop_table("awarded_loans")
