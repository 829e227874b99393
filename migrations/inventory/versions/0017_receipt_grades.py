"""Which grade a draw's receipt needs before its goods leave, and how far witnesses vouch for the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("receipt_grade", sa.String))
    op.create_table(
        "witnessed",
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("log_size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("witnessed")
    op.drop_column("products", "receipt_grade")
