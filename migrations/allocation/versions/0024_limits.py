"""What is split is summed: the approvals that a proposed decision needs, and for how much; what was done under instruments."""

import sqlalchemy as sa
from alembic import op

from shared.terms import uses

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rounds", sa.Column("needed", sa.Integer))
    op.add_column("rounds", sa.Column("summed_g", sa.BigInteger))
    op.add_column("instruments", sa.Column("window_days", sa.Integer))
    for statement in uses.first():
        op.execute(statement)


def downgrade() -> None:
    for statement in uses.no_first():
        op.execute(statement)
    op.drop_column("instruments", "window_days")
    op.drop_column("rounds", "summed_g")
    op.drop_column("rounds", "needed")
