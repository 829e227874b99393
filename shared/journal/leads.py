"""Leads: what the one process does in PostgreSQL that holds a role's advisory lock, on the connection that holds it.

A leader that lost its connection lost the lock too, and its next word fails; the cursors' compare-and-set stops one that does not know.
The server ends the session of a leader that has gone silent (stopped, cut off), so that another may lead.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from typing import Any, Protocol, Self

import asyncpg
import msgspec

from shared.journal import connection as postgres
from shared.journal.connection import Connection, Project, is_gone, reachable
from shared.journal.messages import Headed, from_feed, to_feed
from shared.journal.protocol import Cursor, LostLead, TimerRow, Unreachable
from shared.journal.record import GENESIS, Fact
from shared.journal.waves import InWaves, Wave, along_with

_DUE_AT_ONCE = 500
_TAKEN_BY_NAME = ("relay", "inbox", "timers", "log", "webhooks")  # the last two are one service's
_LOCKING = """FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
              AND has_function_privilege('public', oid, 'EXECUTE')"""
LOCKS_ARE_OPEN = f"SELECT EXISTS (SELECT {_LOCKING})"

# In one statement: a process that is stopped between the two would hold the lock for ever.
_LEAD = "SELECT CASE WHEN take_lead($1) THEN set_config('idle_session_timeout', $2, false) END"

# A session that waits for words of a process that was stopped in mid-sentence (a COPY, half a message, an answer that it does not read) is
# at work to the server, and no time-out of its ends it.
_END_WHO_FELL_SILENT_AT_WORK = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity AS session USING (pid)
    WHERE locktype = 'advisory' AND granted AND database = datid AND (classid::bigint << 32 | objid::bigint) = hashtext($1)
    AND session.state = 'active' AND session.wait_event IN ('ClientRead', 'ClientWrite')
    AND session.state_change < now() - make_interval(secs => $2)"""

# A cursor that a crash takes back only repeats messages: where nothing else is saved, its commit need not wait for the disk.
_NOT_ON_DISK_YET = "set_config('synchronous_commit', 'off', true)"
_CARRIED = f"UPDATE relay_cursors SET position = $2 FROM {_NOT_ON_DISK_YET} WHERE shard = $1 AND position = $3"  # noqa: S608
_TAKE_FROM = "INSERT INTO inbox_cursors AS cursor SELECT $1::text, $2::smallint, $3::bigint, $4::bytea, $5::bigint"
_IF_UNMOVED = """
    ON CONFLICT (source, shard)
    DO UPDATE SET position = excluded.position, chain_hash = excluded.chain_hash, kafka_offset = excluded.kafka_offset
    WHERE cursor.position = $6"""
_TAKEN = f"{_TAKE_FROM} {_IF_UNMOVED}"
_PASSED_OVER = f"{_TAKE_FROM} FROM {_NOT_ON_DISK_YET} {_IF_UNMOVED}"
_AND_TAKEN = f"_moved AS ({_TAKEN} RETURNING source)"
_IF_MOVED = "SELECT 1 / count(*) FROM _moved"  # dividing by zero undoes the rest of the statement


def take_lead(service: str) -> list[str]:
    """The function by which a service's role takes the locks of its own service, and no other: that of PostgreSQL takes any lock of the
    database, and is closed to it by `CLOSE_LOCKS`. It is its owner's, who may take any. Safe to repeat."""
    names = ", ".join(f"'{role}/{service}'" for role in _TAKEN_BY_NAME)
    return [
        f"""CREATE OR REPLACE FUNCTION "{service}".take_lead(name text) RETURNS boolean
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN
                IF name IN ({names}) THEN RETURN pg_try_advisory_lock(hashtext(name)); END IF;
                RAISE EXCEPTION '% is no lead of {service}', name;
            END $$""",
        f'REVOKE EXECUTE ON FUNCTION "{service}".take_lead FROM PUBLIC',
    ]


