"""Whose hold nobody else has confirmed, which no suspension of theirs goes on with. Of what is put on from now on."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE hold_words (
            product varchar, hold varchar, partner varchar, put_on_by varchar NOT NULL, lapses_at timestamptz NOT NULL,
            PRIMARY KEY (product, hold)
        )"""
    )


def downgrade() -> None:
    op.execute("DROP TABLE hold_words")
