"""A superseded round says whether its quota and carries are given back: those before this build did not."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("superseded_rounds", sa.Column("gives_back", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("superseded_rounds", "gives_back")
