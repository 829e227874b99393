"""Where the journal has what a certificate stands on. What happened before is taken from the journal."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BEFORE = """
    INSERT INTO proofs (place, kind, matter, decision, approver, command, detail)
    SELECT 'allocation/' || shard || '/' || position,
           CASE split_part(type, '.', 2)
               WHEN 'approver_key_enrolled' THEN 'enrolled' WHEN 'approver_key_revoked' THEN 'revoked' WHEN 'authority_cited' THEN 'cited'
               ELSE replace(split_part(type, '.', 2), 'round_', '') END,
           coalesce(data ->> 'round', data ->> 'matter'),
           data ->> 'decision',
           coalesce((data ->> 'subject') || '/' || (data ->> 'key'), (data #>> '{approval,subject}') || '/' || (data #>> '{approval,key}')),
           encode(command_id, 'hex'),
           CASE split_part(type, '.', 2)
               WHEN 'round_proposed' THEN jsonb_build_object('file', data ->> 'file')
               WHEN 'round_certified' THEN jsonb_build_object('approvals', data -> 'approvals', 'expires_on', data ->> 'expires_on',
                                                              'names_awards', json_array_length(data -> 'awards') > 0)
               ELSE '{}' END
    FROM events
    WHERE split_part(type, '.', 2) IN ('approver_key_enrolled', 'approver_key_revoked', 'authority_cited',
                                       'round_proposed', 'round_approved', 'round_certified')"""


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
    op.execute(_BEFORE)


def downgrade() -> None:
    op.drop_table("proofs")
