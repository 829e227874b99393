"""Requests say who takes part and what would do; rounds have a method, a quorum by amount, and a release order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REQUESTS = ("consignee", "end_user")
REQUESTS_JSON = {"least_contents": "{}", "excluded_origins": "[]", "statement": "{}"}
ROUNDS_JSON = {"method": "{}", "quorum": "[]", "positions": "[]"}


def upgrade() -> None:
    for name in REQUESTS:
        op.add_column("requests", sa.Column(name, sa.String, nullable=False, server_default=""))
    for name, empty in REQUESTS_JSON.items():
        op.add_column("requests", sa.Column(name, JSONB, nullable=False, server_default=empty))
    for name, empty in ROUNDS_JSON.items():
        op.add_column("rounds", sa.Column(name, JSONB, nullable=False, server_default=empty))
    op.add_column("rounds", sa.Column("emergency", JSONB))
    op.add_column("rounds", sa.Column("release_order", sa.String))
    op.add_column("rounds", sa.Column("awarded_g", sa.BigInteger))


def downgrade() -> None:
    for name in ("awarded_g", "release_order", "emergency", *ROUNDS_JSON):
        op.drop_column("rounds", name)
    for name in (*REQUESTS_JSON, *REQUESTS):
        op.drop_column("requests", name)
