"""The function that locks a shard's head."""

from alembic import op

from shared.journal.tables import lock_head, no_lock_head

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in lock_head():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_lock_head():
        op.execute(statement)
