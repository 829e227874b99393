"""Evidence: what an audit is made from. Over HTTP from a live system, or from a test that has tampered with it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from shared.journal.places import FIRST, Place
from shared.proofs.fork import Consistency

LEDGER = "ledger"
SOURCES = ("inventory", "allocation", "loans")  # whose events are leaves of the ledger's log
JOURNALED = (*SOURCES, LEDGER)


class Unreadable(Exception):
    """Evidence that cannot be read to its end."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record as a journal's feed gives it. Hashes and salt are hex."""

    shard: int
    position: int
    stream: str
    version: int
    type: str
    data: bytes = msgspec.field(name="data_base64")  # the event's JSON, verbatim
    partner: str | None
    partner_seq: int | None
    effective_on: str
    recorded_at: str
    command_id: str
    actor: str
    correlation_id: str
    causation_id: str
    salt: str
    event_hash: str
    chain_hash: str
    history: int = FIRST

    def place(self, service: str) -> str:
        return str(Place(service, self.shard, self.position, self.history))


class PostedLine(msgspec.Struct, frozen=True, gc=False):
    side: str
    asset: str
    account: str
    amount: int
    status: str  # "posted", or what it does to what is pending


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the ledger's books, as the ledger gives it."""

    leaf_index: int
    history: int = FIRST  # of the log that it is a leaf of
    place: str
    source: str
    shard: int
    position: int
    type: str
    stream: str
    partner: str | None
    effective_on: str
    recorded_at: datetime
    correlation_id: str
    salt: str
    event_hash: str
    chain_hash: str
    hashed: str  # the JSON that the event hash covers
    postings: tuple[PostedLine, ...]

    @property
    def line(self) -> str:
        return f"{self.source}/{self.shard}"


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    side: str
    asset: str
    account: str
    posted: int
    pending: int


class ReadText(msgspec.Struct, frozen=True, kw_only=True):
    """A text as a service gives it. `content` and `salt` None: it is erased."""

    sha256: str
    content: str | None
    salt: str | None
    place: str | None
    erased_at: datetime | None


class LogOfHistory(msgspec.Struct, frozen=True):
    """`key`: the log's verifier key, as the deployment says it. `commitment`: the first leaf, where there was a history before."""

    history: int
    key: str
    commitment: str | None = None


class Evidence(Protocol):
    """The system may move meanwhile. The checkpoint is asked for first, then the balances, then what is recorded, then all else."""

    async def histories(self) -> Sequence[LogOfHistory]:
        """All of them, in their order; the last one goes on."""
        ...

    async def checkpoint(self) -> str | None:
        """The last checkpoint, a signed note; None if nothing was ever signed."""
        ...

    async def consistency(self, old_size: int, size: int, history: int | None = None) -> Consistency | None:
        """What the log shows of its first `old_size` leaves, when it had `size`; None: it shows nothing. `history`: of which, if it is not
        the one that goes on."""
        ...

    async def balances(self) -> Sequence[BalanceLine]:
        """The ledger's balances that are not zero; read one after the other, each as of some moment."""
        ...

    async def recorded(self) -> Mapping[str, int]:
        """What the ledger has entered of each source's shard: {"inventory/0": 123}."""
        ...

    async def heads(self, service: str) -> Mapping[int, int]:
        """The last position of each shard of a service's journal."""
        ...

    def journal(self, service: str, shard: int) -> AsyncIterator[Sequence[Recorded]]:
        """All records of a shard in order, in pages."""
        ...

    def leaves(self, size: int, history: int | None = None) -> AsyncIterator[Sequence[bytes]]:
        """The first `size` leaves of the log in order, in bundles. `history` as above."""
        ...

    def entries(self) -> AsyncIterator[Sequence[LedgerEntry]]:
        """The ledger's entries in the log's order, in pages."""
        ...

    async def texts(self, service: str) -> Iterable[ReadText]:
        """What a service keeps of what people have typed, and a word of each text that it has erased. To be walked once."""
        ...

    async def document(self, service: str, name: str) -> bytes | None:
        """The document that a service keeps under this SHA-256."""
        ...
