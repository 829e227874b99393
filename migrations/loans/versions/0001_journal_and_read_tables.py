"""The journal and the read tables of facilities, loans, holdings and material lent."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.journal.tables import first, lock_head, no_first, no_lock_head, no_snapshots, snapshots

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


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def json(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, JSONB, **({"nullable": False} | options))


TABLES: dict[str, list[sa.Column[Any]]] = {
    # facilities
    "facilities": [text("facility", primary_key=True), text("currency"), whole("version")],
    "limits": [
        text("facility", primary_key=True),
        text("key", primary_key=True),
        text("parent", nullable=True),
        whole("limit_minor", nullable=True),
        text("warn_at", nullable=True),
    ],
    "commitments": [
        text("facility", primary_key=True),
        text("commitment", primary_key=True),
        text("asset"),
        whole("amount"),
        whole("value_minor"),
        json("keys"),
    ],
    "rates": [
        text("facility", primary_key=True),
        text("asset", primary_key=True),
        text("rate"),
        day("quoted_on"),
        text("source"),
    ],
    # projects
    "projects": [text("project", primary_key=True), json("loans"), whole("version")],
    "project_facts": [
        text("fact", primary_key=True),
        text("project", index=True),
        text("kind"),
        text("subject", nullable=True),
        text("product", nullable=True),
        whole("quantity", nullable=True),
        text("unit", nullable=True),
        sa.Column("binding", sa.Boolean),
        text("by"),
        day("since"),
        day("until", nullable=True),
        json("evidence"),
        text("document", nullable=True),
        day("withdrawn_on", nullable=True),
        text("withdrawn_by", nullable=True),
        text("withdrawn_because", nullable=True),
    ],
    # facility loans
    "loans": [
        text("loan", primary_key=True),
        text("status"),
        text("facility"),
        text("borrower", index=True),
        text("project", index=True),
        text("currency"),
        whole("commitment_minor"),
        whole("undrawn_minor"),
        json("terms"),
        text("document"),
        text("proposed_by"),
        json("approval", nullable=True),
        text("reason", nullable=True),
        text("reference", nullable=True, index=True),
        json("figures", nullable=True),
        whole("principal_minor"),
        whole("overdue_minor"),
        text("bucket"),
        text("grade"),
        sa.Column("stage", sa.Integer, nullable=False),
        whole("provision_minor"),
        json("seen"),
        json("seen_subsequents"),
        whole("version"),
    ],
    "loan_entries": [
        text("loan", primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        text("kind"),
        day("on"),
        day("recorded_on"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        whole("amount_minor", nullable=True),
        json("change", nullable=True),
        text("text", nullable=True),
        text("place"),
    ],
    "advances": [
        text("advance", primary_key=True),
        text("loan", index=True),
        whole("amount_minor"),
        text("purpose"),
        text("status"),
        day("paid_on", nullable=True),
        json("seen"),
    ],
    "payments": [
        text("payment", primary_key=True),
        text("loan", index=True),
        text("kind"),
        text("reference"),
        whole("amount_minor"),
        day("received_on"),
        text("prepays"),
        flag("reversed"),
        text("reason", nullable=True),
    ],
    "acts": [
        text("act", primary_key=True),
        text("loan", index=True),
        json("content"),
        text("reason"),
        text("document"),
        text("proposed_by"),
        text("status"),
        json("approval", nullable=True),
    ],
    "ratios": [
        text("loan", primary_key=True),
        text("kind", primary_key=True),
        day("for_on", primary_key=True),
        text("ratio"),
        text("minimum"),
        text("source"),
        text("standing"),
    ],
    # material loans
    "material_loans": [
        text("loan", primary_key=True),
        text("status"),
        text("partner", index=True),
        text("product"),
        text("award"),
        text("release"),
        text("decision"),
        whole("mass_g"),
        whole("undrawn_g"),
        day("return_on"),
        day("draw_by"),
        json("terms", nullable=True),
        text("document", nullable=True),
        text("proposed_by", nullable=True),
        json("approval", nullable=True),
        text("facility", nullable=True),
        text("element", nullable=True),
        day("due_on", nullable=True),
        whole("committed_g"),
        whole("lent_g"),
        whole("out_g"),
        whole("pending_g"),
        whole("returned_g"),
        whole("premium_g"),
        whole("excess_g"),
        flag("overdue"),
        flag("defaulted"),
        text("currency", nullable=True),
        whole("security_minor"),
        whole("call_minor"),
        json("marked", nullable=True),
        text("reason", nullable=True),
        whole("version"),
    ],
    "material_entries": [
        text("loan", primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        text("kind"),
        day("on"),
        day("recorded_on"),
        json("told"),
        text("place"),
    ],
    "deferrals": [
        text("deferral", primary_key=True),
        text("loan", index=True),
        text("condition"),
        text("evidence"),
        day("due_on"),
        text("premium_pct"),
        text("document"),
        text("proposed_by"),
        text("status"),
        json("approval", nullable=True),
    ],
    "material_returns": [
        text("returned", primary_key=True),
        text("loan", index=True),
        text("status"),
        whole("mass_g"),
        day("received_on"),
        whole("pending_g"),
        json("lot"),
        json("own_assay"),
        json("independent", nullable=True),
        json("umpire", nullable=True),
        text("content", nullable=True),
        text("basis", nullable=True),
        whole("contained_g", nullable=True),
        text("taken_in_as", nullable=True),
        text("reason", nullable=True),
    ],
    "products": [text("product", primary_key=True), json("contents"), whole("nominal_unit_g")],
    # repayment in kind
    "offtakes": [
        text("offtake", primary_key=True),
        text("right", index=True),
        text("loan", index=True),
        text("product"),
        text("element"),
        text("price"),
        text("currency"),
        text("share"),
        text("prepays"),
        day("since"),
        day("until"),
        text("authority"),
        text("agreed_by"),
        day("ended_on", nullable=True),
        text("ended_because", nullable=True),
    ],
    "deliveries": [
        text("lot", primary_key=True),
        text("right", index=True),
        text("status"),
        text("offtake", nullable=True),
        text("loan", nullable=True, index=True),
        whole("mass_g"),
        whole("contained_g", nullable=True),
        whole("amount_minor", nullable=True),
        day("received_on"),
        text("payment", nullable=True),
        text("reason", nullable=True),
    ],
    # equity
    "holdings": [
        text("holding", primary_key=True),
        text("status"),
        text("facility"),
        text("company"),
        text("project"),
        text("currency"),
        json("terms"),
        json("figures"),
        text("document"),
        text("proposed_by"),
        sa.Column("approval", JSONB, nullable=True),
        text("reason", nullable=True),
        whole("version"),
    ],
    "equity_flows": [
        text("flow", primary_key=True),
        text("holding", index=True),
        text("kind"),
        text("reference", nullable=True),
        day("on"),
        whole("units"),
        whole("cash_minor"),
        whole("cost_minor"),
        flag("reversed"),
    ],
    "write_downs": [
        text("flow", primary_key=True),
        text("holding", index=True),
        text("status"),
        whole("amount_minor", nullable=True),
        day("on"),
        text("authority"),
        text("reason"),
        text("document"),
        text("proposed_by"),
        sa.Column("approval", JSONB, nullable=True),
    ],
    "valuations": [
        text("holding", primary_key=True),
        day("on", primary_key=True),
        whole("units"),
        whole("value_minor"),
        text("source"),
    ],
    # approvers
    "approver_keys": [text("subject", primary_key=True), text("key", primary_key=True), text("public_key"), flag("revoked")],
}


def upgrade() -> None:
    for statement in (*first(), *lock_head(), *snapshots()):
        op.execute(statement)
    for name, columns in TABLES.items():
        op.create_table(name, *columns)


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
    for statement in (*no_snapshots(), *no_lock_head(), *no_first()):
        op.execute(statement)
