"""The lots that a release is pinned to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("releases", sa.Column("lots", JSONB))


def downgrade() -> None:
    op.drop_column("releases", "lots")
