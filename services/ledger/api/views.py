"""What the books' routes answer with. Hashes and salts are hex.

Amounts are whole, in the unit that stands beside them: grams (`g`), or minor units of a currency (`minor`).
"""

from datetime import date, datetime
from typing import Protocol

from pydantic import BaseModel

from services.ledger.accounts import Balance, may_go_below_zero, unit_of
from services.ledger.histories import Logs
from services.ledger.tables import CheckpointRow, EntryRow, FlagRow, PostingRow
from shared.journal.places import Histories


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

    leaf_index: int  # in the log of this history
    history: int  # of the log; an event that it took late may be of one before, as its place says
    place: str
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
    def of(cls, logs: Logs, histories: Histories, row: EntryRow) -> "EntryView":
        history, index = logs.leaf_of(row.leaf_index)
        return cls(
            leaf_index=index,
            history=history,
            place=str(histories.place(row.source, row.shard, row.position)),
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
    history: int  # of the log that the entry is in
    side: str
    asset: str
    account: str
    posted: int
    pending: int
    unit: str

    @classmethod
    def of(cls, logs: Logs, row: FlagRow) -> "FlagView":
        history, index = logs.leaf_of(row.leaf_index)
        return cls(**row.model_dump() | {"leaf_index": index}, history=history, unit=unit_of(row.asset))


class CheckpointView(BaseModel):
    history: int  # of the log
    size: int
    root: str
    note: str
    covers: dict[str, int]
    signed_at: datetime

    @classmethod
    def of(cls, logs: Logs, row: CheckpointRow) -> "CheckpointView":
        history, size = logs.size_of(row.size)
        return cls(history=history, size=size, root=row.root.hex(), note=row.note, covers=row.covers, signed_at=row.signed_at)
