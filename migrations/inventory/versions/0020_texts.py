"""What people have typed, apart from the events that hold commitments to it: it can be erased."""

from alembic import op

from shared.journal.tables import no_texts, texts

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in texts():
        op.execute(statement)


def downgrade() -> None:
    for statement in no_texts():
        op.execute(statement)
