"""Rebuild: a service's read tables made anew from the journals, beside the live ones, and compared with them row by row.

One transaction sees journals, cursors and live tables as of one moment, makes the tables anew in a schema of its own, compares, and is
rolled back: the live system goes on meanwhile, and nothing stays. It needs the owner's connection, to the server that holds the sources'
schemas too.
"""

from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec

from shared.inbox import Subscription
from shared.journal import Connection, Journal
from shared.record import Fact, Record
from shared.service import Service

BATCH = 1000  # events
SAMPLE = 5  # rows of a table that are shown when they differ


class Compared(msgspec.Struct, frozen=True):
    """A table and its rebuilt twin. Rows are as PostgreSQL writes them: `(1,"a b",)`."""

    table: str
    rows: int  # of the live table
    only_live: tuple[str, ...]  # a few
    only_rebuilt: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.only_live and not self.only_rebuilt


async def rebuild_and_compare(service: Service, owner_url: str) -> list[Compared]:
    """Every read table of the service but those that it keeps, since no journal has what is in them."""
    tables = sorted(table.name for table in service.tables.sorted_tables if table.name not in service.kept)
    if not tables:
        return []
    beside = f"{service.name}_rebuilt"
    connection = await asyncpg.connect(owner_url, server_settings={"jit": "off", "application_name": f"reserve-{beside}"})
    try:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            await _make_empty(connection, service, beside)
            async for facts in _own(connection, service):
                await _within(connection, beside)
                await service.project(connection, facts)
            for subscription in service.subscriptions:
                if subscription.take is not None:
                    async for facts in _taken(connection, service.name, subscription):
                        await _within(connection, beside)
                        await subscription.take(connection, facts)
            return [await _compare(connection, service.name, beside, table) for table in tables]
        finally:
            await transaction.rollback()
    finally:
        await connection.close()


async def _make_empty(connection: Connection, service: Service, beside: str) -> None:
    """Twins of all its read tables, the kept ones too: what is projected must find no live table to write to."""
    await connection.execute(f'CREATE SCHEMA "{beside}"')
    for table in service.tables.sorted_tables:
        await connection.execute(f'CREATE TABLE "{beside}"."{table.name}" (LIKE "{service.name}"."{table.name}" INCLUDING ALL)')


async def _within(connection: Connection, schema: str) -> None:
    await connection.execute(f'SET LOCAL search_path = "{schema}"')


async def _own(connection: Connection, service: Service) -> AsyncIterator[list[Fact]]:
    journal = Journal(service.name, service.codec)
    await _within(connection, service.name)
    heads = await journal.heads(connection)
    for shard, head in heads.items():
        async for records in _records(connection, journal, shard, head.position):
            yield [Fact(service.name, record, service.codec.decode(record.type, bytes(record.data))) for record in records]


async def _taken(connection: Connection, service: str, subscription: Subscription) -> AsyncIterator[list[Fact]]:
    """What the inbox has taken of a source: up to its cursors, but for what is parked."""
    await _within(connection, service)
    cursors = await connection.fetch("SELECT shard, position FROM inbox_cursors WHERE source = $1 ORDER BY shard", subscription.source)
    rows = await connection.fetch("SELECT shard, position FROM parked WHERE source = $1", subscription.source)
    parked = {(row["shard"], row["position"]) for row in rows}
    journal = Journal(subscription.source, subscription.codec)
    for shard, position in cursors:
        async for records in _records(connection, journal, shard, position):
            yield [subscription.decode(record) for record in records if (shard, record.position) not in parked]


async def _records(connection: Connection, journal: Journal, shard: int, last: int) -> AsyncIterator[Sequence[Record]]:
    after = 0
    while after < last:
        await _within(connection, journal.service)
        records = await journal.read(connection, shard, after=after, limit=min(BATCH, last - after))
        assert records, f"{journal.service}/{shard} ends at {after}, before what was taken from it"
        after = records[-1].position
        yield records


async def _compare(connection: Connection, live: str, beside: str, table: str) -> Compared:
    async def only(here: str, there: str) -> tuple[str, ...]:
        rows = await connection.fetch(
            f'SELECT t::text AS row FROM "{here}"."{table}" t EXCEPT ALL SELECT t::text FROM "{there}"."{table}" t LIMIT {SAMPLE}'  # noqa: S608
        )
        return tuple(row["row"] for row in rows)

    count = await connection.fetchval(f'SELECT count(*) FROM "{live}"."{table}"')  # noqa: S608
    return Compared(table, count, await only(live, beside), await only(beside, live))
