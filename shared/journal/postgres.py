"""PostgresJournal: `shared.journal.protocol.Journal` in PostgreSQL, in the schema that its pool's connections search.

An append holds its shard's row in `heads`, locked first or moved by the statement that adds, until it commits: so the order of commits is
the order of positions, and no reader can skip an event.
Every SQL statement on the kernel's own tables that the write path and the feed need stands here; the leaders' are in `postgres_leads`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from itertools import islice
from typing import Any

import asyncpg
import msgspec

from shared.journal.codec import Codec
from shared.journal.connection import Connection, Project, reachable
from shared.journal.leads import LEADS, channel_of, leading
from shared.journal.places import Began, Histories
from shared.journal.postgres_texts import erase_texts, keep_texts
from shared.journal.protocol import Append, Changes, CommandDecidedElsewhere, Document, Head, Outcome, TimerRow, Unreachable
from shared.journal.record import GENESIS, Fact, Record
from shared.journal.waves import InWaves, Wave, along_with, together, write_wave

_COLUMNS = (
    "shard, position, stream, version, type, data, partner, partner_seq, effective_on, recorded_at, "
    "command_id, actor, correlation_id, causation_id, salt, event_hash, chain_hash"
)
# What a place is of follows from where the histories begin: no row says it.
_HISTORY = """(
    SELECT coalesce(max(history), 1) FROM histories
    WHERE source = current_schema() AND histories.shard = events.shard AND begins <= events.position)"""
_PAGE = 5000  # rows of a stream that are read at once
REMEMBERED = 2_000  # records of each shard that the relay need not read back; some 2 MB

# In one statement: a round trip costs more than what it does. $1 is the shard, $2 when it was recorded. Nothing is added where the head is
# not the one that the events follow: then the last part divides by zero.
_ADD = """
    _moved AS (
        UPDATE heads SET position = $18::bigint, chain_hash = $19::bytea, recorded_at = $27::timestamptz
        WHERE shard = $1 AND position = $28::bigint AND chain_hash = $29::bytea AND epoch = $30::integer RETURNING shard
    ), _added AS (
        INSERT INTO events
        SELECT $1::smallint, position, stream, version, type, data::json, partner, partner_seq, effective_on, $2::timestamptz,
            command_id, actor, correlation_id, causation_id, salt, event_hash, chain_hash
        FROM _moved, unnest(
            $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::date[],
            $11::bytea[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[]
        ) AS event (position, stream, version, type, data, partner, partner_seq, effective_on,
            command_id, actor, correlation_id, causation_id, salt, event_hash, chain_hash)
    ), _started AS (
        INSERT INTO streams SELECT stream, $1::smallint FROM unnest($4::text[], $5::bigint[]) AS event (stream, version) WHERE version = 1
    ), _decided AS (
        INSERT INTO outcomes
        SELECT $1::smallint, command_id, fingerprint, first_position, events, stream, version, refused::json, $2::timestamptz
        FROM unnest($20::bytea[], $21::bytea[], $22::bigint[], $23::integer[], $24::text[], $25::bigint[], $26::text[])
            AS outcome (command_id, fingerprint, first_position, events, stream, version, refused)
    )"""
_PARAMETERS = 30
_IF_MOVED = "SELECT 1 / count(*) FROM _moved"


class PostgresJournal:
    """`project` feeds the own read tables, `takes` those that other services' events feed: {source: how}."""

    def __init__(
        self, service: str, codec: Codec, pool: "asyncpg.Pool[asyncpg.Record]", project: Project, takes: Mapping[str, Project] | None = None
    ) -> None:
        self.service = service
        self.codec = codec
        self.pool = pool
        self.project = project
        self.takes = takes or {}
        self.histories = Histories()
        self.news = asyncio.Event()  # set at each append of this process; the relay's leader waits for it
        self.carried_here = False  # this process leads the relay: nobody else need be told
        self._telling: asyncio.Task[None] | None = None
        self._recent: dict[int, deque[Record]] = {}  # of each shard, what this process committed last, without gaps

    async def heads(self) -> dict[int, tuple[Head, Mapping[str, int]]]:
        async with self._connection() as connection:
            self.histories = await read_histories(connection)
            heads = await read_heads(connection)
            return {shard: (head, await _partner_sequences(connection, shard)) for shard, head in heads.items()}

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        if (recent := self._recent.get(shard)) and recent[0].position <= after + 1 <= recent[-1].position:
            start = after + 1 - recent[0].position
            return list(islice(recent, start, start + limit))
        async with self._connection() as connection:
            return await read_records(connection, shard, after=after, limit=limit)

    async def read_stream(self, stream: str, *, after: int = 0) -> AsyncIterator[tuple[int, Any]]:
        """While a page is evolved, PostgreSQL finds the next one."""
        decode = self.codec.decode
        rows = await self._stream_page(stream, after)
        while rows:
            ahead = asyncio.create_task(self._stream_page(stream, rows[-1]["version"])) if len(rows) == _PAGE else None
            try:
                await asyncio.sleep(0)  # it asks
                for version, event_type, data in rows:
                    yield version, decode(event_type, data)
                rows = [] if ahead is None else await ahead
            finally:
                if ahead is not None:
                    ahead.cancel()

    async def _stream_page(self, stream: str, after: int) -> list[asyncpg.Record]:
        query = f"SELECT version, type, data FROM events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT {_PAGE}"  # noqa: S608
        async with self._connection() as connection:
            return await connection.fetch(query, stream, after)

    async def shard_of(self, stream: str) -> int | None:
        async with self._connection() as connection:
            shard = await connection.fetchval("SELECT shard FROM streams WHERE stream = $1", stream)
        return None if shard is None else int(shard)

    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Append]:
        """With a head that is believed, in one round trip: the statement that writes compares."""
        appending: _PostgresAppend
        if believed is not None:
            yield (appending := _PostgresAppend(self, shard, believed))
            async with self._connection() as connection:
                await appending.write_alone(connection)
        else:
            async with self._connection() as connection, connection.transaction():
                rows = await connection.fetch("SELECT * FROM lock_head($1, $2)", shard, command_ids)
                yield (appending := _PostgresAppend(self, shard, _locked(rows), connection, _outcomes(rows)))
        if appending.facts:
            self._remember(shard, appending.facts)
            self._tell()

    def forget_recent(self) -> None:
        self._recent.clear()

    def _remember(self, shard: int, appended: Sequence[Fact]) -> None:
        recent = self._recent.setdefault(shard, deque(maxlen=REMEMBERED))
        if recent and recent[-1].position + 1 != appended[0].record.position:
            recent.clear()  # another process wrote meanwhile
        recent.extend(fact.record for fact in appended)

    @asynccontextmanager
    async def lead(self, role: str) -> AsyncIterator[Any]:
        async with leading(self.pool, f"{role}/{self.service}") as connection:
            if connection is None:
                yield None
            else:
                async with LEADS[role](self, connection) as lead:
                    yield lead

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with reachable():
            connection = await self.pool.acquire()
        try:
            with reachable(connection):
                yield connection
        finally:
            await self.pool.release(connection)

    def _tell(self) -> None:
        """The relay, wherever it runs. After the commit: NOTIFY inside it would serialise all commits of the database."""
        self.news.set()
        if not self.carried_here and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        try:
            async with self._connection() as connection:
                await connection.execute("SELECT pg_notify($1, '')", channel_of(self.service))
        except Unreachable:
            return  # the leader looks from time to time anyway


