"""The formulas that make the history checkable, written down a second time.

event_hash = SHA-256(0x01 || salt || canonical JSON of all columns but salt and hashes)
chain_hash = SHA-256(0x02 || previous chain hash || event_hash), from 32 zero bytes
leaf       = SHA-256(0x03 || salt || "service/shard/position" || event_hash), "service~2/shard/position" in history 2
tree       = RFC 6962: SHA-256(0x00 || leaf), SHA-256(0x01 || left || right)
"""

from hashlib import sha256

import msgspec

from reserve.audit.evidence import LedgerEntry, Recorded

BEFORE_THE_FIRST = bytes(32).hex()


class _Hashed(msgspec.Struct, frozen=True, gc=False):
    """The columns under the event hash, in the order of their names."""

    actor: str
    causation_id: str
    command_id: str
    correlation_id: str
    data: msgspec.Raw
    effective_on: str
    history: int | msgspec.UnsetType  # the first one is not written
    partner: str | None
    partner_seq: int | None
    position: int
    recorded_at: str
    shard: int
    stream: str
    type: str
    version: int


_encode = msgspec.json.Encoder().encode  # of `_Hashed`, whose fields are in order; data that is in another order has another hash


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces."""
    return msgspec.json.encode(value, order="sorted")


def event_hash(record: Recorded) -> str:
    """Raises ValueError for a salt that is not hex."""
    return sha256(b"\x01" + bytes.fromhex(record.salt) + hashed_bytes(record)).hexdigest()


def hashed_bytes(record: Recorded) -> bytes:
    """What the event hash covers, with its salt."""
    return _encode(
        _Hashed(
            record.actor,
            record.causation_id,
            record.command_id,
            record.correlation_id,
            msgspec.Raw(record.data),
            record.effective_on,
            record.history if record.history > 1 else msgspec.UNSET,
            record.partner,
            record.partner_seq,
            record.position,
            record.recorded_at,
            record.shard,
            record.stream,
            record.type,
            record.version,
        )
    )


def chain_hash(previous: str, event_hash: str) -> str:
    """Raises ValueError for what is not hex."""
    return sha256(b"\x02" + bytes.fromhex(previous) + bytes.fromhex(event_hash)).hexdigest()


def leaf_of(place: str, opening: Recorded | LedgerEntry) -> bytes:
    """`place`: "inventory/0/123"."""
    try:
        return sha256(b"\x03" + bytes.fromhex(opening.salt) + place.encode() + bytes.fromhex(opening.event_hash)).digest()
    except ValueError:
        return b"none: its hashes are not hex"


class Tree:
    """A Merkle tree that only grows, in memory that grows with the logarithm of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []  # (leaves below, hash), the largest to the left

    def add(self, data: bytes) -> None:
        self.size += 1
        count, node = 1, sha256(b"\x00" + data).digest()
        while self._peaks and self._peaks[-1][0] == count:
            node = sha256(b"\x01" + self._peaks.pop()[1] + node).digest()
            count *= 2
        self._peaks.append((count, node))

    @property
    def root(self) -> str:
        if not self._peaks:
            return sha256(b"").hexdigest()
        *others, (_, node) = self._peaks
        for _, peak in reversed(others):
            node = sha256(b"\x01" + peak + node).digest()
        return node.hex()
