"""Who put a hold on, until when it stands by their word alone, and who has confirmed it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holds", sa.Column("put_on_by", sa.String))
    op.add_column("holds", sa.Column("lapses_at", sa.DateTime(timezone=True)))
    op.add_column("holds", sa.Column("confirmed_by", sa.String))


def downgrade() -> None:
    for column in ("confirmed_by", "lapses_at", "put_on_by"):
        op.drop_column("holds", column)
