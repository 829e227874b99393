"""Who bars somebody by their word alone, until when, and who has confirmed it."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_COLUMNS = {
    "conflicts": ("declared_by varchar", "lapses_at timestamptz", "confirmed_by varchar"),
    "approver_keys": ("revoked_by varchar", "revocation_lapses_at timestamptz", "revocation_confirmed_by varchar"),
    "instruments": ("ended_by varchar", "end_lapses_at timestamptz", "end_confirmed_by varchar"),
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    op.execute("CREATE TABLE bars (what varchar, by varchar, lapses_at timestamptz NOT NULL, PRIMARY KEY (what, by))")


def downgrade() -> None:
    op.execute("DROP TABLE bars")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.split()[0]}")
