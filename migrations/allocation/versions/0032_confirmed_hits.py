"""What one person confirms of a hit lapses."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("screening_hits", sa.Column("lapses_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("screening_hits", "lapses_at")
