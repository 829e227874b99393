"""By when a round that was decided in an emergency is to be ratified, and by whom it was."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rounds", sa.Column("ratification", sa.String))
    op.add_column("rounds", sa.Column("ratify_by", sa.DateTime(timezone=True)))
    op.add_column("rounds", sa.Column("ratified_by", sa.String))


def downgrade() -> None:
    for column in ("ratified_by", "ratify_by", "ratification"):
        op.drop_column("rounds", column)
