"""A project's stream has events that are no project's, by now: its version is read from the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("projects", "version")


def downgrade() -> None:
    op.add_column("projects", sa.Column("version", sa.BigInteger, nullable=False, server_default="0"))
