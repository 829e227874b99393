"""Stock lot by lot, with what stops it and what releases are pinned to, and when rights begin to be delivered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lots",
        sa.Column("lot", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False, index=True),
        sa.Column("depot", sa.String, nullable=False),
        sa.Column("unit_g", sa.BigInteger, nullable=False),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("pinned_units", sa.BigInteger, nullable=False),
        sa.Column("in_specification", sa.Boolean, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("contents", JSONB, nullable=False),
        sa.Column("expires_on", sa.Date),
    )
    op.create_table(
        "pins",
        sa.Column("release", sa.String, primary_key=True),
        sa.Column("lot", sa.String, primary_key=True),
        sa.Column("units", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stops",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("hold", sa.String, primary_key=True),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("expires_on", sa.Date),
    )
    op.add_column("rights", sa.Column("window_from", sa.Date))


def downgrade() -> None:
    op.drop_column("rights", "window_from")
    for table in ("stops", "pins", "lots"):
        op.drop_table(table)
