"""Instruments of authority, officials' conflicts of interest, and what was cited for what was done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "instruments",
        sa.Column("instrument", sa.String, primary_key=True),
        text("kind"),
        text("title"),
        text("office"),
        text("under", nullable=True),
        text("holder"),
        sa.Column("acting", JSONB, nullable=False),
        sa.Column("acts", JSONB, nullable=False),
        sa.Column("products", JSONB, nullable=False),
        sa.Column("limit_g", sa.BigInteger),
        sa.Column("limit_minor", sa.BigInteger),
        text("currency", nullable=True),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("may_sub_delegate", sa.Boolean, nullable=False),
        sa.Column("ended_on", sa.Date),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_instruments_holder", "instruments", ["holder"])
    op.create_table(
        "conflicts",
        sa.Column("official", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        text("about"),
        text("name"),
        text("reason"),
        sa.Column("declared_on", sa.Date, nullable=False),
    )
    op.create_table(
        "citations",
        sa.Column("place", sa.String, primary_key=True),
        text("matter"),
        text("act"),
        text("by"),
        text("authority"),
        sa.Column("cited", JSONB, nullable=False),
        sa.Column("cited_on", sa.Date, nullable=False),
    )
    op.create_index("ix_citations_matter", "citations", ["matter"])


def downgrade() -> None:
    for table in ("citations", "conflicts", "instruments"):
        op.drop_table(table)