# By a superuser, whose functions these are; the owner of the schemas goes on to have them.
CLOSE_LOCKS = f"""
    DO $$ DECLARE lock regprocedure; BEGIN
        FOR lock IN SELECT oid::regprocedure {_LOCKING} LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO CURRENT_USER', lock);
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock);
        END LOOP;
    END $$"""  # noqa: S608


def channel_of(service: str) -> str:
    return f"reserve_{service}"


@asynccontextmanager
async def leading(pool: "asyncpg.Pool[asyncpg.Record]", name: str) -> AsyncIterator[Connection | None]:
    """The connection that holds the lock of this name, such as "relay/inventory"; None where another process holds it."""
    with reachable():
        connection = await pool.acquire()
    try:
        with reachable(connection):
            if await connection.fetchval(_LEAD, name, str(round(postgres.SILENT_SECONDS * 1000))) is None:
                await connection.execute(_END_WHO_FELL_SILENT_AT_WORK, name, postgres.SILENT_SECONDS)
                yield None
                return
            try:
                yield connection
            finally:
                if not is_gone(connection):
                    try:
                        await connection.reset()  # gives back the lock, the listeners and the time-out
                    except (*postgres.UNREACHABLE, asyncpg.InterfaceError):
                        connection.terminate()  # lest it go back to the pool with the lock
    finally:
        await pool.release(connection)


class Led(Protocol):
    """What a lead asks of the journal that it leads for."""

    service: str
    takes: Mapping[str, Project]
    news: asyncio.Event
    carried_here: bool

    def forget_recent(self) -> None: ...


class _Lead:
    """Says something now and then, lest the server take this process for gone."""

    def __init__(self, journal: Led, connection: Connection) -> None:
        self._journal = journal
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._sign_of_life = asyncio.create_task(self._give_signs_of_life())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sign_of_life.cancel()
        with suppress(asyncio.CancelledError, Unreachable):
            await self._sign_of_life

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        async with self._one_at_a_time:
            with reachable(self._connection):
                yield self._connection

    async def _give_signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(postgres.SILENT_SECONDS / 3)
            async with self._asking() as connection:
                await connection.execute("SELECT")


class _RelayLead(_Lead):
    async def __aenter__(self) -> Self:
        async with self._asking() as connection:
            await connection.add_listener(channel_of(self._journal.service), lambda *_: self._journal.news.set())
        self._journal.carried_here = True
        self._journal.forget_recent()  # another process may have carried on, in a journal that was restored
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        self._journal.carried_here = False
        await super().__aexit__(*error)

    async def cursors(self) -> dict[int, Cursor]:
        async with self._asking() as connection:
            rows = await connection.fetch(
                """SELECT shard, cursor.position, chain_hash FROM relay_cursors AS cursor LEFT JOIN events USING (shard, position)
                   ORDER BY shard"""
            )
        return {shard: Cursor(position, GENESIS if chain is None else chain) for shard, position, chain in rows}

    async def ahead(self, cursors: Mapping[int, Cursor]) -> list[int]:
        async with self._asking() as connection:
            heads = {row["shard"]: row["position"] for row in await connection.fetch("SELECT shard, position FROM heads")}
        return [shard for shard, cursor in cursors.items() if heads.get(shard, 0) > cursor.position]

    async def move(self, shard: int, *, since: int, to: int) -> None:
        async with self._asking() as connection:
            moved = await connection.execute(_CARRIED, shard, to, since)
        if moved != "UPDATE 1":
            raise LostLead(f"the cursor of shard {shard} is no longer at {since}")

    async def news(self, seconds: float) -> None:
        news = self._journal.news
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            async with self._asking() as connection:
                await connection.execute("SELECT")
        news.clear()


