"""Journal: a service's append-only event log in PostgreSQL, split into shards without gaps.

An append locks its shard's row in `heads`, so the order of commits is the order of positions, and no reader can skip an event.
Every SQL statement on the kernel's own tables that the write path and the feed need stands here. Table names carry no schema:
each service's connection has its schema as its search path.
"""

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec

from shared.codec import Codec
from shared.record import GENESIS, Record

_COLUMNS = (
    "shard, position, stream, version, type, data, partner, partner_seq, effective_on, recorded_at, "
    "command_id, actor, correlation_id, causation_id, salt, event_hash, chain_hash"
)
_COLUMN_NAMES = tuple(_COLUMNS.split(", "))

APPEND_ONLY = ("events", "documents")  # the service's role may SELECT and INSERT these, and a trigger refuses the rest

type Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

UNREACHABLE = (  # PostgreSQL is not there, or says "not now": stopping, starting, a standby, out of connections, deadlock, time-out
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.ConnectionDoesNotExistError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
)

SILENT_SECONDS = 15.0  # a process that says nothing for so long within a transaction (stopped, cut off) loses it, and its locks


def ddl(shards: int = 4) -> list[str]:
    """The kernel's tables, as the first migration of each service creates them."""
    return [
        """CREATE TABLE events (
            shard smallint NOT NULL,
            position bigint NOT NULL CHECK (position > 0),
            stream text NOT NULL,
            version bigint NOT NULL CHECK (version > 0),
            type text NOT NULL,
            data json NOT NULL,  -- json, not jsonb: kept to the byte, since the hash covers the bytes
            partner text,
            partner_seq bigint,
            effective_on date NOT NULL,
            recorded_at timestamptz NOT NULL,
            command_id bytea NOT NULL,
            actor text NOT NULL,
            correlation_id text NOT NULL,
            causation_id text NOT NULL,
            salt bytea NOT NULL,
            event_hash bytea NOT NULL,
            chain_hash bytea NOT NULL,
            PRIMARY KEY (shard, position),
            UNIQUE (stream, version),
            CHECK ((partner IS NULL) = (partner_seq IS NULL))
        )""",
        "CREATE UNIQUE INDEX events_partner ON events (shard, partner, partner_seq) WHERE partner IS NOT NULL",
        """CREATE TABLE heads (
            shard smallint PRIMARY KEY,
            position bigint NOT NULL,
            chain_hash bytea NOT NULL,
            recorded_at timestamptz,  -- null: nothing recorded yet
            epoch integer NOT NULL  -- a build of an older epoch stops itself when it reads this under the lock
        )""",
        f"INSERT INTO heads SELECT shard, 0, '\\x{GENESIS.hex()}', NULL, 1 FROM generate_series(0, {shards - 1}) AS shard",  # noqa: S608
        "CREATE TABLE streams (stream text PRIMARY KEY, shard smallint NOT NULL)",
        """CREATE TABLE outcomes (
            shard smallint NOT NULL,
            command_id bytea NOT NULL,
            fingerprint bytea NOT NULL,
            first_position bigint,  -- null: refused, or accepted without an event
            events integer NOT NULL,
            stream text NOT NULL,
            version bigint NOT NULL,  -- of the stream, after the command
            refused json,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (command_id)  -- of all shards: under one id, another input may choose another stream
        )""",
        "CREATE INDEX outcomes_refused ON outcomes (recorded_at) WHERE refused IS NOT NULL",
        "CREATE TABLE documents (sha256 bytea PRIMARY KEY, media_type text NOT NULL, content bytea NOT NULL)",
        """CREATE TABLE timers (
            stream text NOT NULL,
            name text NOT NULL,
            due date NOT NULL,
            command json NOT NULL,
            PRIMARY KEY (stream, name)
        )""",
        "CREATE INDEX timers_due ON timers (due)",
        "CREATE TABLE relay_cursors (shard smallint PRIMARY KEY, position bigint NOT NULL)",
        f"INSERT INTO relay_cursors SELECT shard, 0 FROM generate_series(0, {shards - 1}) AS shard",  # noqa: S608
        """CREATE TABLE inbox_cursors (
            source text NOT NULL,
            shard smallint NOT NULL,
            position bigint NOT NULL,
            chain_hash bytea NOT NULL,
            kafka_offset bigint NOT NULL,  -- where to go on reading; a hint, since positions decide
            PRIMARY KEY (source, shard)
        )""",
        """CREATE TABLE parked (
            source text NOT NULL,
            shard smallint NOT NULL,
            position bigint NOT NULL,
            stream text NOT NULL,
            reason text NOT NULL,
            record bytea NOT NULL,  -- as a page of the journal feed
            PRIMARY KEY (source, shard, position)
        )""",
        """CREATE TABLE set_aside (
            source text NOT NULL,
            kafka_partition integer NOT NULL,
            kafka_offset bigint NOT NULL,
            reason text NOT NULL,
            PRIMARY KEY (source, kafka_partition, kafka_offset)
        )""",
        """CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$""",
        *(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
            for table in APPEND_ONLY
        ),
    ]


