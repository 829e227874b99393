"""Keys that partners sign their draws with."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE partner_keys (
            id varchar PRIMARY KEY, partner varchar NOT NULL, key varchar NOT NULL, public_key varchar NOT NULL, revoked boolean NOT NULL
        )"""
    )


def downgrade() -> None:
    op.execute("DROP TABLE partner_keys")
