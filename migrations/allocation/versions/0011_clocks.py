"""Clocks to delivery, and tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clocks",
        sa.Column("request", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("clock", sa.String),
        sa.Column("submitted_on", sa.Date),
        sa.Column("limits", JSONB, nullable=False),
        sa.Column("reached", JSONB, nullable=False),
        sa.Column("warned", JSONB, nullable=False),
        sa.Column("breaches", JSONB, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("next", sa.String),
        sa.Column("limit_on", sa.Date, index=True),
        sa.Column("breached", sa.Boolean, nullable=False),
        sa.Column("paused_since", sa.Date),
        sa.Column("pause_reason", sa.String),
        sa.Column("ended", sa.String),
    )
    op.create_table(
        "tasks",
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False, index=True),
        sa.Column("about", sa.String, nullable=False),
        sa.Column("partner", sa.String, index=True),
        sa.Column("product", sa.String),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False, index=True),
        sa.Column("raised_on", sa.Date, nullable=False),
        sa.Column("done_on", sa.Date),
    )


def downgrade() -> None:
    for table in ("tasks", "clocks"):
        op.drop_table(table)
