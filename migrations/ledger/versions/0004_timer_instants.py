"""Timers may wait for an instant of their day."""

from alembic import op

from shared.journal.tables import no_timer_instants, timer_instants

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in timer_instants():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_timer_instants():
        op.execute(statement)
