"""A commitment counts once towards an instrument's limit, however often it is approved: by its stream, and no more by each approval."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAMED = """
    WITH named AS (
        SELECT uses.authority, uses.name, events.stream,
               row_number() OVER (PARTITION BY uses.authority, events.stream ORDER BY events.version DESC) AS nth
        FROM authority_uses AS uses
        JOIN events ON events.shard::text = split_part(uses.name, '/', 2) AND events.position::text = split_part(uses.name, '/', 3)
        WHERE events.type = 'loans.authority_cited.v1'
          AND events.data -> 'cited' ->> 'act' IN ('commit_loan', 'commit_holding', 'lend_material')
    )"""


def upgrade() -> None:
    again = f"{_NAMED} DELETE FROM authority_uses AS uses USING named WHERE nth > 1"  # noqa: S608  ours
    op.execute(f"{again} AND uses.authority = named.authority AND uses.name = named.name")
    once = f"{_NAMED} UPDATE authority_uses AS uses SET name = named.stream FROM named"  # noqa: S608
    op.execute(f"{once} WHERE uses.authority = named.authority AND uses.name = named.name")


def downgrade() -> None:
    """The names that they had are those of no other build's events."""
