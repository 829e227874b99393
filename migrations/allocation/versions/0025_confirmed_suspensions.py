"""Who suspended an agreement, until when it stands by their word alone, and who has confirmed it."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreements", sa.Column("suspended_by", sa.String))
    op.add_column("agreements", sa.Column("suspension_lapses_at", sa.DateTime(timezone=True)))
    op.add_column("agreements", sa.Column("suspension_confirmed_by", sa.String))


def downgrade() -> None:
    for column in ("suspension_confirmed_by", "suspension_lapses_at", "suspended_by"):
        op.drop_column("agreements", column)
