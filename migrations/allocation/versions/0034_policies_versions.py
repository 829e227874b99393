"""A policy's stream has events that are no policy's, by now: its version is read from the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("policies", "stream_version")


def downgrade() -> None:
    op.add_column("policies", sa.Column("stream_version", sa.Integer, nullable=False, server_default="0"))
