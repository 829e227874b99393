"""Consignees: what lists have of the names that goods may go to, and who asked for another."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consignees",
        sa.Column("consignee", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("lists", JSONB, nullable=False),
        sa.Column("hits", JSONB, nullable=False),
        sa.Column("beyond", sa.Integer, nullable=False),
        sa.Column("clear", sa.Boolean, nullable=False),
        sa.Column("screened_on", sa.Date, nullable=False),
    )
    op.create_table(
        "consignee_changes",
        sa.Column("change", sa.String, primary_key=True),
        *(
            sa.Column(name, sa.String, nullable=False)
            for name in ("award", "request", "product", "partner", "consignee", "name", "reason", "asked_by")
        ),
        sa.Column("asked_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("answer", sa.String),
        sa.Column("answered_by", sa.String),
        sa.Column("answered_on", sa.Date),
    )
    for column in ("award", "partner"):
        op.create_index(f"ix_consignee_changes_{column}", "consignee_changes", [column])


def downgrade() -> None:
    for table in ("consignee_changes", "consignees"):
        op.drop_table(table)
