"""An agreement may be suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreements", sa.Column("suspended", sa.Boolean, nullable=False, server_default="false"))


def downgrade() -> None:
    op.drop_column("agreements", "suspended")
