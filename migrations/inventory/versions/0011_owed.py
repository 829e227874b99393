"""What projects owe partners of rights that were assigned to them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "owed",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("draw", sa.String, nullable=False),
        sa.Column("right", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("remaining_g", sa.BigInteger, nullable=False),
        sa.Column("failed_g", sa.BigInteger, nullable=False),
        sa.Column("window_to", sa.Date),
    )


def downgrade() -> None:
    op.drop_table("owed")
