"""Tenders, sealed bids, and what they come to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def text(name: str, *, key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String, primary_key=key, nullable=nullable)


def whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "tenders",
        text("tender", key=True),
        text("product"),
        text("status"),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("bids_known", sa.Boolean, nullable=False),
        text("decision", nullable=True),
        text("file", nullable=True),
        text("proposed_by", nullable=True),
        whole("left_units", nullable=True),
        sa.Column("expires_on", sa.Date),
        text("certified_in", nullable=True),
        text("reason", nullable=True),
    )
    op.create_index("ix_tenders_product", "tenders", ["product"])
    op.create_table(
        "bids",
        text("bid", key=True),
        text("tender"),
        text("partner"),
        text("commitment"),
        text("committed_in"),
        text("salt", nullable=True),
        sa.Column("steps", JSONB),
        sa.Column("void", sa.Boolean, nullable=False),
    )
    op.create_table(
        "tender_approvals",
        text("tender", key=True),
        text("decision", key=True),
        text("key", key=True),
        text("subject"),
        text("signature"),
        sa.Column("approved_on", sa.Date, nullable=False),
    )
    op.create_table(
        "tender_awards",
        text("award", key=True),
        text("tender"),
        text("bid"),
        text("product"),
        text("partner"),
        whole("units"),
        whole("mass_g"),
        whole("amount_minor"),
        text("currency"),
        text("decision"),
        sa.Column("expires_on", sa.Date, nullable=False),
        text("status"),
    )
    for table in ("bids", "tender_awards"):
        for column in ("tender", "partner"):
            op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table in ("tender_awards", "tender_approvals", "bids", "tenders"):
        op.drop_table(table)
