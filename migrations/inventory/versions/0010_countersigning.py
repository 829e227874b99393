"""What waits for another person's signature, and the keys that they sign by: those that were enrolled before are in allocation's journal."""

from alembic import op

from shared.terms.authority_tables import keys
from shared.terms.countersigning_tables import first, no_first

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# As far as this service has read it: what stands after that, it takes as it comes.
ENROLLED = """
    INSERT INTO approver_keys (subject, key, public_key, revoked)
    SELECT enrolled.data ->> 'subject', enrolled.data ->> 'key', enrolled.data ->> 'public_key', EXISTS (
        SELECT FROM allocation.events AS revoked
        JOIN inbox_cursors AS cursor ON cursor.source = 'allocation' AND cursor.shard = revoked.shard AND revoked.position <= cursor.position
        WHERE revoked.type = 'allocation.approver_key_revoked.v1' AND revoked.data ->> 'subject' = enrolled.data ->> 'subject'
        AND revoked.data ->> 'key' = enrolled.data ->> 'key')
    FROM allocation.events AS enrolled
    JOIN inbox_cursors AS cursor ON cursor.source = 'allocation' AND cursor.shard = enrolled.shard AND enrolled.position <= cursor.position
    WHERE enrolled.type = 'allocation.approver_key_enrolled.v1'"""


def upgrade() -> None:
    for statement in (*keys(), *first()):
        op.execute(statement)
    op.execute(f"DO $$ BEGIN IF to_regclass('allocation.events') IS NOT NULL THEN {ENROLLED}; END IF; END $$")


def downgrade() -> None:
    for statement in (*no_first(), "DROP TABLE approver_keys"):
        op.execute(statement)
