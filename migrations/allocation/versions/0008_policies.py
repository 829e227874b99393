"""Policies and their versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("latest", sa.Integer, nullable=False),
        sa.Column("stream_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "policy_versions",
        sa.Column("policy", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("active_from", sa.Date, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("drafted_by", sa.String, nullable=False),
        sa.Column("submitted_by", sa.String),
        sa.Column("approved_by", sa.String),
        sa.Column("approved_on", sa.Date),
        sa.Column("reason", sa.String),
    )


def downgrade() -> None:
    op.drop_table("policy_versions")
    op.drop_table("policies")
