"""What was done under authorities: their limits are of the sum of it."""

from alembic import op

from shared.terms import uses

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in uses.first():
        op.execute(statement)


def downgrade() -> None:
    for statement in uses.no_first():
        op.execute(statement)
