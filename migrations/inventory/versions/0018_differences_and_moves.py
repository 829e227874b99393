"""What draws lack that two people have weighed, and what was moved between depots in an emergency."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "differences",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("draw", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("weighed_g", sa.BigInteger, nullable=False),
        sa.Column("first_by", sa.String, nullable=False),
        sa.Column("weighed_by", sa.String, nullable=False),
        sa.Column("weighed_on", sa.Date, nullable=False),
        sa.Column("sign_by", sa.Date, nullable=False),
        sa.Column("settled_on", sa.Date),
        sa.Column("cause", sa.String),
    )
    op.create_table(
        "moves",
        sa.Column("move", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False, index=True),
        sa.Column("lot", sa.String, nullable=False, index=True),
        sa.Column("from_depot", sa.String, nullable=False),
        sa.Column("to_depot", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("moved_by", sa.String, nullable=False),
        sa.Column("moved_on", sa.Date, nullable=False),
        sa.Column("ratify_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("ratified_by", sa.String),
    )


def downgrade() -> None:
    op.drop_table("moves")
    op.drop_table("differences")
