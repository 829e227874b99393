"""Tables from events: the log's entries and the accounts from other services' events, checkpoints and webhooks from its own."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import msgspec
import structlog
from prometheus_client import Counter

from services.ledger.accounts import Balance, Key, Overdraft, Posting, post
from services.ledger.events import (
    CheckpointSigned,
    CheckpointWitnessed,
    WebhookRegistered,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretRotated,
    WebhookStopped,
)
from services.ledger.postings import postings
from shared.journal.connection import Connection
from shared.journal.protocol import Document
from shared.journal.record import Fact, canonical, hashed_bytes, leaf_data
from shared.journal.waves import InWaves, Wave

log = structlog.get_logger()

overdrawn = Counter("reserve_ledger_overdrawn_total", "Events that brought an account below zero")

_ENTRY_COLUMNS = (
    *("leaf_index", "source", "shard", "position", "leaf", "salt", "event_hash", "chain_hash", "hashed"),
    *("type", "stream", "partner", "effective_on", "recorded_at", "correlation_id"),
)
_POSTING_COLUMNS = ("leaf_index", "line", "balance", "side", "asset", "account", "amount_g", "status", "effective_on", "recorded_at")
_NEXT_LEAF = """
    SELECT size, array(SELECT begins FROM logs WHERE begins >= size) AS begins FROM log_head WHERE id = 0 FOR UPDATE OF log_head"""
_CHECKPOINT = """
    INSERT INTO checkpoints (size, root, note, covers, signed_at)
    SELECT size + coalesce(begins, 0), root, note, covers, signed_at
    FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::smallint[])
        AS signed (size, root, note, covers, signed_at, history) LEFT JOIN logs USING (history)"""
_WITNESSED = """
    INSERT INTO witnessed (position, size, root, note, recorded_at)
    SELECT position, size + coalesce(begins, 0), root, note, recorded_at
    FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::timestamptz[], $6::smallint[])
        AS cosigned (position, size, root, note, recorded_at, history) LEFT JOIN logs USING (history)"""
_REGISTERED = """
    INSERT INTO webhooks (webhook, partner, url, types, begins, begun, forgiven, secret, changed_at, version)
    VALUES ($1, $2, $3, $4::jsonb, $5::bigint, $6::bigint, $6, 1, $7::timestamptz, $6)"""
_CHANGED = "UPDATE webhooks SET version = $2::bigint, changed_at = $3::timestamptz"
_ROTATED = f"{_CHANGED}, secret = $4::bigint, before_until = $5::timestamptz WHERE webhook = $1"
_STOPPED = f"{_CHANGED}, stopped = $4 WHERE webhook = $1"
_RESUMED = f"{_CHANGED}, stopped = NULL, forgiven = $2 WHERE webhook = $1"
_REPLAYED = f"{_CHANGED}, begins = $4::bigint, begun = $2, forgiven = $2 WHERE webhook = $1"
_FLAG_COLUMNS = ("id", "kind", "leaf_index", "side", "asset", "account", "posted_g", "pending_g")


class PlacedFact(msgspec.Struct, frozen=True, gc=False):
    """An event at its place in the log, with what it posts."""

    index: int
    fact: Fact
    postings: list[Posting]


def _checkpoints(facts: Sequence[Fact]) -> list[Wave]:
    """The ledger's own events."""
    signed: list[tuple[object, ...]] = []
    witnessed: list[tuple[object, ...]] = []
    for fact in facts:
        event, recorded_at = fact.event, datetime.fromisoformat(fact.record.recorded_at)
        if not isinstance(event, CheckpointSigned | CheckpointWitnessed):
            continue
        root, history = bytes.fromhex(event.root), fact.record.history
        if isinstance(event, CheckpointSigned):
            signed.append((event.size, root, event.note, canonical(event.covers).decode(), recorded_at, history))
        else:
            witnessed.append((fact.record.position, event.size, root, event.note, recorded_at, history))
    written = [(statement, rows) for statement, rows in ((_CHECKPOINT, signed), (_WITNESSED, witnessed)) if rows]
    columns = [list(column) for _, rows in written for column in zip(*rows, strict=True)]
    return [Wave(tuple(statement for statement, _ in written), columns)] if written else []


def _webhook(fact: Fact) -> Wave | None:
    """One event writes one row; the next may write it again."""
    event, version, at = fact.event, fact.record.version, datetime.fromisoformat(fact.record.recorded_at)
    match event:
        case WebhookRegistered():
            types = canonical(event.types).decode()
            return Wave((_REGISTERED,), [event.webhook, event.partner, event.url, types, event.begins, version, at])
        case WebhookSecretRotated():
            return Wave((_ROTATED,), [event.webhook, version, at, event.secret, event.before_until])
        case WebhookStopped():
            return Wave((_STOPPED,), [event.webhook, version, at, event.cause.value])
        case WebhookResumed():
            return Wave((_RESUMED,), [event.webhook, version, at])
        case WebhookReplayed():
            return Wave((_REPLAYED,), [event.webhook, version, at, event.begins])
        case WebhookRemoved():
            return Wave(("DELETE FROM webhooks WHERE webhook = $1",), [event.webhook])
        case _:
            return None


