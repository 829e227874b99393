"""The feed's items: a partner's events, or all, that a checkpoint covers, as CloudEvents. Pages, streams and webhooks give the same."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import asyncpg
import msgspec
from pydantic import BaseModel, Field

from services.ledger.domain.feed import FeedId
from services.ledger.histories import Logs
from services.ledger.log import Log
from shared.journal.connection import reachable
from shared.journal.record import GENESIS, chain_hash, record_of
from shared.process.service import Kernel

WALK = 20_000  # leaves that one look for events of some types goes through, at most
# `before`: the bytes of those before it; `in_all`: how many there are, of which those that go beyond $6 are left out.
_ENTRIES = """
    WITH found AS (
        SELECT leaf_index, source, salt, event_hash, chain_hash, hashed FROM entries
        WHERE leaf_index >= $1 AND leaf_index < $2 AND ($3::text IS NULL OR partner = $3)
        AND ($4::text[] IS NULL OR split_part(type, '.', 1) || '.' || split_part(type, '.', 2) = ANY($4)) ORDER BY leaf_index LIMIT $5),
    measured AS (
        SELECT *, sum(octet_length(hashed)) OVER (ORDER BY leaf_index) - octet_length(hashed) AS before, count(*) OVER () AS in_all
        FROM found)
    SELECT * FROM measured WHERE $6::bigint IS NULL OR before < $6 ORDER BY leaf_index"""
_OF_PARTNER = """
    SELECT leaf_index, source, shard, event_hash FROM entries
    WHERE partner = $1 AND leaf_index >= $2 AND leaf_index < $3 ORDER BY leaf_index LIMIT $4"""


class FeedItem(BaseModel):
    """A CloudEvent. `data` is the event, as the AsyncAPI document describes it; `hashed` what its hash covers, verbatim. It proves itself:
    SHA-256(0x01 || salt || hashed) is `eventhash`, and SHA-256(0x03 || salt || place || eventhash) is leaf `leafindex` of the log."""

    specversion: str = "1.0"
    id: str
    source: str = Field(description="a service and its shard: /inventory/0")
    type: str
    subject: str = Field(description="the stream")
    time: str
    datacontenttype: str = "application/json"
    data: dict[str, Any]
    partner: str | None
    partnerseq: int | None = Field(description="of this partner and source: gapless, from 1")
    effectiveon: date
    correlationid: str
    place: str
    leafindex: int
    salt: str = Field(description="hex")
    eventhash: str = Field(description="hex")
    hashed: str


class Found(msgspec.Struct, frozen=True):
    """`next`: the ledger's number to go on from."""

    items: list[FeedItem]
    next: int
    more: bool
    checkpoint: str | None


class TalliedLine(msgspec.Struct, frozen=True):
    """A partner's events of one shard of a service: the last of its numbers, and the chain hash over all of them, from the first."""

    last: int
    chain: str  # hex


class Tally(msgspec.Struct, frozen=True):
    """`size`: leaves of the log that is signed now, among which are no others."""

    size: int
    lines: dict[str, TalliedLine]


async def end_of(kernel: Kernel) -> int:
    """The ledger's number of the next leaf that a checkpoint will cover."""
    tree = kernel.part(Log)
    return (await tree.logs()).shift + tree.signed.head.size


async def find(
    kernel: Kernel, partner: str | None, since: int, limit: int, types: Sequence[str] = (), limit_bytes: int | None = None
) -> Found:
    """What there is from a number on, at most so many. `types`: of events, without versions; none: all. They may be rare, so a look ends
    somewhere, and there is more though it has found nothing. `limit_bytes`: the last item begins before so many bytes of events."""
    tree: Log = kernel.part(Log)
    logs, signed = await tree.logs(), tree.signed
    end = logs.shift + signed.head.size
    until = min(end, since + WALK) if types else end
    with reachable():
        rows = await kernel.pool.fetch(_ENTRIES, since, until, partner, list(types) or None, limit + 1, limit_bytes)
    taken = rows[:limit]
    cut = bool(rows) and rows[0]["in_all"] > len(taken)
    items = [_item(kernel, logs, row) for row in taken]
    return Found(items, taken[-1]["leaf_index"] + 1 if cut else max(since, until), cut or until < end, signed.note or None)


async def tally(kernel: Kernel, partner: str) -> Tally:
    """All of a partner's events that the last checkpoint covers."""
    tree: Log = kernel.part(Log)
    shift, size = (await tree.logs()).shift, tree.signed.head.size
    counted: dict[str, tuple[int, bytes]] = {}
    since = 0
    while True:
        with reachable():
            rows = await kernel.pool.fetch(_OF_PARTNER, partner, since, shift + size, WALK)
        for row in rows:
            line = f"{row['source']}/{row['shard']}"
            last, chain = counted.get(line, (0, GENESIS))
            counted[line] = last + 1, chain_hash(chain, row["event_hash"])
        if len(rows) < WALK:
            return Tally(size, {line: TalliedLine(last, chain.hex()) for line, (last, chain) in counted.items()})
        since = rows[-1]["leaf_index"] + 1


def _item(kernel: Kernel, logs: Logs, row: asyncpg.Record) -> FeedItem:
    record = record_of(row["hashed"], salt=row["salt"], event_hash=row["event_hash"], chain_hash=row["chain_hash"])
    return FeedItem(
        id=id_of(logs, row["leaf_index"]),
        source=f"/{row['source']}/{record.shard}",
        type=record.type,
        subject=record.stream,
        time=record.recorded_at,
        data=msgspec.json.decode(record.data),
        partner=record.partner,
        partnerseq=record.partner_seq,
        effectiveon=date.fromisoformat(record.effective_on),
        correlationid=record.correlation_id,
        place=str(record.place(row["source"])),
        leafindex=logs.leaf_of(row["leaf_index"])[1],
        salt=row["salt"].hex(),
        eventhash=row["event_hash"].hex(),
        hashed=row["hashed"].decode(),
    )


def id_of(logs: Logs, number: int) -> str:
    return str(FeedId(*logs.leaf_of(number)))
