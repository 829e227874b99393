"""The logs of histories from 2 on."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logs",
        sa.Column("history", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.execute("CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON logs FOR EACH STATEMENT EXECUTE FUNCTION append_only()")


def downgrade() -> None:
    op.drop_table("logs")
