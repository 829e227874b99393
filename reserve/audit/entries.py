"""Entries: what the ledger says of each event that it has entered, column by column. Its receipts and its lists are made from these."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from reserve.audit.evidence import LedgerEntry, Recorded

_SAME = ("shard", "position", "type", "stream", "partner", "effective_on", "correlation_id", "salt", "event_hash", "chain_hash")


def faults_of(entry: LedgerEntry, service: str, record: Recorded) -> Iterator[str]:
    """What the entry says otherwise than its event."""
    for name, said, follows in (
        ("place", entry.place, record.place(service)),
        ("source", entry.source, service),
        *((name, getattr(entry, name), getattr(record, name)) for name in _SAME),
    ):
        if said != follows:
            yield f"{name} is {said}, and the event's is {follows}"
    if entry.recorded_at != datetime.fromisoformat(record.recorded_at):
        yield f"recorded_at is {entry.recorded_at.isoformat()}, and the event's is {record.recorded_at}"
    try:
        hashed = sha256(b"\x01" + bytes.fromhex(record.salt) + entry.hashed.encode()).hexdigest()
    except ValueError:
        return  # the event's own salt is not hex, which is found there
    if hashed != record.event_hash:
        yield "hashed is not what the event's hash covers"
