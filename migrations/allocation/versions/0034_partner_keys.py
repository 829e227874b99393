"""Partners' keys, and the fingerprint that an agreement names."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE partner_keys (
            id varchar PRIMARY KEY, partner varchar NOT NULL, key varchar NOT NULL, public_key varchar NOT NULL, agreement varchar,
            registered_on date NOT NULL, revoked_on date
        )"""
    )
    op.execute("CREATE INDEX ix_partner_keys_partner ON partner_keys (partner)")
    op.execute("ALTER TABLE agreements ADD COLUMN key_fingerprint varchar")


def downgrade() -> None:
    op.execute("ALTER TABLE agreements DROP COLUMN key_fingerprint")
    op.execute("DROP TABLE partner_keys")
