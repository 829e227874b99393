"""Where snapshots of long streams are kept."""

from alembic import op

from shared.journal.tables import no_snapshots, snapshots

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in snapshots():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_snapshots():
        op.execute(statement)
