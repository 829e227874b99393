"""Messages: records as CloudEvents 1.0 in Kafka's binary mode, and as JSON in the journal feed.

Both carry every hashed column, the salt and the hashes, so that a reader can check what it takes.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.journal.places import FIRST, parse_place
from shared.journal.record import GENESIS, Record, chain_hash, event_hash, hashed_bytes

FEED_LIMIT = 1000  # records an answer of GET /v1/journal holds at most


class NotAnEvent(Exception):
    """The message is no valid event: set aside and counted."""


class Headed(msgspec.Struct, frozen=True):
    """A record with the chain hash that stands before it."""

    record: Record
    previous: bytes


def topic_of(service: str) -> str:
    return f"reserve.{service}.events"


def to_headers(service: str, record: Record, previous: bytes) -> list[tuple[str, bytes]]:
    """CloudEvents attributes and extensions. The trace id is the correlation id, the span id the event's hash."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/{service}/{record.shard}".encode()),
        ("ce_id", str(record.place(service)).encode()),
        ("ce_type", record.type.encode()),
        ("ce_subject", record.stream.encode()),
        ("ce_time", record.recorded_at.encode()),
        ("content-type", b"application/json"),
        ("traceparent", f"00-{record.correlation_id}-{record.event_hash[:8].hex()}-00".encode()),
        ("ce_streamversion", b"%d" % record.version),
        ("ce_effectiveon", record.effective_on.encode()),
        ("ce_commandid", record.command_id.encode()),
        ("ce_actor", record.actor.encode()),
        ("ce_correlationid", record.correlation_id.encode()),
        ("ce_causationid", record.causation_id.encode()),
        ("ce_salt", record.salt.hex().encode()),
        ("ce_eventhash", record.event_hash.hex().encode()),
        ("ce_previoushash", previous.hex().encode()),
    ]
    if record.partner is not None:
        headers += [("ce_partner", record.partner.encode()), ("ce_partnerseq", b"%d" % (record.partner_seq or 0))]
    return headers


def from_message(headers: Sequence[tuple[str, bytes | None]], value: bytes | None, *, source: str, shard: int) -> Headed:
    """Raises `NotAnEvent` when anything is missing, malformed, not of this source's shard, or not what its hash says."""
    found: dict[str, str] = {}
    try:
        found = {name: content.decode() for name, content in headers if content is not None}
        place = parse_place(found["ce_id"])
        if place.line != f"{source}/{shard}":
            raise ValueError(f"the partition is {source}/{shard}'s")
        salt, previous = bytes.fromhex(found["ce_salt"]), bytes.fromhex(found["ce_previoushash"])
        own = bytes.fromhex(found["ce_eventhash"])
        if len(previous) != len(GENESIS):
            raise ValueError("ce_previoushash is no SHA-256")
        partner = found.get("ce_partner")
        record = Record(
            shard=shard,
            position=place.position,
            history=place.history,
            stream=found["ce_subject"],
            version=int(found["ce_streamversion"]),
            type=found["ce_type"],
            data=msgspec.Raw(value or b""),
            partner=partner,
            partner_seq=None if partner is None else int(found["ce_partnerseq"]),
            effective_on=found["ce_effectiveon"],
            recorded_at=found["ce_time"],
            command_id=found["ce_commandid"],
            actor=found["ce_actor"],
            correlation_id=found["ce_correlationid"],
            causation_id=found["ce_causationid"],
            salt=salt,
            event_hash=own,
            chain_hash=chain_hash(previous, own),
        )
    except (KeyError, ValueError) as error:
        raise NotAnEvent(f"{found.get('ce_id', 'a message without ce_id')}: {error!r}") from error
    _check_content(record)
    return Headed(record, previous)


def checked(headed: Headed) -> Headed:
    """The same, once its event hash and chain hash are found right. Raises `NotAnEvent`."""
    record = headed.record
    _check_content(record)
    if chain_hash(headed.previous, record.event_hash) != record.chain_hash:
        raise NotAnEvent(f"{record.shard}/{record.position}: the chain hash does not follow")
    return headed


def _check_content(record: Record) -> None:
    if event_hash(record.salt, hashed_bytes(record)) != record.event_hash:
        raise NotAnEvent(f"{record.shard}/{record.position}: the event hash does not cover this content")


class FeedRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record as the journal feed writes it: hashes and salt in hex, `data` verbatim as base64 of its canonical JSON. `history` is not
    written of the first one."""

    shard: int
    position: int
    stream: str
    version: int
    type: str
    data_base64: str
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
    previous_hash: str
    history: int = FIRST


class Feed(msgspec.Struct, frozen=True):
    """An answer of GET /v1/journal: records in order, each following the one before."""

    records: list[FeedRecord]
    next: int | None  # the `after` of the next page; None at the head


_SAME = tuple(name for name in Record.__struct_fields__ if name not in ("data", "salt", "event_hash", "chain_hash"))


def to_feed(records: Sequence[Record], previous: bytes, limit: int) -> Feed:
    written = []
    for record in records:
        written.append(
            FeedRecord(
                **{name: getattr(record, name) for name in _SAME},
                data_base64=base64.b64encode(bytes(record.data)).decode(),
                salt=record.salt.hex(),
                event_hash=record.event_hash.hex(),
                chain_hash=record.chain_hash.hex(),
                previous_hash=previous.hex(),
            )
        )
        previous = record.chain_hash
    return Feed(written, records[-1].position if len(records) == limit else None)


def from_feed(content: bytes) -> list[Headed]:
    """Raises `NotAnEvent` for content that is no feed, or whose hashes are wrong."""
    try:
        feed = msgspec.json.decode(content, type=Feed)
        headed = [_from_feed_record(each) for each in feed.records]
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise NotAnEvent(repr(error)) from error
    return [checked(each) for each in headed]


def _from_feed_record(each: FeedRecord) -> Headed:
    same: Mapping[str, Any] = {name: getattr(each, name) for name in _SAME}
    record = Record(
        **same,
        data=msgspec.Raw(base64.b64decode(each.data_base64)),
        salt=bytes.fromhex(each.salt),
        event_hash=bytes.fromhex(each.event_hash),
        chain_hash=bytes.fromhex(each.chain_hash),
    )
    return Headed(record, bytes.fromhex(each.previous_hash))
