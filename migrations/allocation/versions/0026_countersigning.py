"""What waits for another person's signature."""

from alembic import op

from shared.terms.countersigning_tables import first, no_first

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in first():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_first():
        op.execute(statement)
