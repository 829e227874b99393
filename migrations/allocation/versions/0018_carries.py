"""Rounding carries, by product and agreement."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "carries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("agreement", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("carry_g", sa.String, nullable=False),
        sa.Column("expires_on", sa.Date),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("carries")