class Head(msgspec.Struct, frozen=True):
    """The last event of a shard: where the next one goes, and what it is chained to."""

    position: int
    chain_hash: bytes
    recorded_at: datetime | None  # None: nothing recorded yet
    epoch: int


class Document(msgspec.Struct, frozen=True):
    """Bytes too large for an event, stored with it under their SHA-256."""

    content: bytes
    media_type: str = "application/json"

    @property
    def name(self) -> str:
        return sha256(self.content).hexdigest()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command: kept, so that the same command gets the same answer and nothing moves twice."""

    shard: int
    command_id: bytes
    fingerprint: bytes
    first_position: int | None
    events: int
    stream: str
    version: int
    refused: str | None  # the refusal as JSON


class CommandDecidedElsewhere(Exception):
    """A transaction of another shard has decided a command of the same id meanwhile: look its outcome up."""


class TimerRow(msgspec.Struct, frozen=True):
    stream: str
    name: str
    due: date
    command: str  # JSON


async def open_pool(url: str, schema: str, *, size: int = 16) -> "asyncpg.Pool[asyncpg.Record]":
    """Connections whose search path is the service's schema.

    The server ends a statement that outlives its time-out, a transaction that has gone silent, and the session of a machine that is gone:
    whoever waits for their locks goes on.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=60,
        timeout=5,  # to connect
        reset=_as_it_is,
        server_settings={
            "search_path": schema,
            "application_name": f"reserve-{schema}",
            "statement_timeout": "60000",
            "idle_in_transaction_session_timeout": str(round(SILENT_SECONDS * 1000)),
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
            "jit": "off",
        },
    )


async def _as_it_is(_connection: Connection) -> None:
    """Saves a round trip a use: who locks or listens on a connection of the pool resets it before giving it back."""


