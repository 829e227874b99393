"""What is agreed about deliveries under a right, and how they go."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

OWED = ("short_g", "substituted_g", "given_back_g")


def upgrade() -> None:
    op.add_column("rights", sa.Column("terms", JSONB))
    op.add_column("rights", sa.Column("exercised_on", sa.Date))
    op.add_column("rights", sa.Column("terminated_on", sa.Date))
    op.add_column("rights", sa.Column("termination", sa.String))
    for name in OWED:
        op.add_column("owed", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("owed", sa.Column("grace_days", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "tranches",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("right", sa.String, nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("window_from", sa.Date, nullable=False),
        sa.Column("window_to", sa.Date, nullable=False),
        sa.Column("grace_days", sa.Integer, nullable=False),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("delivered_g", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("late_days", sa.Integer, nullable=False, server_default="0"),
        sa.Column("status", sa.String, nullable=False, server_default="open"),
    )


def downgrade() -> None:
    op.drop_table("tranches")
    op.drop_column("owed", "grace_days")
    for name in OWED:
        op.drop_column("owed", name)
    for name in ("termination", "terminated_on", "exercised_on", "terms"):
        op.drop_column("rights", name)
