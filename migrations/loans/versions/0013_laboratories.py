"""Laboratories, and whose they are."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "laboratories",
        sa.Column("laboratory", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("name", "owner")),
        sa.Column("accredited_until", sa.Date, nullable=False),
        sa.Column("ended_on", sa.Date),
        *(sa.Column(name, sa.String) for name in ("ended_by", "ended_because")),
        sa.Column("version", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("laboratories")