def _own(facts: Sequence[Fact]) -> list[Wave]:
    return [*_checkpoints(facts), *(wave for fact in facts if (wave := _webhook(fact)) is not None)]


project = InWaves(_own)


async def take(connection: Connection, facts: Sequence[Fact]) -> None:
    """Other services' events, each source's in order: appended to the log, and posted. Runs in the inbox's cursor transaction."""
    row = await connection.fetchrow(_NEXT_LEAF)
    assert row is not None, "the log has a head"
    size, begins = row["size"], set(row["begins"])
    entries = []
    for fact in facts:
        size = _after_commitments(size, begins)
        entries.append(PlacedFact(size, fact, postings(fact.event)))
        size += 1
    await _append(connection, entries)
    await _post(connection, entries)
    await _keep_documents(connection, facts)
    await connection.execute("UPDATE log_head SET size = $1 WHERE id = 0", _after_commitments(size, begins))


def _after_commitments(size: int, begins: set[int]) -> int:
    """The next number that is an entry's: the first of a later history's log is its commitment's. Only a rebuild comes by one."""
    while size in begins:
        size += 1
    return size


async def _append(connection: Connection, entries: Sequence[PlacedFact]) -> None:
    rows = []
    for entry in entries:
        fact, record = entry.fact, entry.fact.record
        rows.append(
            (
                entry.index,
                fact.source,
                record.shard,
                record.position,
                leaf_data(record.salt, fact.place, record.event_hash),
                record.salt,
                record.event_hash,
                record.chain_hash,
                hashed_bytes(record),
                record.type,
                record.stream,
                record.partner,
                date.fromisoformat(record.effective_on),
                datetime.fromisoformat(record.recorded_at),
                record.correlation_id,
            )
        )
    await connection.copy_records_to_table("entries", columns=_ENTRY_COLUMNS, records=rows)


async def _keep_documents(connection: Connection, facts: Sequence[Fact]) -> None:
    """What the events stand on, so that a source that has lost it finds it here."""
    documents = [Document(content) for fact in facts for content in fact.documents.values()]
    if documents:
        await connection.executemany(
            "INSERT INTO documents VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [(bytes.fromhex(document.name), document.media_type, document.content) for document in documents],
        )


async def _post(connection: Connection, entries: Sequence[PlacedFact]) -> None:
    moving = [entry for entry in entries if entry.postings]
    if not moving:
        return
    books = await _balances(connection, {Key(each.side, each.asset, each.account) for entry in moving for each in entry.postings})
    overdrafts: list[tuple[int, Overdraft]] = []
    for entry in moving:
        overdrafts += [(entry.index, overdraft) for overdraft in post(books, entry.postings)]
    await connection.copy_records_to_table("postings", columns=_POSTING_COLUMNS, records=_posting_rows(moving))
    await _save_balances(connection, books)
    if overdrafts:
        await _flag(connection, overdrafts)


def _posting_rows(entries: Iterable[PlacedFact]) -> Iterable[tuple[object, ...]]:
    for entry in entries:
        record = entry.fact.record
        effective_on, recorded_at = date.fromisoformat(record.effective_on), datetime.fromisoformat(record.recorded_at)
        for line, each in enumerate(entry.postings):
            balance = Key(each.side, each.asset, each.account).id
            yield entry.index, line, balance, each.side, each.asset, each.account, each.amount, each.status, effective_on, recorded_at


async def _balances(connection: Connection, keys: Iterable[Key]) -> dict[Key, Balance]:
    """Those that there are. The log's lock keeps others from changing them."""
    by_id = {key.id: key for key in keys}
    rows = await connection.fetch("SELECT id, posted_g, pending_g FROM balances WHERE id = ANY($1::text[])", list(by_id))
    return {by_id[row["id"]]: Balance(row["posted_g"], row["pending_g"]) for row in rows}


async def _save_balances(connection: Connection, books: dict[Key, Balance]) -> None:
    keys = sorted(books, key=lambda key: key.id)
    await connection.execute(
        """INSERT INTO balances (id, side, asset, account, partner, posted_g, pending_g)
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
           ON CONFLICT (id) DO UPDATE SET posted_g = excluded.posted_g, pending_g = excluded.pending_g""",
        [key.id for key in keys],
        [key.side for key in keys],
        [key.asset for key in keys],
        [key.account for key in keys],
        [key.partner for key in keys],
        [books[key].posted for key in keys],
        [books[key].pending for key in keys],
    )


async def _flag(connection: Connection, overdrafts: Sequence[tuple[int, Overdraft]]) -> None:
    rows = []
    for index, overdraft in overdrafts:
        key, balance = overdraft.key, overdraft.balance
        rows.append((f"{index:016d}/{key.id}", "overdrawn", index, key.side, key.asset, key.account, balance.posted, balance.pending))
        log.error("account_overdrawn", entry=index, account=key.id, posted=balance.posted, pending=balance.pending)
    overdrawn.inc(len(rows))
    await connection.copy_records_to_table("flags", columns=_FLAG_COLUMNS, records=rows)
