"""A round may be superseded by another."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rounds", sa.Column("superseded_by", sa.String))


def downgrade() -> None:
    op.drop_column("rounds", "superseded_by")
