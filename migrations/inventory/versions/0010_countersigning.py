"""What waits for another person's signature, and the keys that they sign by. Those of before are in allocation's journal."""

from alembic import op

from shared.terms.authority_tables import keys
from shared.terms.countersigning_tables import first, no_first

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# As far as this service has read it: what stands after that, it takes as it comes.
ENROLLED = """
    WITH told AS (
        SELECT type, data ->> 'subject' AS subject, data ->> 'key' AS key, data ->> 'public_key' AS public_key
        FROM allocation.events JOIN inbox_cursors ON inbox_cursors.source = 'allocation' AND inbox_cursors.shard = events.shard
        WHERE events.position <= inbox_cursors.position
    )
    INSERT INTO approver_keys (subject, key, public_key, revoked)
    SELECT subject, key, public_key,
        (subject, key) IN (SELECT subject, key FROM told WHERE type = 'allocation.approver_key_revoked.v1')
    FROM told WHERE type = 'allocation.approver_key_enrolled.v1'"""


def upgrade() -> None:
    for statement in (*keys(), *first()):
        op.execute(statement)
    op.execute(f"DO $$ BEGIN IF to_regclass('allocation.events') IS NOT NULL THEN {ENROLLED}; END IF; END $$")


def downgrade() -> None:
    for statement in (*no_first(), "DROP TABLE approver_keys"):
        op.execute(statement)
