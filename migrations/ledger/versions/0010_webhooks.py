"""Webhooks, how far each is, and what became of what was sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook", sa.String, primary_key=True),
        sa.Column("partner", sa.String, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("types", JSONB, nullable=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("forgiven", sa.BigInteger, nullable=False),
        sa.Column("secret", sa.BigInteger, nullable=False),
        sa.Column("before_until", sa.DateTime(timezone=True)),
        sa.Column("stopped", sa.String),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_webhooks_partner", "webhooks", ["partner"])
    op.create_table(
        "webhook_cursors",
        sa.Column("webhook", sa.String, primary_key=True),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("forgiven", sa.BigInteger, nullable=False),
        sa.Column("next", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("took_ms", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("webhook_deliveries", "webhook_cursors", "webhooks"):
        op.drop_table(table)
