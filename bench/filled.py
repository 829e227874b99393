"""A journal in PostgreSQL that has run for years: true events, with outcomes and timers, put there by COPY."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import batched, chain, islice
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from bench.history import Chain, draws, events_of, stocked
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import Event
from services.inventory.main import SERVICE
from shared.engines.engines import remembered_ports
from shared.engines.postgres_engine import PostgresEngine
from shared.journal.connection import Connection
from shared.journal.protocol import TimerRow
from shared.journal.record import GENESIS, Record
from shared.journal.tables import all_tables
from shared.process.service import Service
from shared.writer.batch import timer_row

PRODUCT = "bench-oxide"
STREAM = f"{DECIDER.kind}/{PRODUCT}"
SHARD = 0
AT_ONCE = 20_000  # events a COPY
TOLD_EVERY_S = 10.0


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[str]:
    """A server of our own; gives the address of its superuser's database."""
    postgres = PostgresEngine(folder / "postgres", remembered_ports(folder, ["postgres"])["postgres"])
    await postgres.start()
    try:
        yield postgres.dsn()
    finally:
        await postgres.stop()


async def database(server_url: str, name: str, service: Service = SERVICE) -> str:
    """A database of this name with the empty tables of inventory, or of another service; gives its address."""
    server = await asyncpg.connect(server_url)
    await server.execute(f'CREATE DATABASE "{name}"')
    await server.close()
    url = f"{server_url.rpartition('/')[0]}/{name}"
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.execute(sa.text(f'CREATE SCHEMA "{service.name}"'))
        await connection.execute(sa.text(f'SET LOCAL search_path = "{service.name}"'))
        for statement in all_tables():
            await connection.exec_driver_sql(statement)
        for table in service.read_tables:
            await connection.run_sync(table.create)
    await engine.dispose()
    return url


async def fill(url: str, *, events: int, releases: int) -> None:
    """So many events on one stockpile with so many open releases. Read tables stay empty: a rebuild makes them."""
    connection = await asyncpg.connect(url, server_settings={"search_path": SERVICE.name, "maintenance_work_mem": "512MB"})
    try:
        indexes = await _without_indexes(connection)
        history = islice(events_of(chain(stocked(PRODUCT, releases), draws(PRODUCT, releases))), events)
        head = await _copy(connection, history, events)
        await connection.execute("INSERT INTO streams VALUES ($1, $2)", STREAM, SHARD)
        await connection.execute(
            "UPDATE heads SET position = $2, chain_hash = $3, recorded_at = $4 WHERE shard = $1",
            *(SHARD, head.position, head.chain, head.recorded_at),
        )
        for statement in indexes:
            _tell(statement)
            await connection.execute(statement, timeout=3600)
        await connection.execute("VACUUM ANALYZE", timeout=3600)
    finally:
        await connection.close()


async def _copy(connection: Connection, history: Iterator[Event], events: int) -> Chain:
    """The next events are made while PostgreSQL takes the last ones."""
    line = Chain(SHARD, 0, GENESIS, {})
    chunks = (_rows(line, some) for some in batched(history, AT_ONCE))
    began = told = time.monotonic()
    tables = next(chunks, None)
    while tables is not None:
        taken, (_, tables) = line.position, await asyncio.gather(_take(connection, tables), asyncio.to_thread(next, chunks, None))
        if (now := time.monotonic()) - told > TOLD_EVERY_S or taken == events:
            told = now
            _tell(f"{taken:,} of {events:,} events, {taken / (now - began):,.0f} a second")
    return line


async def _take(connection: Connection, tables: dict[str, list[tuple[Any, ...]]]) -> None:
    for table, rows in tables.items():
        await connection.copy_records_to_table(table, records=rows, timeout=600)


def _rows(line: Chain, events: Sequence[Event]) -> dict[str, list[tuple[Any, ...]]]:
    records = [line.record(STREAM, event) for event in events]
    return {
        "events": [_event_row(line, record) for record in records],
        "outcomes": [_outcome_row(line, record) for record in records],
        "timers": _timer_rows(records, events),
    }


def _event_row(line: Chain, record: Record) -> tuple[Any, ...]:
    return (
        record.shard,
        record.position,
        record.stream,
        record.version,
        record.type,
        bytes(record.data).decode(),
        record.partner,
        record.partner_seq,
        line.recorded_at.date(),
        line.recorded_at,
        bytes.fromhex(record.command_id),
        record.actor,
        record.correlation_id,
        record.causation_id,
        record.salt,
        record.event_hash,
        record.chain_hash,
    )


def _outcome_row(line: Chain, record: Record) -> tuple[Any, ...]:
    """As if each event were of a command of its own."""
    command = bytes.fromhex(record.command_id)
    return (record.shard, command, command[::-1], record.position, 1, record.stream, record.version, None, line.recorded_at)


def _timer_rows(records: Sequence[Record], events: Sequence[Event]) -> list[tuple[Any, ...]]:
    made = [
        timer_row(STREAM, record.version, change) for record, event in zip(records, events, strict=True) for change in DECIDER.timers(event)
    ]
    return [msgspec.structs.astuple(row) for row in made if isinstance(row, TimerRow)]


async def _without_indexes(connection: Connection) -> list[str]:
    """Drops those of the large tables, and gives what makes them again: sorted at once, they take minutes less."""
    rows = await connection.fetch(
        """SELECT relation.relname AS table, index.relname AS index, pg_get_indexdef(indexrelid) AS made, conname AS name,
               pg_get_constraintdef(pg_constraint.oid) AS key
           FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS relation ON relation.oid = indrelid
           LEFT JOIN pg_constraint ON conindid = indexrelid
           WHERE relation.relname IN ('events', 'outcomes') AND relation.relnamespace = $1::text::regnamespace""",
        SERVICE.name,
    )
    again = []
    for row in rows:
        if row["name"] is None:
            await connection.execute(f'DROP INDEX "{row["index"]}"')
            again.append(row["made"])
        else:
            await connection.execute(f'ALTER TABLE "{row["table"]}" DROP CONSTRAINT "{row["name"]}"')
            again.append(f'ALTER TABLE "{row["table"]}" ADD CONSTRAINT "{row["name"]}" {row["key"]}')
    return again


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
