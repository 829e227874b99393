"""Record: an event as the journal keeps it, with the hashes that make it checkable.

event_hash = SHA-256(0x01 || salt || bytes), where bytes is the canonical JSON of every column but salt and hashes;
chain_hash = SHA-256(0x02 || previous chain hash || event_hash). Canonical means `msgspec.json.encode(order="sorted")`,
which equals RFC 8785 for what events hold: ASCII keys, no floats, integers within 2**53.
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import msgspec

from shared.journal.places import FIRST, Place

GENESIS = bytes(32)  # the chain hash before a shard's first event
MAX_DATA_BYTES = 64 * 1024
MAX_INTEGER = 2**53 - 1

type Grams = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]

canonical = msgspec.json.Encoder(order="sorted").encode


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a journal. Instants and days are written as text, so that the hashed bytes need no conversion."""

    shard: int
    position: int  # gapless within the shard, from 1
    stream: str
    version: int  # gapless within the stream, from 1
    type: str  # "inventory.stock_drawn.v1"
    data: msgspec.Raw  # the event's canonical JSON, verbatim
    partner: str | None
    partner_seq: int | None  # gapless within (shard, partner), from 1
    effective_on: str  # "2026-01-06"
    recorded_at: str  # "2026-01-06T00:00:00.000000Z"
    command_id: str  # hex
    actor: str
    correlation_id: str  # 32 hex digits: also the trace id
    causation_id: str
    salt: bytes  # 16 random bytes
    event_hash: bytes
    chain_hash: bytes
    history: int = FIRST  # which it was recorded in

    def place(self, service: str) -> Place:
        """Where it is in the journal of its service."""
        return Place(service, self.shard, self.position, self.history)


class _Hashed(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The columns that the event hash covers, in the order of their sorted names: no sorting is left to do. The first history is not
    written: its events are hashed as they were before there was another."""

    actor: str
    causation_id: str
    command_id: str
    correlation_id: str
    data: msgspec.Raw
    effective_on: str
    history: int = FIRST
    partner: str | None
    partner_seq: int | None
    position: int
    recorded_at: str
    shard: int
    stream: str
    type: str
    version: int


_decode_hashed = msgspec.json.Decoder(_Hashed).decode
_encode_hashed = msgspec.json.Encoder().encode  # _Hashed has its fields in sorted order, and `data` is canonical already


def partner_of(event: Any) -> str | None:
    """Whose event it is, to read and to count; None: it names no partner, or is of a class that is not told to its partner."""
    return getattr(event, "partner", None) if getattr(event, "told_to_partner", True) else None


def name_of(content: Any) -> str:
    """The SHA-256 (hex) of its canonical bytes: what a document is kept under, and what is signed of a paper."""
    return sha256(canonical(content)).hexdigest()


def hashed_bytes(record: Any) -> bytes:
    """The canonical bytes that `event_hash` covers. `record` is a `Record`, or anything with its attributes."""
    return _encode_hashed(
        _Hashed(
            actor=record.actor,
            causation_id=record.causation_id,
            command_id=record.command_id,
            correlation_id=record.correlation_id,
            data=record.data,
            effective_on=record.effective_on,
            history=record.history,
            partner=record.partner,
            partner_seq=record.partner_seq,
            position=record.position,
            recorded_at=record.recorded_at,
            shard=record.shard,
            stream=record.stream,
            type=record.type,
            version=record.version,
        )
    )


def chained(previous: bytes, *, salt: bytes, **columns: Any) -> Record:
    """The record of these columns (all but the hashes) that follows the chain hash `previous`."""
    own = event_hash(salt, _encode_hashed(_Hashed(**columns)))
    return Record(**columns, salt=salt, event_hash=own, chain_hash=chain_hash(previous, own))


def record_of(hashed: bytes, *, salt: bytes, event_hash: bytes, chain_hash: bytes) -> Record:
    """The record whose `hashed_bytes` these are. Raises `msgspec.ValidationError` for other bytes."""
    return Record(**columns_of(hashed), salt=salt, event_hash=event_hash, chain_hash=chain_hash)


def columns_of(hashed: bytes | str) -> dict[str, Any]:
    """All but the salt and the hashes of the record whose `hashed_bytes` these are. Raises `msgspec.ValidationError` for other bytes."""
    return msgspec.structs.asdict(_decode_hashed(hashed))


def new_salts(count: int) -> list[bytes]:
    random = os.urandom(16 * count)
    return [random[start : start + 16] for start in range(0, 16 * count, 16)]


def event_hash(salt: bytes, hashed: bytes) -> bytes:
    return sha256(b"\x01" + salt + hashed).digest()


def chain_hash(previous: bytes, event_hash: bytes) -> bytes:
    return sha256(b"\x02" + previous + event_hash).digest()


def leaf_data(salt: bytes, place: str, event_hash: bytes) -> bytes:
    """What the ledger's tree holds of an event at `place` ("inventory/0/123"): it tells nothing to one without the event."""
    return sha256(b"\x03" + salt + place.encode() + event_hash).digest()


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A record with its event decoded (and brought to the newest version by its upcasters)."""

    source: str  # the service that recorded it
    record: Record
    event: Any
    documents: Mapping[str, bytes] = {}  # those that its reader asked for, by SHA-256

    @property
    def place(self) -> str:
        """Where it is: `inventory/0/123`."""
        return str(self.record.place(self.source))