class _PostgresAppend:
    """`connection` None: the head is believed, and what is saved is kept for `write_alone`."""

    def __init__(
        self,
        journal: PostgresJournal,
        shard: int,
        head: Head,
        connection: Connection | None = None,
        known: Mapping[bytes, Outcome] | None = None,
    ) -> None:
        self._journal = journal
        self._shard = shard
        self._connection = connection
        self.head = head
        self.known: Mapping[bytes, Outcome] = known or {}
        self.facts: Sequence[Fact] = ()
        self.unwritten: Changes | None = None

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        assert self._connection is not None, "of a head that is believed, there is nothing to read"
        return await read_records(self._connection, shard, after=after, limit=limit)

    async def save(self, changes: Changes) -> None:
        if self._connection is None:
            self.unwritten = changes
        else:
            with _faster_ones("outcomes_pkey"):
                await self._write(self._connection, changes, self._waves(changes))

    async def write_alone(self, connection: Connection) -> None:
        """What was saved, if the head is the one that was believed."""
        if (changes := self.unwritten) is None:
            return
        waves = self._waves(changes)
        with _faster_ones():
            if waves is not None and len(waves) <= 1 and not (changes.documents or changes.texts or changes.erased):
                await self._add(connection, changes, waves)
            else:
                async with connection.transaction():
                    await self._write(connection, changes, waves)

    def _waves(self, changes: Changes) -> Sequence[Wave] | None:
        """None: the projection does not say what it will write."""
        if not changes.facts:
            return ()
        project = self._journal.project
        return project.of(changes.facts) if isinstance(project, InWaves) else None

    async def _write(self, connection: Connection, changes: Changes, waves: Sequence[Wave] | None) -> None:
        await self._add(connection, changes, waves or ())
        if waves is None:
            await self._journal.project(connection, changes.facts)
        else:
            for wave in waves[1:]:
                await write_wave(connection, wave)
        if changes.documents:
            await keep_documents(connection, changes.documents)
        if changes.texts:
            await keep_texts(connection, changes.texts, changes.recorded_at)
        if changes.erased:
            await erase_texts(connection, changes.erased, changes.recorded_at)

    async def _add(self, connection: Connection, changes: Changes, waves: Sequence[Wave]) -> None:
        """With the timers, and the first of the waves."""
        records = [fact.record for fact in changes.facts]
        outcomes = changes.outcomes
        head = new = self.head
        if records:
            new = Head(records[-1].position, records[-1].chain_hash, changes.recorded_at, head.epoch)
        first = together(timers_wave(changes.timers), waves[0] if waves else Wave((), ()))
        await connection.execute(
            along_with(_ADD, _PARAMETERS, first.statements, _IF_MOVED),
            self._shard,
            changes.recorded_at,
            [record.position for record in records],
            [record.stream for record in records],
            [record.version for record in records],
            [record.type for record in records],
            [bytes(record.data).decode() for record in records],
            [record.partner for record in records],
            [record.partner_seq for record in records],
            [date.fromisoformat(record.effective_on) for record in records],
            [bytes.fromhex(record.command_id) for record in records],
            [record.actor for record in records],
            [record.correlation_id for record in records],
            [record.causation_id for record in records],
            [record.salt for record in records],
            [record.event_hash for record in records],
            [record.chain_hash for record in records],
            new.position,
            new.chain_hash,
            [outcome.command_id for outcome in outcomes],
            [outcome.fingerprint for outcome in outcomes],
            [outcome.first_position for outcome in outcomes],
            [outcome.events for outcome in outcomes],
            [outcome.stream for outcome in outcomes],
            [outcome.version for outcome in outcomes],
            [outcome.refused for outcome in outcomes],
            new.recorded_at,
            head.position,
            head.chain_hash,
            head.epoch,
            *first.arguments,
        )
        self.facts = changes.facts


