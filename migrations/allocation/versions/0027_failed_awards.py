"""What of an award a partner does not get after all."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("awards", sa.Column("failed_g", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("awards", "failed_g")
