"""Requests and awards that are loans have a day on which they come back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("requests", "awards"):
        op.add_column(table, sa.Column("return_on", sa.Date))


def downgrade() -> None:
    for table in ("awards", "requests"):
        op.drop_column(table, "return_on")