@contextmanager
def _faster_ones(*constraints: str) -> Iterator[None]:
    """Raises `CommandDecidedElsewhere` where others were faster: with a command or, if no constraints are named, with the shard."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if constraints and error.constraint_name not in constraints:
            raise
        raise CommandDecidedElsewhere from error
    except asyncpg.DivisionByZeroError as error:
        if constraints:
            raise
        raise CommandDecidedElsewhere from error


def _locked(rows: Sequence[asyncpg.Record]) -> Head:
    position, chain, recorded_at, epoch, *_ = rows[0]
    return Head(position, chain, recorded_at, epoch)


def _outcomes(rows: Sequence[asyncpg.Record]) -> dict[bytes, Outcome]:
    names = Outcome.__struct_fields__
    return {row["command_id"]: Outcome(**{name: row[name] for name in names}) for row in rows if row["shard"] is not None}


# On a connection: for readers within a transaction of their own


async def read_heads(connection: Connection) -> dict[int, Head]:
    rows = await connection.fetch("SELECT shard, position, chain_hash, recorded_at, epoch FROM heads ORDER BY shard")
    return {shard: Head(*rest) for shard, *rest in rows}


async def read_histories(connection: Connection, schema: str | None = None) -> Histories:
    """`schema`: a service's; otherwise the one that the connection searches."""
    table = "histories" if schema is None else f'"{schema}".histories'
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", table):
        return Histories()  # of a build before there were any
    rows = await connection.fetch(f"SELECT history, source, shard, begins FROM {table}")  # noqa: S608
    return Histories(Began(*row) for row in rows)


