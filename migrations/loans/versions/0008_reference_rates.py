"""Reference rates, and what was published of each."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reference_rates",
        sa.Column("rate", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("name", "administrator", "calendar")),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "publications",
        sa.Column("rate", sa.String, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("pct", "source")),
        sa.Column("corrected", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("publications")
    op.drop_table("reference_rates")
