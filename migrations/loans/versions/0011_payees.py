"""Payees of borrowers, on which of them an advance was paid, and which payments are one person's word."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE payees (
            payee varchar NOT NULL,
            borrower varchar NOT NULL,
            currency varchar NOT NULL,
            holder varchar NOT NULL,
            bank varchar NOT NULL,
            account varchar NOT NULL,
            masked varchar NOT NULL,
            registered_by jsonb NOT NULL,
            registered_on date NOT NULL,
            pays_from date NOT NULL,
            ended_on date,
            reason varchar,
            version bigint NOT NULL,
            PRIMARY KEY (payee)
        )"""
    )
    op.execute("CREATE INDEX payees_of ON payees (borrower)")
    op.execute("ALTER TABLE advances ADD COLUMN payee varchar")  # of those that were paid before, none

    op.execute("ALTER TABLE payments ADD COLUMN unreconciled boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX payments_unreconciled ON payments (payment) WHERE unreconciled")


def downgrade() -> None:
    op.execute("ALTER TABLE payments DROP COLUMN unreconciled")
    op.execute("ALTER TABLE advances DROP COLUMN payee")
    op.execute("DROP TABLE payees")