async def read_records(connection: Connection, shard: int, *, after: int, limit: int) -> list[Record]:
    """The next records of a shard, in order."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, {_HISTORY} FROM events WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3",  # noqa: S608
        shard,
        after,
        limit,
    )
    return [_record(row) for row in rows]


async def previous_hash(connection: Connection, shard: int, position: int) -> bytes:
    """The chain hash at `position`; of nothing, GENESIS. Raises KeyError where there is no such event."""
    if position == 0:
        return GENESIS
    found = await connection.fetchval("SELECT chain_hash FROM events WHERE shard = $1 AND position = $2", shard, position)
    if found is None:
        raise KeyError(position)
    return bytes(found)


async def read_version(connection: Connection, stream: str) -> int:
    """How many events the stream has."""
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM events WHERE stream = $1", stream))


async def read_document(connection: Connection, name: str) -> Document | None:
    row = await connection.fetchrow("SELECT content, media_type FROM documents WHERE sha256 = $1", bytes.fromhex(name))
    return None if row is None else Document(row["content"], row["media_type"])


async def keep_documents(connection: Connection, documents: Sequence[Document]) -> None:
    """Of a large one, before the append of the event that names it: no shard waits for it then. One that no event names is no harm."""
    await connection.executemany(
        "INSERT INTO documents VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(bytes.fromhex(document.name), document.media_type, document.content) for document in documents],
    )


_FORGET_TIMERS = """
    DELETE FROM timers USING unnest($1::text[], $2::text[]) AS gone (stream, name)
    WHERE timers.stream = gone.stream AND timers.name = gone.name"""
_SET_TIMERS = """
    INSERT INTO timers (stream, name, due, command, at, version) SELECT stream, name, due, command::json, at, version
    FROM unnest($1::text[], $2::text[], $3::date[], $4::text[], $5::timestamptz[], $6::bigint[])
        AS timer (stream, name, due, command, at, version)
    ON CONFLICT (stream, name) DO UPDATE
    SET due = excluded.due, command = excluded.command, at = excluded.at, version = excluded.version"""


def timers_wave(changes: Sequence[TimerRow | tuple[str, str]]) -> Wave:
    """Sets (a row) and forgets (its stream and name) timers; the last word on each counts."""
    last = {(change.stream, change.name) if isinstance(change, TimerRow) else change: change for change in changes}
    wave = Wave((), ())
    if forgotten := [change for change in last.values() if not isinstance(change, TimerRow)]:
        wave = Wave((_FORGET_TIMERS,), [[stream for stream, _ in forgotten], [name for _, name in forgotten]])
    if rows := [change for change in last.values() if isinstance(change, TimerRow)]:
        columns = zip(*((row.stream, row.name, row.due, row.command, row.at, row.version) for row in rows), strict=True)
        wave = together(wave, Wave((_SET_TIMERS,), [list(column) for column in columns]))
    return wave


async def _partner_sequences(connection: Connection, shard: int) -> dict[str, int]:
    """The last partner_seq of each partner in the shard, by hopping through the index from partner to partner."""
    rows = await connection.fetch(
        """WITH RECURSIVE hop AS (
               (SELECT partner, partner_seq FROM events WHERE shard = $1 AND partner IS NOT NULL
                ORDER BY partner DESC, partner_seq DESC LIMIT 1)
               UNION ALL
               SELECT next.* FROM hop CROSS JOIN LATERAL (
                   SELECT partner, partner_seq FROM events WHERE shard = $1 AND partner < hop.partner
                   ORDER BY partner DESC, partner_seq DESC LIMIT 1) AS next
           ) SELECT partner, partner_seq FROM hop""",
        shard,
    )
    return {row["partner"]: row["partner_seq"] for row in rows}


def _record(row: asyncpg.Record) -> Record:
    (shard, position, stream, version, kind, data, partner, partner_seq, effective_on, recorded_at, command_id, *rest) = row
    actor, correlation_id, causation_id, salt, event_hash, chain_hash, history = rest
    return Record(
        shard=shard,
        position=position,
        history=history,
        stream=stream,
        version=version,
        type=kind,
        data=msgspec.Raw(data.encode()),
        partner=partner,
        partner_seq=partner_seq,
        effective_on=effective_on.isoformat(),
        recorded_at=f"{recorded_at.isoformat(timespec='microseconds')[:26]}Z",
        command_id=command_id.hex(),
        actor=actor,
        correlation_id=correlation_id,
        causation_id=causation_id,
        salt=salt,
        event_hash=event_hash,
        chain_hash=chain_hash,
    )
