"""What was corrected of a dispatch: how its carrier is written, and a number on its papers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("draws", sa.Column("reference", sa.String))
    op.add_column("draws", sa.Column("corrections", JSONB))


def downgrade() -> None:
    op.drop_column("draws", "corrections")
    op.drop_column("draws", "reference")
