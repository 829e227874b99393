"""Where each history begins, once there is more than one."""

from alembic import op

from shared.journal.tables import histories, no_histories

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in histories():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_histories():
        op.execute(statement)
