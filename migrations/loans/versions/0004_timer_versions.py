"""A timer says which event set it: it fires once for each, and not once for each day."""

from alembic import op

from shared.journal.tables import no_timer_versions, timer_versions

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in timer_versions():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_timer_versions():
        op.execute(statement)
