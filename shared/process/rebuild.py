"""Rebuild: a service's read tables made anew from the journals, beside the live ones; then compared with them, or put in their place.

It needs the owner's connections, to the server that holds the sources' schemas too. All that is written is one transaction: what fails
leaves nothing. Journals are read by a second connection, a page ahead, and indexes that no projection needs are made at the end.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import batched, groupby
from typing import Any

import asyncpg
import msgspec

from shared.delivery.inbox import Subscription
from shared.journal.connection import Connection, Project
from shared.journal.postgres import read_heads, read_records
from shared.journal.record import Fact, Record
from shared.process.service import Order, Service

BATCH = 5_000  # events: the more, the more changes of one row become one
SLICE = 500  # events that are decoded at once, while PostgreSQL writes what was decoded before
FEW = 1_000  # so many events behind, others are made to wait for the rest
PLAN = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}  # statistics of the twins are missing
SHOWN = 20  # rows of a table that are shown when they differ


type Decode = Callable[[Sequence[Record]], list[Fact]]
type Turn = Callable[[int], int]  # of a shard: the lowest is read first
type ShardOf = tuple[str, int]  # the source, and its shard


class Difference(msgspec.Struct, frozen=True):
    """A column of a row that is not what the events give; of a row that is only in one of the two, there is no column."""

    key: str  # the values of its primary key: "lot_1", "3, 17"
    column: str | None
    live: str | None  # the value, or the row, as JSON; None: there is no such row
    rebuilt: str | None


class Compared(msgspec.Struct, frozen=True):
    """A table and its rebuilt twin. `differences`: those of its first rows that differ."""

    table: str
    rows: int  # of the live table
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


class Disturbed(Exception):
    """What was parked was un-parked meanwhile: rebuild again."""


class JournalShort(Exception):
    """A journal ends before what was taken from it: it was restored to the past, or somebody has changed how far it was taken."""


class OrderLost(Exception):
    """What says in which order it has taken what others recorded is not all there: tables made by a guess are compared, not served."""


async def rebuild_and_compare(service: Service, owner_url: str, turn: Turn = int) -> list[Compared]:
    """Every read table of the service but those that it keeps, since no journal has what is in them. It must not matter whose `turn` it is,
    but where the service says in which order it has taken what others recorded.

    The transaction sees journals, cursors and live tables as of one moment, and is rolled back: the live system goes on meanwhile.
    Raises JournalShort, and whatever events raise that are not what was recorded.
    """
    tables = _rebuilt_tables(service)
    if not tables:
        return []
    async with _connected(service, owner_url) as connection, _connected(service, owner_url) as reader:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            await _read_as_of(reader, await connection.fetchval("SELECT pg_export_snapshot()"))
            await _make_empty(connection, service)
            await _Replay(connection, reader, service, turn).catch_up()
            for setting in PLAN:
                await connection.execute(f"SET LOCAL {setting} = on")
            return [await _compare(connection, service.name, _beside(service), table) for table in tables]
        finally:
            await transaction.rollback()


async def rebuild_and_swap(service: Service, owner_url: str) -> dict[str, int]:
    """Puts rebuilt tables in the place of the live ones, and gives how many rows each has. Raises `Disturbed`, `OrderLost`.

    Writers and readers wait only while the last events are replayed and the tables change places.
    """
    tables = _rebuilt_tables(service)
    async with (
        _connected(service, owner_url) as connection,
        _connected(service, owner_url) as reader,
        connection.transaction(isolation="read_committed"),
    ):
        indexes = await _make_empty(connection, service)
        replay = _Replay(connection, reader, service)
        while await replay.catch_up() > FEW:
            pass
        for index in indexes:
            await connection.execute(index)
        while await replay.catch_up() > FEW:
            pass
        await _stop_the_world(connection, service.name, tables)
        await replay.catch_up()
        await replay.check_parked()
        replay.check_order()
        await connection.execute(f'CREATE SCHEMA "{_attic(service)}"')
        for table in tables:
            await _swap(connection, service, table)
        await connection.execute(f'DROP SCHEMA "{_attic(service)}" CASCADE')
        await connection.execute(f'DROP SCHEMA "{_beside(service)}" CASCADE')
        return {table: await connection.fetchval(f'SELECT count(*) FROM "{service.name}"."{table}"') for table in tables}  # noqa: S608


def _rebuilt_tables(service: Service) -> list[str]:
    return sorted(table.name for table in service.read_tables if table.name not in service.kept)


def _beside(service: Service) -> str:
    return f"{service.name}_rebuilt"


def _attic(service: Service) -> str:
    return f"{service.name}_replaced"


@asynccontextmanager
async def _connected(service: Service, owner_url: str) -> AsyncIterator[Connection]:
    settings = {"jit": "off", "application_name": f"reserve-{_beside(service)}", **PLAN}
    connection = await asyncpg.connect(owner_url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def _read_as_of(reader: Connection, snapshot: str) -> None:
    await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    await reader.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")


async def _make_empty(connection: Connection, service: Service) -> list[str]:
    """Twins of all its read tables, the kept ones too, as they are: what is projected must find no live table to write to. Gives what makes
    the indexes that they still lack."""
    beside = _beside(service)
    await connection.execute(f'CREATE SCHEMA "{beside}"')
    for table in service.read_tables:
        await connection.execute(f'CREATE TABLE "{beside}"."{table.name}" (LIKE "{service.name}"."{table.name}" INCLUDING ALL)')
        if table.name in service.kept:
            await connection.execute(f'INSERT INTO "{beside}"."{table.name}" SELECT * FROM "{service.name}"."{table.name}"')  # noqa: S608
    await connection.execute(f'SET LOCAL search_path = "{beside}"')
    for row in service.first_rows:
        await connection.execute(row)
    indexes = await connection.fetch(
        """SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made
           FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
           WHERE relnamespace = $1::text::regnamespace AND NOT indisunique AND NOT indisexclusion""",
        f'"{beside}"',
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    return [index["made"] for index in indexes]


class _Replay:
    """Events into the twins, each once, as far as the journal and the inbox have come."""

    def __init__(self, connection: Connection, reader: Connection, service: Service, turn: Turn = int) -> None:
        self.connection = connection
        self.reader = reader
        self.service = service
        self.turn = turn
        self._decode = service.codec.decode
        self._reached: dict[ShardOf, int] = {}
        self._ordered = 0  # the number of what comes next, where there is an order
        self._doubtful: list[int] = []  # the numbers of what that order lacks
        self._parked: set[tuple[str, int, int]] = set()  # what was passed over

    async def catch_up(self) -> int:
        """How many events it took."""
        await self.connection.execute(f'SET LOCAL search_path = "{_beside(self.service)}"')
        taken = 0
        await self._read_in(self.service.name)
        heads = {shard: head.position for shard, head in (await read_heads(self.reader)).items()}
        for shard in sorted(heads, key=self.turn):
            taken += await self._feed(self.service.project, self.service.name, shard, heads[shard], self._own)
        if self.service.order is not None:
            return taken + await self._take_in_order(self.service.order)
        for subscription in self.service.subscriptions:
            if subscription.take is not None:
                taken += await self._take(subscription, subscription.take)
        return taken

    async def check_parked(self) -> None:
        if gone := self._parked - await self._parked_now():
            raise Disturbed(f"{len(gone)} events were un-parked meanwhile")

    def check_order(self) -> None:
        if self._doubtful:
            named = ", ".join(str(number) for number in self._doubtful[:SHOWN])
            count = len(self._doubtful)
            raise OrderLost(f"{count} entries are missing or not what comes next, so that their order is a guess: number {named}")

    def _own(self, records: Sequence[Record]) -> list[Fact]:
        return [Fact(self.service.name, record, self._decode(record.type, record.data)) for record in records]

    async def _take(self, subscription: Subscription, take: Project) -> int:
        """What the inbox has taken of a source: up to its cursors, but for what is parked."""
        source = subscription.source
        await self._read_in(self.service.name)
        rows = await self.reader.fetch("SELECT shard, position FROM inbox_cursors WHERE source = $1", source)
        cursors = {row["shard"]: row["position"] for row in rows}
        parked = await self._parked_now()

        def decode(records: Sequence[Record]) -> list[Fact]:
            self._parked |= {(source, record.shard, record.position) for record in records} & parked
            return [subscription.decode(record) for record in records if (source, record.shard, record.position) not in parked]

        return sum([await self._feed(take, source, shard, cursors[shard], decode) for shard in sorted(cursors, key=self.turn)])

    async def _take_in_order(self, order: Order) -> int:
        """What it has taken of all its sources, one after the other as it did."""
        by_source = {each.source: each for each in self.service.subscriptions if each.take is not None}
        taken = 0
        while True:
            reached = {line: at for line, at in self._reached.items() if line[0] in by_source}
            # By the connection that locks these tables in the end: another one would wait for it for ever.
            await self.connection.execute(f'SET LOCAL search_path = "{self.service.name}"')
            lines, self._ordered, doubtful = await order(self.connection, self._ordered, reached, BATCH)
            self._doubtful += doubtful
            await self.connection.execute(f'SET LOCAL search_path = "{_beside(self.service)}"')
            if not lines:
                return taken
            coming = {line: iter(await self._records(line, count)) for line, count in Counter(lines).items()}
            for take, some in groupby(lines, lambda line: by_source[line[0]].take):
                assert take is not None, "what has an order is taken"
                await take(self.connection, [by_source[line[0]].decode(next(coming[line])) for line in some])
            taken += len(lines)

    async def _records(self, line: ShardOf, count: int) -> Sequence[Record]:
        """The next ones of it."""
        source, shard = line
        await self._read_in(source)
        after = self._reached.get(line, 0)
        records = await read_records(self.reader, shard, after=after, limit=count)
        if len(records) < count:
            raise JournalShort(f"{source}/{shard} ends at {after + len(records)}, and {after + count} was taken from it")
        self._reached[line] = after + count
        return records

    async def _parked_now(self) -> set[tuple[str, int, int]]:
        await self._read_in(self.service.name)
        rows = await self.reader.fetch("SELECT source, shard, position FROM parked")
        return {(row["source"], row["shard"], row["position"]) for row in rows}

    async def _feed(self, project: Project, source: str, shard: int, last: int, decode: Decode) -> int:
        """A line, as far as `last`. While a page is projected, the next one is read and decoded."""
        await self._read_in(source)
        first = self._reached.get((source, shard), 0)
        after, facts = await self._page(source, shard, first, last, decode)
        while after > self._reached.get((source, shard), 0):
            ahead = asyncio.create_task(self._page(source, shard, after, last, decode))
            try:
                await project(self.connection, facts)
            except BaseException:
                ahead.cancel()
                raise
            self._reached[source, shard] = after
            after, facts = await ahead
        return after - first

    async def _page(self, source: str, shard: int, after: int, last: int, decode: Decode) -> tuple[int, list[Fact]]:
        """The next facts, and the position of the last of them."""
        if after >= last:
            return after, []
        records = await read_records(self.reader, shard, after=after, limit=min(BATCH, last - after))
        if not records:
            raise JournalShort(f"{source}/{shard} ends at {after}, and {last} was taken from it")
        facts: list[Fact] = []
        for some in batched(records, SLICE):
            facts += decode(some)
            await asyncio.sleep(0)  # let the projection send its next statement
        return records[-1].position, facts

    async def _read_in(self, schema: str) -> None:
        await self.reader.execute(f'SET search_path = "{schema}"')


async def _compare(connection: Connection, live: str, beside: str, table: str) -> Compared:
    """Row by row, by the primary key; only where they differ, column by column."""
    keys = await _primary_key(connection, live, table)
    same = " AND ".join(f'a."{key}" = b."{key}"' for key in keys)
    order = ", ".join(f'coalesce(a."{key}", b."{key}")' for key in keys)
    rows = await connection.fetch(
        f'''SELECT to_jsonb(a)::text AS live, to_jsonb(b)::text AS rebuilt
            FROM "{live}"."{table}" a FULL JOIN "{beside}"."{table}" b ON {same}
            WHERE a::text IS DISTINCT FROM b::text ORDER BY {order} LIMIT {SHOWN}'''  # noqa: S608
    )
    differences = [each for row in rows for each in _differences(keys, row["live"], row["rebuilt"])]
    count = await connection.fetchval(f'SELECT count(*) FROM "{live}"."{table}"')  # noqa: S608
    return Compared(table, count, tuple(differences))


def _differences(keys: Sequence[str], live: str | None, rebuilt: str | None) -> list[Difference]:
    here: dict[str, Any] = {} if live is None else msgspec.json.decode(live)
    there: dict[str, Any] = {} if rebuilt is None else msgspec.json.decode(rebuilt)
    key = ", ".join(str((here or there)[each]) for each in keys)
    if live is None or rebuilt is None:
        return [Difference(key, None, live, rebuilt)]
    # What JSON writes alike and PostgreSQL does not, such as the spaces in a column of JSON, is of the row as a whole.
    columns = [Difference(key, name, _text(here[name]), _text(there[name])) for name in here if here[name] != there[name]]
    return columns or [Difference(key, None, live, rebuilt)]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _primary_key(connection: Connection, schema: str, table: str) -> list[str]:
    rows = await connection.fetch(
        """SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
           WHERE indrelid = $1::text::regclass AND indisprimary ORDER BY array_position(indkey::smallint[], attnum)""",
        f'"{schema}"."{table}"',
    )
    return [row["attname"] for row in rows]


async def _stop_the_world(connection: Connection, live: str, tables: Sequence[str]) -> None:
    """In the order that an append takes these locks, so that nobody waits in a circle: the heads (the table, since an append locks all of
    its tables before any row), then tables. The inbox may take its cursors first: then PostgreSQL ends one of the two."""
    await connection.execute(f'LOCK TABLE "{live}".heads IN EXCLUSIVE MODE')
    for table in tables:
        await connection.execute(f'LOCK TABLE "{live}"."{table}" IN ACCESS EXCLUSIVE MODE')
    await connection.execute(f'LOCK TABLE "{live}".inbox_cursors IN EXCLUSIVE MODE')


async def _swap(connection: Connection, service: Service, table: str) -> None:
    """The twin gets the place, the privileges, the triggers and the index names of the live table: migrations know these names."""
    live, beside = service.name, _beside(service)
    grants = await connection.fetch(
        """SELECT grantee::regrole::text AS role, string_agg(privilege_type, ', ') AS privileges
           FROM pg_class, aclexplode(relacl) WHERE oid = $1::text::regclass AND grantee <> relowner AND grantee <> 0 GROUP BY grantee""",
        f'"{live}"."{table}"',
    )
    triggers = await _triggers(connection, live, table)
    names = list(zip(await _indexes(connection, live, table), await _indexes(connection, beside, table), strict=True))
    await connection.execute(f'ALTER TABLE "{live}"."{table}" SET SCHEMA "{_attic(service)}"')
    await connection.execute(f'ALTER TABLE "{beside}"."{table}" SET SCHEMA "{live}"')
    for number, (_, twin) in enumerate(names):  # by way of names that are nobody's, since twins may have each other's
        await connection.execute(f'ALTER INDEX "{live}"."{twin}" RENAME TO "rebuilt_{number}"')
    for number, (name, _) in enumerate(names):
        await connection.execute(f'ALTER INDEX "{live}"."rebuilt_{number}" RENAME TO "{name}"')
    for trigger in triggers:
        await connection.execute(trigger)
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


async def _triggers(connection: Connection, schema: str, table: str) -> list[str]:
    """What makes them."""
    rows = await connection.fetch(
        "SELECT pg_get_triggerdef(oid) AS made FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal",
        f'"{schema}"."{table}"',
    )
    return [row["made"] for row in rows]
