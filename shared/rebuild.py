"""Rebuild: a service's read tables made anew from the journals, beside the live ones; then compared with them, or put in their place.

It needs the owner's connection, to the server that holds the sources' schemas too. All is one transaction: what fails leaves nothing.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from shared.inbox import Subscription
from shared.postgres import Connection
from shared.postgres_journal import read_heads, read_records
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


class Disturbed(Exception):
    """What was parked was un-parked meanwhile: rebuild again."""


async def rebuild_and_compare(service: Service, owner_url: str) -> list[Compared]:
    """Every read table of the service but those that it keeps, since no journal has what is in them.

    The transaction sees journals, cursors and live tables as of one moment, and is rolled back: the live system goes on meanwhile.
    """
    tables = _rebuilt_tables(service)
    if not tables:
        return []  # what it keeps may not even start empty, as the ledger's log does not
    async with _connected(service, owner_url) as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            await _make_empty(connection, service)
            await _Replay(connection, service).catch_up()
            return [await _compare(connection, service.name, _beside(service), table) for table in tables]
        finally:
            await transaction.rollback()


async def rebuild_and_swap(service: Service, owner_url: str) -> dict[str, int]:
    """Puts rebuilt tables in the place of the live ones, and gives how many rows each has. Raises `Disturbed`.

    Writers and readers wait only while the last events are replayed and the tables change places.
    """
    tables = _rebuilt_tables(service)
    async with _connected(service, owner_url) as connection, connection.transaction(isolation="read_committed"):
        await _make_empty(connection, service)
        replay = _Replay(connection, service)
        while await replay.catch_up() > BATCH:
            pass
        await _stop_the_world(connection, service.name, tables)
        await replay.catch_up()
        await replay.check_parked()
        await connection.execute(f'CREATE SCHEMA "{_attic(service)}"')
        for table in tables:
            await _swap(connection, service, table)
        await connection.execute(f'DROP SCHEMA "{_attic(service)}" CASCADE')
        await connection.execute(f'DROP SCHEMA "{_beside(service)}" CASCADE')
        return {table: await connection.fetchval(f'SELECT count(*) FROM "{service.name}"."{table}"') for table in tables}  # noqa: S608


def _rebuilt_tables(service: Service) -> list[str]:
    return sorted(table.name for table in service.tables.sorted_tables if table.name not in service.kept)


def _beside(service: Service) -> str:
    return f"{service.name}_rebuilt"


def _attic(service: Service) -> str:
    return f"{service.name}_replaced"


@asynccontextmanager
async def _connected(service: Service, owner_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(owner_url, server_settings={"jit": "off", "application_name": f"reserve-{_beside(service)}"})
    try:
        yield connection
    finally:
        await connection.close()


async def _make_empty(connection: Connection, service: Service) -> None:
    """Twins of all its read tables, the kept ones too: what is projected must find no live table to write to."""
    await connection.execute(f'CREATE SCHEMA "{_beside(service)}"')
    for table in service.tables.sorted_tables:
        await connection.execute(f'CREATE TABLE "{_beside(service)}"."{table.name}" (LIKE "{service.name}"."{table.name}" INCLUDING ALL)')


class _Replay:
    """Events into the twins, each once, as far as the journal and the inbox have come."""

    def __init__(self, connection: Connection, service: Service) -> None:
        self.connection = connection
        self.service = service
        self._reached: dict[tuple[str, int], int] = {}
        self._parked: set[tuple[str, int, int]] = set()  # what was passed over

    async def catch_up(self) -> int:
        """How many events it took."""
        taken = 0
        async for facts in self._own():
            await self._within(_beside(self.service))
            await self.service.project(self.connection, facts)
            taken += len(facts)
        for subscription in self.service.subscriptions:
            if subscription.take is not None:
                async for facts in self._foreign(subscription):
                    await self._within(_beside(self.service))
                    await subscription.take(self.connection, facts)
                    taken += len(facts)
        return taken

    async def check_parked(self) -> None:
        if gone := self._parked - await self._parked_now():
            raise Disturbed(f"{len(gone)} events were un-parked meanwhile")

    async def _own(self) -> AsyncIterator[list[Fact]]:
        service = self.service
        await self._within(service.name)
        for shard, head in (await read_heads(self.connection)).items():
            async for records in self._records(service.name, shard, head.position):
                yield [Fact(service.name, record, service.codec.decode(record.type, bytes(record.data))) for record in records]

    async def _foreign(self, subscription: Subscription) -> AsyncIterator[list[Fact]]:
        """What the inbox has taken of a source: up to its cursors, but for what is parked."""
        source = subscription.source
        await self._within(self.service.name)
        cursors = await self.connection.fetch("SELECT shard, position FROM inbox_cursors WHERE source = $1 ORDER BY shard", source)
        parked = await self._parked_now()
        for shard, position in cursors:
            async for records in self._records(source, shard, position):
                self._parked |= {(source, shard, record.position) for record in records} & parked
                yield [subscription.decode(record) for record in records if (source, shard, record.position) not in parked]

    async def _parked_now(self) -> set[tuple[str, int, int]]:
        await self._within(self.service.name)
        rows = await self.connection.fetch("SELECT source, shard, position FROM parked")
        return {(row["source"], row["shard"], row["position"]) for row in rows}

    async def _records(self, service: str, shard: int, last: int) -> AsyncIterator[Sequence[Record]]:
        line = (service, shard)
        while (after := self._reached.get(line, 0)) < last:
            await self._within(service)
            records = await read_records(self.connection, shard, after=after, limit=min(BATCH, last - after))
            assert records, f"{service}/{shard} ends at {after}, before what was taken from it"
            self._reached[line] = records[-1].position
            yield records

    async def _within(self, schema: str) -> None:
        await self.connection.execute(f'SET LOCAL search_path = "{schema}"')


async def _compare(connection: Connection, live: str, beside: str, table: str) -> Compared:
    async def only(here: str, there: str) -> tuple[str, ...]:
        rows = await connection.fetch(
            f'SELECT t::text AS row FROM "{here}"."{table}" t EXCEPT ALL SELECT t::text FROM "{there}"."{table}" t LIMIT {SAMPLE}'  # noqa: S608
        )
        return tuple(row["row"] for row in rows)

    count = await connection.fetchval(f'SELECT count(*) FROM "{live}"."{table}"')  # noqa: S608
    return Compared(table, count, await only(live, beside), await only(beside, live))


async def _stop_the_world(connection: Connection, live: str, tables: Sequence[str]) -> None:
    """In the order that others take these locks, so that nobody waits in a circle: the writer its head and then tables, the inbox tables
    and then its cursor."""
    await connection.execute(f'SELECT FROM "{live}".heads ORDER BY shard FOR UPDATE')
    for table in tables:
        await connection.execute(f'LOCK TABLE "{live}"."{table}" IN ACCESS EXCLUSIVE MODE')
    await connection.execute(f'LOCK TABLE "{live}".inbox_cursors IN EXCLUSIVE MODE')


async def _swap(connection: Connection, service: Service, table: str) -> None:
    """The twin gets the place, the privileges and the index names of the live table: migrations know these names."""
    live, beside = service.name, _beside(service)
    grants = await connection.fetch(
        """SELECT grantee::regrole::text AS role, string_agg(privilege_type, ', ') AS privileges
           FROM pg_class, aclexplode(relacl) WHERE oid = $1::text::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee""",
        f'"{live}"."{table}"',
    )
    names = list(zip(await _indexes(connection, live, table), await _indexes(connection, beside, table), strict=True))
    await connection.execute(f'ALTER TABLE "{live}"."{table}" SET SCHEMA "{_attic(service)}"')
    await connection.execute(f'ALTER TABLE "{beside}"."{table}" SET SCHEMA "{live}"')
    for number, (_, twin) in enumerate(names):  # by way of names that are nobody's, since twins may have each other's
        await connection.execute(f'ALTER INDEX "{live}"."{twin}" RENAME TO "rebuilt_{number}"')
    for number, (name, _) in enumerate(names):
        await connection.execute(f'ALTER INDEX "{live}"."rebuilt_{number}" RENAME TO "{name}"')
    for grant in grants:
        await connection.execute(f'GRANT {grant["privileges"]} ON "{live}"."{table}" TO {grant["role"]}')


async def _indexes(connection: Connection, schema: str, table: str) -> list[str]:
    """In an order that is the same for a table and its twin."""
    rows = await connection.fetch(
        """SELECT name.relname FROM pg_index JOIN pg_class AS name ON name.oid = indexrelid WHERE indrelid = $1::text::regclass
           ORDER BY indisprimary, indisunique, split_part(pg_get_indexdef(indexrelid), ' USING ', 2), name.relname""",
        f'"{schema}"."{table}"',
    )
    return [row["relname"] for row in rows]
