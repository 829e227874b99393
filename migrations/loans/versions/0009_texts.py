"""What people have typed, apart from the events that hold commitments to it: it can be erased."""

from alembic import op

from shared.journal.tables import no_texts, texts

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The last mark of a security is kept as its event.
MARKED = (
    "UPDATE material_loans SET marked = jsonb_set(marked, '{type}', to_jsonb('loans.security_marked.v%d'::text)) WHERE marked IS NOT NULL"
)


def upgrade() -> None:
    for statement in texts():
        op.execute(statement)
    op.execute(MARKED % 2)


def downgrade() -> None:
    op.execute(MARKED % 1)
    for statement in no_texts():
        op.execute(statement)
