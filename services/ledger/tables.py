"""Tables of the ledger, as its projections write them and its API reads them. Amounts are in their asset's unit: grams, or minor units."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.journal.columns import json, whole

APPEND_ONLY = ("entries", "postings", "checkpoints", "witnessed", "logs")
# Written by a restore of everything, which the log's own leaves say; and how far webhooks are, which no event says.
KEPT = ("logs", "webhook_cursors", "webhook_deliveries")
FIRST_ROWS = ("INSERT INTO log_head VALUES (0, 0)",)


class Table(SQLModel, registry=registry()):
    """What the tables share: a registry of their own, so that no other service's tables are among them."""


metadata = Table.metadata


def _amount(name: str) -> "sa.Column[int]":
    """The columns were named when all assets were counted in grams: another name would stop the build before, which writes them too."""
    return sa.Column(f"{name}_g", sa.BigInteger, key=name, nullable=False)


class LogHeadRow(Table, table=True):
    """One row, whose lock gives leaves their order."""

    __tablename__ = "log_head"
    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    size: int = whole()  # leaves recorded, signed or not


class LogRow(Table, table=True):
    """The log of a history from 2 on, as a restore of everything began it (`services.ledger.histories`)."""

    __tablename__ = "logs"
    history: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    begins: int = whole()  # the number of its leaf 0
    leaf: bytes  # what leaf 0 is: the commitment to the log before


class EntryRow(Table, table=True):
    """A leaf, what opens it, and the event as it was hashed: enough to recover its source's journal."""

    __tablename__ = "entries"
    __table_args__ = (sa.UniqueConstraint("source", "shard", "position"), sa.Index("entries_partner", "partner", "leaf_index"))
    leaf_index: int = Field(primary_key=True, sa_type=sa.BigInteger)  # through all histories' logs
    source: str
    shard: int = Field(sa_type=sa.SmallInteger)
    position: int = whole()
    leaf: bytes  # 32 bytes
    salt: bytes  # 16 bytes
    event_hash: bytes
    chain_hash: bytes
    hashed: bytes  # `shared.journal.record.hashed_bytes` of the record
    type: str
    stream: str
    partner: str | None
    effective_on: date
    recorded_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    correlation_id: str


class PostingRow(Table, table=True):
    """One line of an entry's postings. `effective_on` and `recorded_at` are the entry's."""

    __tablename__ = "postings"
    leaf_index: int = Field(primary_key=True, sa_type=sa.BigInteger)
    line: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    balance: str = Field(index=True)  # the id of the balance
    side: str
    asset: str
    account: str
    amount: int = Field(sa_column=_amount("amount"))
    status: str
    effective_on: date
    recorded_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class BalanceRow(Table, table=True):
    """An account's balance of a product, as of now."""

    __tablename__ = "balances"
    id: str = Field(primary_key=True)  # "title/antimony-metal/reserve/available"
    side: str
    asset: str
    account: str = Field(index=True)
    partner: str | None = Field(index=True)  # whose account it is, if a partner's
    posted: int = Field(sa_column=_amount("posted"))
    pending: int = Field(sa_column=_amount("pending"))


class FlagRow(Table, table=True):
    """An event that brought an account below zero: recorded all the same, for a person to look at."""

    __tablename__ = "flags"
    id: str = Field(primary_key=True)  # leaf index, 16 digits, and balance
    kind: str  # "overdrawn"
    leaf_index: int = whole()
    side: str
    asset: str
    account: str
    posted: int = Field(sa_column=_amount("posted"))  # after the event
    pending: int = Field(sa_column=_amount("pending"))


class CheckpointRow(Table, table=True):
    """A signed tree head. Its size only grows."""

    __tablename__ = "checkpoints"
    size: int = Field(primary_key=True, sa_type=sa.BigInteger)  # with the leaves of the logs before, as entries are numbered
    root: bytes
    note: str
    covers: dict[str, int] = json()
    signed_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class WitnessedRow(Table, table=True):
    """A published checkpoint that enough witnesses have cosigned. Of a size there are several where the log has not grown meanwhile."""

    __tablename__ = "witnessed"
    __table_args__ = (sa.Index("witnessed_size", "size", "position"),)
    position: int = Field(primary_key=True, sa_type=sa.BigInteger)  # in the ledger's own journal
    size: int = whole()
    root: bytes
    note: str  # with both signatures of the log, and the cosignatures
    recorded_at: datetime = Field(sa_type=sa.DateTime(timezone=True))


class WebhookRow(Table, table=True):
    """A partner's webhook that was not removed. `begins`, `begun`, `forgiven`: it is sent what is from this leaf on, since the version of
    its stream `begun`; what failed before version `forgiven` does not count."""

    __tablename__ = "webhooks"
    webhook: str = Field(primary_key=True)
    partner: str = Field(index=True)
    url: str
    types: list[str] = json()
    begins: int = whole()  # the ledger's number
    begun: int = whole()
    forgiven: int = whole()
    secret: int = whole()  # the number of the one that signs
    before_until: datetime | None = Field(sa_type=sa.DateTime(timezone=True))  # the one before it signs too
    stopped: str | None  # why
    changed_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    version: int = whole()  # of the partner's stream, when this webhook was changed last


class WebhookCursorRow(Table, table=True):
    """How far a webhook is: the sender's own. It counts as long as the webhook's `begun`, or `forgiven`, is this."""

    __tablename__ = "webhook_cursors"
    webhook: str = Field(primary_key=True)
    begun: int = whole()
    forgiven: int = whole()
    next: int = whole()  # the ledger's number of the next leaf
    failures: int = whole()  # of what is sent now, one after the other
    failing_since: datetime | None = Field(sa_type=sa.DateTime(timezone=True))


class WebhookDeliveryRow(Table, table=True):
    """An attempt."""

    __tablename__ = "webhook_deliveries"
    webhook: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=sa.BigInteger)  # when it began, in microseconds since 1970
    event: str  # its id: a leaf's, or a test's
    outcome: str
    status: int | None = Field(sa_type=sa.SmallInteger)
    took_ms: int = Field(sa_type=sa.Integer)
