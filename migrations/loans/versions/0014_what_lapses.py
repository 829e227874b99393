"""What one person stopped, and until when: a breach, a default of metal, a payee or a laboratory that was ended."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COLUMNS = {"ratios": "lapses_at", "material_loans": "default_lapses_at", "payees": "lapses_at", "laboratories": "lapses_at"}


def upgrade() -> None:
    for table, column in COLUMNS.items():
        op.add_column(table, sa.Column(column, sa.DateTime(timezone=True)))


def downgrade() -> None:
    for table, column in COLUMNS.items():
        op.drop_column(table, column)
