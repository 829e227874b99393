"""What the books' routes answer with. Hashes and salts are hex.

Amounts are whole, in the unit that stands beside them: grams (`g`), or minor units of a currency (`minor`).
"""

from datetime import date, datetime
from typing import Protocol

from pydantic import BaseModel

from services.ledger.accounts import Balance, may_go_below_zero, unit_of
from services.ledger.tables import CheckpointRow, EntryRow, FlagRow, PostingRow


class AnAccount(Protocol):
    """A row of a query."""

    id: str
    side: str
    account: str
    partner: str | None


class ABalance(AnAccount, Protocol):
    """A row of a query: of the balances, or of sums over postings."""

    asset: str
    posted: int
    pending: int


class PostingView(BaseModel):
    side: str
    asset: str
    account: str
    amount: int
    unit: str
    status: str

    @classmethod
    def of(cls, row: PostingRow) -> "PostingView":
        return cls(side=row.side, asset=row.asset, account=row.account, amount=row.amount, unit=unit_of(row.asset), status=row.status)


class EntryView(BaseModel):
    """A leaf of the log, opened: SHA-256(0x01 || salt || hashed) is `event_hash`."""

    leaf_index: int
    source: str
    shard: int
    position: int
    type: str
    stream: str
    partner: str | None
    effective_on: date
    recorded_at: datetime
    correlation_id: str
    salt: str
    event_hash: str
    chain_hash: str
    hashed: str  # the canonical JSON that the event hash covers, verbatim
    postings: list[PostingView]

    @classmethod
    def of(cls, row: EntryRow) -> "EntryView":
        return cls(
            leaf_index=row.leaf_index,
            source=row.source,
            shard=row.shard,
            position=row.position,
            type=row.type,
            stream=row.stream,
            partner=row.partner,
            effective_on=row.effective_on,
            recorded_at=row.recorded_at,
            correlation_id=row.correlation_id,
            salt=row.salt.hex(),
            event_hash=row.event_hash.hex(),
            chain_hash=row.chain_hash.hex(),
            hashed=row.hashed.decode(),
            postings=[],
        )


class AccountView(BaseModel):
    id: str
    side: str
    account: str
    partner: str | None
    may_go_below_zero: bool

    @classmethod
    def of(cls, row: AnAccount) -> "AccountView":
        may = may_go_below_zero(row.account)
        return cls(id=row.id, side=row.side, account=row.account, partner=row.partner, may_go_below_zero=may)


class BalanceView(BaseModel):
    """`pending`: promised to the account or, below zero, out of it; `free`: what is there and not promised away."""

    id: str
    side: str
    asset: str
    account: str
    partner: str | None
    posted: int
    pending: int
    free: int
    unit: str

    @classmethod
    def of(cls, row: ABalance) -> "BalanceView":
        return cls(
            id=row.id,
            side=row.side,
            asset=row.asset,
            account=row.account,
            partner=row.partner,
            posted=row.posted,
            pending=row.pending,
            free=Balance(row.posted, row.pending).free,
            unit=unit_of(row.asset),
        )


class FlagView(BaseModel):
    """The entry `leaf_index` brought the account to this, below zero."""

    id: str
    kind: str
    leaf_index: int
    side: str
    asset: str
    account: str
    posted: int
    pending: int
    unit: str

    @classmethod
    def of(cls, row: FlagRow) -> "FlagView":
        return cls(**row.model_dump(), unit=unit_of(row.asset))


class CheckpointView(BaseModel):
    size: int
    root: str
    note: str
    covers: dict[str, int]
    signed_at: datetime

    @classmethod
    def of(cls, row: CheckpointRow) -> "CheckpointView":
        return cls(size=row.size, root=row.root.hex(), note=row.note, covers=row.covers, signed_at=row.signed_at)
