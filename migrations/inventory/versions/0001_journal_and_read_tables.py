"""The journal and the read tables of stockpiles."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.journal.tables import first, no_first

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String, **({"nullable": False} | options))


def whole(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, **({"nullable": False} | options))


def day(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Date, **({"nullable": False} | options))


def json(name: str) -> sa.Column[Any]:
    return sa.Column(name, JSONB, nullable=False)


def upgrade() -> None:
    for statement in first():
        op.execute(statement)
    op.create_table(
        "products",
        text("product", primary_key=True),
        text("name"),
        json("contents"),
        text("form"),
        text("unit"),
        whole("nominal_unit_g"),
        text("specification"),
        whole("protected_g"),
        whole("in_stock_g"),
        whole("released_g"),
        whole("quarantined_g"),
        whole("drawn_g"),
        whole("dispatched_g"),
        whole("released_rights_g"),
        whole("assigned_g"),
        whole("version"),
    )
    op.create_table(
        "lots",
        text("lot", primary_key=True),
        text("product", index=True),
        text("depot"),
        text("status"),
        whole("taken_in_units"),
        whole("units"),
        whole("nominal_unit_g"),
        json("serials"),
        text("origin"),
        text("custody_model"),
        json("assay"),
        day("expires_on", nullable=True),
        text("right", nullable=True),
        day("taken_in_on"),
    )
    op.create_table(
        "rights",
        text("right", primary_key=True),
        text("product", index=True),
        text("project"),
        text("kind"),
        whole("mass_g"),
        whole("remaining_g"),
        day("window_from"),
        day("window_to"),
    )
    op.create_table(
        "releases",
        text("release", primary_key=True),
        text("product"),
        text("partner", index=True),
        text("round", index=True),
        text("decision"),
        text("award"),
        text("request"),
        json("units"),
        whole("rights_g"),
        whole("mass_g"),
        whole("remaining_g"),
        text("status"),
        day("released_on"),
        day("expires_on"),
        text("reason", nullable=True),
    )
    op.create_table(
        "draws",
        text("draw", primary_key=True),
        text("product"),
        text("release", index=True),
        text("partner", index=True),
        text("status"),
        whole("mass_g"),
        whole("assigned_g"),
        json("parcels"),
        whole("weighed_g", nullable=True),
        text("carrier", nullable=True),
        text("consignee", nullable=True),
        json("gates"),
        text("reason", nullable=True),
        day("drawn_on"),
        sa.Column("shard", sa.Integer, nullable=False),
        whole("position"),
    )
    op.create_table(
        "assignments",
        text("draw", primary_key=True),
        text("right", primary_key=True),
        text("source", primary_key=True),
        text("project"),
        whole("mass_g"),
    )
    op.create_table(
        "holds",
        text("id", primary_key=True),
        text("hold", index=True),
        text("product", index=True),
        text("scope"),
        text("target", nullable=True),
        text("reason"),
        text("authority"),
        day("put_on_on"),
        day("expires_on", nullable=True),
        day("lifted_on", nullable=True),
        text("lifted_reason", nullable=True),
    )
    op.create_table("partners", text("partner", primary_key=True))
    op.create_table(
        "covered",
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        whole("position"),
        text("log"),
        whole("log_size"),
        text("root"),
    )


def downgrade() -> None:
    for table in ("covered", "partners", "holds", "assignments", "draws", "releases", "rights", "lots", "products"):
        op.drop_table(table)
    for statement in no_first():
        op.execute(statement)
