"""What scales may be wrong by: as two people have set it for a product, a contract, a scale."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE products ADD COLUMN weighing_tolerances jsonb NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE products DROP COLUMN weighing_tolerances")