def is_gone(connection: Connection) -> bool:
    """Whether it broke. The pool takes a broken connection back at once, and then nothing can be asked of it."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


class Journal:
    """Reads and appends. The caller holds the transaction; `lock` must come first in one that appends."""

    def __init__(self, service: str, codec: Codec) -> None:
        self.service = service
        self.codec = codec

    async def lock(self, connection: Connection, shard: int) -> Head:
        row = await connection.fetchrow("SELECT position, chain_hash, recorded_at, epoch FROM heads WHERE shard = $1 FOR UPDATE", shard)
        assert row is not None, f"shard {shard} does not exist"
        return _head(row)

    async def heads(self, connection: Connection) -> dict[int, Head]:
        rows = await connection.fetch("SELECT shard, position, chain_hash, recorded_at, epoch FROM heads ORDER BY shard")
        return {row["shard"]: _head(row) for row in rows}

    async def append(self, connection: Connection, shard: int, records: Sequence[Record], recorded_at: datetime) -> None:
        """Adds records that follow the locked head, and moves the head."""
        await connection.copy_records_to_table(
            "events",
            columns=_COLUMN_NAMES,
            records=[
                (
                    record.shard,
                    record.position,
                    record.stream,
                    record.version,
                    record.type,
                    bytes(record.data).decode(),
                    record.partner,
                    record.partner_seq,
                    date.fromisoformat(record.effective_on),
                    recorded_at,
                    bytes.fromhex(record.command_id),
                    record.actor,
                    record.correlation_id,
                    record.causation_id,
                    record.salt,
                    record.event_hash,
                    record.chain_hash,
                )
                for record in records
            ],
        )
        last = records[-1]
        await connection.execute(
            "UPDATE heads SET position = $2, chain_hash = $3, recorded_at = $4 WHERE shard = $1",
            shard,
            last.position,
            last.chain_hash,
            recorded_at,
        )
        if started := [record.stream for record in records if record.version == 1]:
            await connection.execute("INSERT INTO streams SELECT unnest($1::text[]), $2", started, shard)

    async def read(self, connection: Connection, shard: int, *, after: int, limit: int) -> list[Record]:
        """The next records of a shard, in order."""
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM events WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3",  # noqa: S608
            shard,
            after,
            limit,
        )
        return [_record(row) for row in rows]

    async def previous_hash(self, connection: Connection, shard: int, position: int) -> bytes:
        """The chain hash at `position`; of nothing, GENESIS. Raises KeyError where there is no such event."""
        if position == 0:
            return GENESIS
        found = await connection.fetchval("SELECT chain_hash FROM events WHERE shard = $1 AND position = $2", shard, position)
        if found is None:
            raise KeyError(position)
        return bytes(found)

    async def read_stream(self, connection: Connection, stream: str, *, after: int = 0) -> AsyncIterator[tuple[int, Any]]:
        """(version, event) of a stream, in order, a few thousand rows at a time."""
        while True:
            rows = await connection.fetch(
                "SELECT version, type, data FROM events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT 5000", stream, after
            )
            for version, event_type, data in rows:
                yield version, self.codec.decode(event_type, data)
            if len(rows) < 5000:
                return
            after = rows[-1]["version"]

    async def partner_sequences(self, connection: Connection, shard: int) -> dict[str, int]:
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

    async def shard_of(self, connection: Connection, stream: str) -> int | None:
        shard = await connection.fetchval("SELECT shard FROM streams WHERE stream = $1", stream)
        return None if shard is None else int(shard)

    async def outcomes(self, connection: Connection, command_ids: Sequence[bytes]) -> dict[bytes, Outcome]:
        """What became of these commands, in whichever shard they were decided."""
        rows = await connection.fetch(
            "SELECT shard, command_id, fingerprint, first_position, events, stream, version, refused FROM outcomes "
            "WHERE command_id = ANY($1::bytea[])",
            command_ids,
        )
        return {row["command_id"]: Outcome(**dict(row)) for row in rows}

    async def save_outcomes(self, connection: Connection, outcomes: Sequence[Outcome], recorded_at: datetime) -> None:
        """Raises `CommandDecidedElsewhere` where another shard's transaction was faster with one of these ids."""
        try:
            await self._copy_outcomes(connection, outcomes, recorded_at)
        except asyncpg.UniqueViolationError as error:
            raise CommandDecidedElsewhere from error

    async def _copy_outcomes(self, connection: Connection, outcomes: Sequence[Outcome], recorded_at: datetime) -> None:
        await connection.copy_records_to_table(
            "outcomes",
            columns=("shard", "command_id", "fingerprint", "first_position", "events", "stream", "version", "refused", "recorded_at"),
            records=[
                (
                    kept.shard,
                    kept.command_id,
                    kept.fingerprint,
                    kept.first_position,
                    kept.events,
                    kept.stream,
                    kept.version,
                    kept.refused,
                    recorded_at,
                )
                for kept in outcomes
            ],
        )

    async def forget_refusals(self, connection: Connection, before: datetime) -> None:
        """Refusals of old: their command ids may be used again."""
        await connection.execute("DELETE FROM outcomes WHERE refused IS NOT NULL AND recorded_at < $1", before)

    async def save_documents(self, connection: Connection, documents: Iterable[Document]) -> None:
        await connection.executemany(
            "INSERT INTO documents VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [(bytes.fromhex(document.name), document.media_type, document.content) for document in documents],
        )

    async def document(self, connection: Connection, name: str) -> Document | None:
        row = await connection.fetchrow("SELECT content, media_type FROM documents WHERE sha256 = $1", bytes.fromhex(name))
        return None if row is None else Document(row["content"], row["media_type"])

    async def save_timers(self, connection: Connection, changes: Sequence[TimerRow | tuple[str, str]]) -> None:
        """Sets (a row) and forgets (its stream and name) timers, in order; the last word on each wins."""
        last = {(change.stream, change.name) if isinstance(change, TimerRow) else change: change for change in changes}
        if forgotten := [change for change in last.values() if not isinstance(change, TimerRow)]:
            await connection.executemany("DELETE FROM timers WHERE stream = $1 AND name = $2", forgotten)
        if rows := [(row.stream, row.name, row.due, row.command) for row in last.values() if isinstance(row, TimerRow)]:
            await connection.executemany(
                "INSERT INTO timers VALUES ($1, $2, $3, $4) ON CONFLICT (stream, name) DO UPDATE SET due = $3, command = $4", rows
            )

    async def due_timers(self, connection: Connection, day: date, limit: int = 500) -> list[TimerRow]:
        rows = await connection.fetch(
            "SELECT stream, name, due, command FROM timers WHERE due <= $1 ORDER BY due, stream, name LIMIT $2", day, limit
        )
        return [TimerRow(row["stream"], row["name"], row["due"], row["command"]) for row in rows]

    async def forget_timer(self, connection: Connection, timer: TimerRow) -> None:
        """Forgets a timer that has fired, unless it was set to another day meanwhile."""
        await connection.execute("DELETE FROM timers WHERE stream = $1 AND name = $2 AND due = $3", timer.stream, timer.name, timer.due)


def new_salts(count: int) -> list[bytes]:
    random = os.urandom(16 * count)
    return [random[start : start + 16] for start in range(0, 16 * count, 16)]


def _head(row: asyncpg.Record) -> Head:
    return Head(row["position"], row["chain_hash"], row["recorded_at"], row["epoch"])


def _record(row: asyncpg.Record) -> Record:
    (shard, position, stream, version, kind, data, partner, partner_seq, effective_on, recorded_at, command_id, *rest) = row
    actor, correlation_id, causation_id, salt, event_hash, chain_hash = rest
    return Record(
        shard=shard,
        position=position,
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
