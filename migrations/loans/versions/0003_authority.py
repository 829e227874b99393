"""By what power people act, and their conflicts of interest, as allocation tells of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authorities",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("subjects", JSONB, nullable=False),
        sa.Column("content", JSONB, nullable=False),
    )
    op.create_table(
        "conflicts",
        sa.Column("official", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
    )


def downgrade() -> None:
    for table in ("conflicts", "authorities"):
        op.drop_table(table)
