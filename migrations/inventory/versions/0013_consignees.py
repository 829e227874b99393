"""Who may take delivery of an award, and how the screening lists in force have them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "named_consignees",
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("approved_by", sa.String),
    )
    op.create_table(
        "screened_consignees",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("lists", JSONB, nullable=False),
        sa.Column("clear", sa.Boolean, nullable=False),
        sa.Column("place", sa.String, nullable=False),
    )
    op.create_table(
        "known_lists",
        sa.Column("list", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    for table in ("known_lists", "screened_consignees", "named_consignees"):
        op.drop_table(table)
