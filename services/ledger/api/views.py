"""What the books' routes answer with. Masses are whole grams; hashes and salts are hex."""

from datetime import date, datetime
from typing import Protocol

from pydantic import BaseModel

from services.ledger.accounts import Balance, may_go_below_zero
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
    posted_g: int
    pending_g: int


class PostingView(BaseModel):
    side: str
    asset: str
    account: str
    amount_g: int
    status: str

    @classmethod
    def of(cls, row: PostingRow) -> "PostingView":
        return cls(side=row.side, asset=row.asset, account=row.account, amount_g=row.amount_g, status=row.status)


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
    """`pending_g`: promised to the account or, below zero, out of it; `free_g`: what is there and not promised away."""

    id: str
    side: str
    asset: str
    account: str
    partner: str | None
    posted_g: int
    pending_g: int
    free_g: int

    @classmethod
    def of(cls, row: ABalance) -> "BalanceView":
        return cls(
            id=row.id,
            side=row.side,
            asset=row.asset,
            account=row.account,
            partner=row.partner,
            posted_g=row.posted_g,
            pending_g=row.pending_g,
            free_g=Balance(row.posted_g, row.pending_g).free_g,
        )


class FlagView(BaseModel):
    """The entry `leaf_index` brought the account to this, below zero."""

    id: str
    kind: str
    leaf_index: int
    side: str
    asset: str
    account: str
    posted_g: int
    pending_g: int

    @classmethod
    def of(cls, row: FlagRow) -> "FlagView":
        return cls(**row.model_dump())


class CheckpointView(BaseModel):
    size: int
    root: str
    note: str
    covers: dict[str, int]
    signed_at: datetime

    @classmethod
    def of(cls, row: CheckpointRow) -> "CheckpointView":
        return cls(size=row.size, root=row.root.hex(), note=row.note, covers=row.covers, signed_at=row.signed_at)
