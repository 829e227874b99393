"""Where the journal has what a certificate stands on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "proofs",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("matter", sa.String, index=True),
        sa.Column("decision", sa.String, index=True),
        sa.Column("approver", sa.String, index=True),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("detail", JSONB, nullable=False, server_default=sa.text("'{}'")),
    )


def downgrade() -> None:
    op.drop_table("proofs")
