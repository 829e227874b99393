"""A clock that one person paused goes on after a while, unless a second one confirms it."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clocks", sa.Column("pause_lapses_at", sa.DateTime(timezone=True)))
    op.add_column("clocks", sa.Column("pause_confirmed_by", sa.String()))


def downgrade() -> None:
    op.drop_column("clocks", "pause_confirmed_by")
    op.drop_column("clocks", "pause_lapses_at")
