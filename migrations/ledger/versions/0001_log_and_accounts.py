"""The journal, the log and the accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared.journal.tables import first, no_first

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in first():
        op.execute(statement)
    op.create_table(
        "log_head",
        sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 0"), primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO log_head VALUES (0, 0)")
    op.create_table(
        "entries",
        sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("event_hash", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
        sa.Column("hashed", sa.LargeBinary, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("stream", sa.String, nullable=False),
        sa.Column("partner", sa.String),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.String, nullable=False),
        sa.UniqueConstraint("source", "shard", "position"),
    )
    op.create_index("entries_partner", "entries", ["partner", "leaf_index"])
    op.create_table(
        "postings",
        sa.Column("leaf_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("balance", sa.String, nullable=False, index=True),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("asset", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("amount_g", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "balances",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("asset", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False, index=True),
        sa.Column("partner", sa.String, index=True),
        sa.Column("posted_g", sa.BigInteger, nullable=False),
        sa.Column("pending_g", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "flags",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("leaf_index", sa.BigInteger, nullable=False),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("asset", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("posted_g", sa.BigInteger, nullable=False),
        sa.Column("pending_g", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("covers", JSONB, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(
        """CREATE FUNCTION checkpoints_grow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.size <= (SELECT max(size) FROM checkpoints) THEN
                    RAISE EXCEPTION 'a checkpoint of % leaves is not larger than the last', NEW.size USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN NEW;
            END $$"""
    )
    op.execute("CREATE TRIGGER checkpoints_grow BEFORE INSERT ON checkpoints FOR EACH ROW EXECUTE FUNCTION checkpoints_grow()")
    for table in ("entries", "postings", "checkpoints"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )


def downgrade() -> None:
    for table in ("checkpoints", "flags", "balances", "postings", "entries", "log_head"):
        op.drop_table(table)
    op.execute("DROP FUNCTION checkpoints_grow")
    for statement in no_first():
        op.execute(statement)
