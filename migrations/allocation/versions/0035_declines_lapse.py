"""A request that one person declined is as it was before after a while, unless a second one confirms it."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("lapses_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("requests", "lapses_at")
