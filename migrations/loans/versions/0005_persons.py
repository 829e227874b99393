"""Whose account a subject is: the accounts of one person count once."""

from alembic import op

from shared.terms.authority_tables import persons

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in persons():
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("persons")