class _InboxLead(_Lead):
    async def cursors(self) -> dict[tuple[str, int], tuple[Cursor, frozenset[str]]]:
        async with self._asking() as connection:
            rows = await connection.fetch("SELECT source, shard, position, chain_hash, kafka_offset FROM inbox_cursors")
            parked = await connection.fetch("SELECT DISTINCT source, shard, stream FROM parked")
        streams: dict[tuple[str, int], set[str]] = {}
        for source, shard, stream in parked:
            streams.setdefault((source, shard), set()).add(stream)
        return {(source, shard): (Cursor(*rest), frozenset(streams.get((source, shard), ()))) for source, shard, *rest in rows}

    async def move(
        self, source: str, shard: int, *, since: int, to: Cursor, facts: Sequence[Fact] = (), parked: Mapping[str, Sequence[Headed]] = {}
    ) -> None:
        take = self._journal.takes.get(source) if facts else None
        cursor = (source, shard, to.position, to.chain_hash, to.kafka_offset, since)
        lost = LostLead(f"{source}/{shard} is no longer at {since}")
        if take is None and not parked:
            async with self._asking() as connection:
                if await connection.execute(_PASSED_OVER, *cursor) != "INSERT 0 1":
                    raise lost
            return
        if isinstance(take, InWaves) and not parked and (waves := take.of(facts)) is not None and len(waves) <= 1:
            wave = waves[0] if waves else Wave((), ())
            async with self._asking() as connection:
                try:
                    await connection.execute(along_with(_AND_TAKEN, len(cursor), wave.statements, _IF_MOVED), *cursor, *wave.arguments)
                except asyncpg.DivisionByZeroError as error:
                    raise lost from error
            return
        async with self._asking() as connection, connection.transaction():
            if take is not None:
                await take(connection, facts)
            if parked:
                await connection.executemany(
                    "INSERT INTO parked VALUES ($1, $2, $3, $4, $5, $6)",
                    [
                        (source, shard, each.record.position, each.record.stream, reason, _as_feed(each))
                        for reason, events in parked.items()
                        for each in events
                    ],
                )
            if await connection.execute(_TAKEN, *cursor) != "INSERT 0 1":
                raise lost

    async def parked(self, source: str, shard: int, stream: str) -> list[Headed]:
        async with self._asking() as connection:
            rows = await connection.fetch(
                "SELECT record FROM parked WHERE source = $1 AND shard = $2 AND stream = $3 ORDER BY position", source, shard, stream
            )
        return [from_feed(row["record"])[0] for row in rows]

    async def unpark(self, fact: Fact) -> None:
        async with self._asking() as connection, connection.transaction():
            gone = await connection.execute(
                "DELETE FROM parked WHERE source = $1 AND shard = $2 AND position = $3",
                fact.source,
                fact.record.shard,
                fact.record.position,
            )
            if gone != "DELETE 1":
                raise LostLead(f"{fact.place} was un-parked by another process")
            if (take := self._journal.takes.get(fact.source)) is not None:
                await take(connection, [fact])

    async def set_aside(self, source: str, partition: int, offset: int, reason: str) -> None:
        async with self._asking() as connection:
            await connection.execute(
                "INSERT INTO set_aside VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", source, partition, offset, reason[:500]
            )


class _TimersLead(_Lead):
    async def due(self, day: date, now: datetime) -> list[TimerRow]:
        async with self._asking() as connection:
            rows = await connection.fetch(
                """SELECT stream, name, due, command, at, version FROM timers WHERE due <= $1 AND (at IS NULL OR at <= $2)
                   ORDER BY due, at NULLS FIRST, stream, name LIMIT $3""",
                *(day, now, _DUE_AT_ONCE),
            )
        return [TimerRow(*row) for row in rows]

    async def forget(self, timer: TimerRow) -> None:
        async with self._asking() as connection:
            await connection.execute(
                """DELETE FROM timers WHERE stream = $1 AND name = $2 AND due = $3
                   AND at IS NOT DISTINCT FROM $4 AND version IS NOT DISTINCT FROM $5""",
                *(timer.stream, timer.name, timer.due, timer.at, timer.version),
            )

    async def forget_refusals(self, before: datetime) -> None:
        async with self._asking() as connection:
            await connection.execute("DELETE FROM outcomes WHERE refused IS NOT NULL AND recorded_at < $1", before)


LEADS: Mapping[str, Any] = {"relay": _RelayLead, "inbox": _InboxLead, "timers": _TimersLead}


def _as_feed(headed: Headed) -> bytes:
    return msgspec.json.encode(to_feed([headed.record], headed.previous, limit=2))
