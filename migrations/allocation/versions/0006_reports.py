"""Reports that certified rounds owe, those that were sent, and how the protected level has moved."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("round", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("certified_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("report", sa.String),
        sa.Column("sent_on", sa.Date),
    )
    op.create_table(
        "reports_sent",
        sa.Column("report", sa.String, primary_key=True),
        sa.Column("round", sa.String, nullable=False, index=True),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("addressee", sa.String, nullable=False),
        sa.Column("reference", sa.String),
        sa.Column("sent_on", sa.Date, nullable=False),
        sa.Column("sent_by", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
    )
    op.create_table(
        "protected_levels",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False, index=True),
        sa.Column("before_g", sa.BigInteger, nullable=False),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("set_on", sa.Date, nullable=False),
        sa.Column("authority", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.execute(
        """INSERT INTO reports (round, product, decision, certified_on, status)
           SELECT round, product, decision, expires_on - release_days, 'due' FROM rounds WHERE status IN ('certified', 'released')"""
    )


def downgrade() -> None:
    for table in ("protected_levels", "reports_sent", "reports"):
        op.drop_table(table)
