"""The journal and the read tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.journal.tables import first, no_first

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in first():
        op.execute(statement)
    op.create_table(
        "partners",
        sa.Column("partner", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "agreements",
        sa.Column("agreement", sa.String, primary_key=True),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("products", JSONB, nullable=False),
        sa.Column("priority_class", sa.Integer, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "disruptions",
        sa.Column("disruption", sa.String, primary_key=True),
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("products", JSONB, nullable=False),
        sa.Column("declared_scope", sa.String, nullable=False),
        sa.Column("observed_scope", sa.String, nullable=False),
        sa.Column("partners", JSONB, nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "approver_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False, index=True),
        sa.Column("public_key", sa.String, nullable=False),
        sa.Column("enrolled_on", sa.Date, nullable=False),
        sa.Column("revoked_on", sa.Date),
    )
    op.create_table(
        "books",
        sa.Column("product", sa.String, primary_key=True),
    )
    op.create_table(
        "requests",
        sa.Column("request", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("minimum_g", sa.BigInteger, nullable=False),
        sa.Column("daily_consumption_g", sa.BigInteger, nullable=False),
        sa.Column("needed_by", sa.Date, nullable=False),
        sa.Column("nominee", sa.String, nullable=False),
        sa.Column("end_use", sa.String, nullable=False),
        sa.Column("submitted_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("accepted_g", sa.BigInteger),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("round", sa.String, index=True),
    )
    op.create_table(
        "rounds",
        sa.Column("round", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("requests", JSONB, nullable=False),
        sa.Column("disruption", sa.String),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("approvals_needed", sa.Integer, nullable=False),
        sa.Column("release_days", sa.Integer, nullable=False),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("decision", sa.String),
        sa.Column("file", sa.String),
        sa.Column("proposed_by", sa.String),
        sa.Column("supply_g", sa.BigInteger),
        sa.Column("left_g", sa.BigInteger),
        sa.Column("expires_on", sa.Date),
        sa.Column("certified_in", sa.String),
        sa.Column("reason", sa.String),
    )
    op.create_table(
        "approvals",
        sa.Column("round", sa.String, primary_key=True),
        sa.Column("decision", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True, index=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("signature", sa.String, nullable=False),
        sa.Column("approved_on", sa.Date, nullable=False),
        sa.Column("lapsed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "awards",
        sa.Column("award", sa.String, primary_key=True),
        sa.Column("round", sa.String, nullable=False, index=True),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
        sa.Column("daily_consumption_g", sa.BigInteger, nullable=False),
        sa.Column("days_of_cover", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
    )
    op.create_table(
        "stock",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("nominal_unit_g", sa.BigInteger, nullable=False),
        sa.Column("protected_g", sa.BigInteger, nullable=False),
        sa.Column("reserved_rights_g", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stock_units",
        sa.Column("product", sa.String, primary_key=True),
        sa.Column("unit_g", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("units", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rights",
        sa.Column("right", sa.String, primary_key=True),
        sa.Column("product", sa.String, nullable=False, index=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("window_to", sa.Date, nullable=False),
        sa.Column("mass_g", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "rights",
        "stock_units",
        "stock",
        "awards",
        "approvals",
        "rounds",
        "requests",
        "books",
        "approver_keys",
        "disruptions",
        "agreements",
        "partners",
    ):
        op.drop_table(table)
    for statement in no_first():
        op.execute(statement)
