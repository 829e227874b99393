"""Screening lists, hits, acceptances with their findings, objections, reviews, and who had a part in what.

What happened before is taken from the journal: a review of an old decision asks for it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INVOLVED = """
    INSERT INTO involvements (id, matter, subject, part)
    SELECT DISTINCT matter || '/' || subject || '/' || part, matter, subject, part FROM (
        SELECT data ->> 'round' AS matter, actor AS subject, 'opener' AS part FROM events WHERE type = 'allocation.round_opened.v1'
        UNION ALL
        SELECT data ->> 'round', data ->> 'proposed_by', 'proposer' FROM events WHERE type = 'allocation.round_proposed.v1'
        UNION ALL
        SELECT data ->> 'round', data -> 'approval' ->> 'subject', 'approver' FROM events WHERE type = 'allocation.round_approved.v1'
        UNION ALL
        SELECT data ->> 'round', actor, 'certifier' FROM events WHERE type = 'allocation.round_certified.v1'
        UNION ALL
        SELECT data ->> 'request', actor, 'screener' FROM events
        WHERE type IN ('allocation.request_accepted.v1', 'allocation.request_declined.v1')
    ) AS parts"""
_ACCEPTED = """
    INSERT INTO acceptances (place, request, position, command, accepted_g, reasons, accepted_on, screened_by)
    SELECT 'allocation/' || shard || '/' || position, data ->> 'request', position, encode(command_id, 'hex'),
           (data ->> 'accepted_g')::bigint, (data -> 'reasons')::jsonb, effective_on, actor
    FROM events WHERE type = 'allocation.request_accepted.v1'"""


def upgrade() -> None:
    op.create_table(
        "screening_lists",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("list", sa.String, nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("put_on", sa.Date, nullable=False),
        sa.Column("withdrawn_on", sa.Date),
    )
    op.create_table(
        "request_screenings",
        sa.Column("request", sa.String, primary_key=True),
        sa.Column("lists", JSONB, nullable=False),
        sa.Column("beyond", sa.Integer, nullable=False),
        sa.Column("screened_on", sa.Date, nullable=False),
    )
    op.create_table(
        "screening_hits",
        sa.Column("hit", sa.String, primary_key=True),
        sa.Column("request", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("list", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("entry", sa.String, nullable=False),
        sa.Column("match", sa.String, nullable=False),
        sa.Column("found_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("decided_by", sa.String),
        sa.Column("decided_on", sa.Date),
    )
    op.create_table(
        "acceptances",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("request", sa.String, nullable=False, index=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("accepted_g", sa.BigInteger, nullable=False),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("accepted_on", sa.Date, nullable=False),
        sa.Column("screened_by", sa.String, nullable=False),
        sa.Column("findings", JSONB),
        sa.Column("not_pre_cleared", JSONB),
        sa.Column("objections_until", sa.Date),
    )
    op.create_table(
        "objections",
        sa.Column("objection", sa.String, primary_key=True),
        sa.Column("request", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("partner", sa.String, nullable=False, index=True),
        sa.Column("accepted_g", sa.BigInteger, nullable=False),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("raised_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("answer", JSONB),
        sa.Column("answered_by", sa.String),
        sa.Column("answered_on", sa.Date),
    )
    op.create_table(
        "involvements",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("matter", sa.String, nullable=False, index=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("part", sa.String, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("review", sa.String, primary_key=True),
        sa.Column("round", sa.String, nullable=False, index=True),
        sa.Column("product", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("partner", sa.String, index=True),
        sa.Column("grounds", JSONB, nullable=False),
        sa.Column("requested_by", sa.String, nullable=False),
        sa.Column("requested_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reviewer", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("findings", JSONB),
        sa.Column("concluded_on", sa.Date),
    )
    op.create_index("requests_open", "requests", ["request"], postgresql_where=sa.text("status IN ('submitted', 'accepted')"))
    op.execute(_INVOLVED)
    op.execute(_ACCEPTED)


def downgrade() -> None:
    op.drop_index("requests_open", "requests")
    for table in ("reviews", "involvements", "objections", "acceptances", "screening_hits", "request_screenings", "screening_lists"):
        op.drop_table(table)
