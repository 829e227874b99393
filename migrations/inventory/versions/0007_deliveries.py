"""Draws that are delivered say when, to whom, and what shows it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("draws", sa.Column("delivered_on", sa.Date))
    op.add_column("draws", sa.Column("received_by", sa.String))
    op.add_column("draws", sa.Column("receipt", sa.String))


def downgrade() -> None:
    for column in ("receipt", "received_by", "delivered_on"):
        op.drop_column("draws", column)
