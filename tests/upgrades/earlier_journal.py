"""The append of the build before revision 0002, with the statements that it ran: under the lock, each thing by itself, and timers without
instants.

Kept so that two builds can be seen at work on one schema. When a later revision changes what an append asks of PostgreSQL, the statements
of the build before it take the place of these.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

import asyncpg

from shared.journal.connection import Connection
from shared.journal.postgres import _COLUMNS, PostgresJournal, _record
from shared.journal.protocol import Append, Changes, CommandDecidedElsewhere, Head, Outcome, TimerRow
from shared.journal.record import Record

_EVENT = (
    *("shard", "position", "stream", "version", "type", "data", "partner", "partner_seq", "effective_on", "recorded_at"),
    *("command_id", "actor", "correlation_id", "causation_id", "salt", "event_hash", "chain_hash"),
)
_OUTCOME = "shard, command_id, fingerprint, first_position, events, stream, version, refused"


async def _read(connection: Connection, shard: int, after: int, limit: int) -> list[Record]:
    """Its schema knew no histories."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, 1 AS history FROM events WHERE shard = $1 AND position > $2 ORDER BY position LIMIT $3",
        *(shard, after, limit),
    )
    return [_record(row) for row in rows]


class EarlierJournal(PostgresJournal):
    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        async with self._connection() as connection:
            return await _read(connection, shard, after, limit)

    @asynccontextmanager
    async def append(self, shard: int, command_ids: Sequence[bytes], *, believed: Head | None = None) -> AsyncIterator[Append]:
        """What is believed of the head, that build looked at."""
        async with self._connection() as connection, connection.transaction():
            head = await connection.fetchrow(
                "SELECT position, chain_hash, recorded_at, epoch FROM heads WHERE shard = $1 FOR UPDATE", shard
            )
            assert head is not None
            known = await connection.fetch(f"SELECT {_OUTCOME} FROM outcomes WHERE command_id = ANY($1::bytea[])", command_ids)
            yield _EarlierAppend(self, connection, shard, Head(*head), {row["command_id"]: Outcome(**dict(row)) for row in known})


class _EarlierAppend:
    def __init__(self, journal: EarlierJournal, connection: Connection, shard: int, head: Head, known: Mapping[bytes, Outcome]) -> None:
        self._journal = journal
        self._connection = connection
        self._shard = shard
        self.head = head
        self.known = known

    async def read(self, shard: int, *, after: int, limit: int) -> list[Record]:
        return await _read(self._connection, shard, after, limit)

    async def save(self, changes: Changes) -> None:
        sql = self._connection
        if changes.facts:
            records = [fact.record for fact in changes.facts]
            rows = [
                (
                    *(record.shard, record.position, record.stream, record.version, record.type, bytes(record.data).decode()),
                    *(record.partner, record.partner_seq, date.fromisoformat(record.effective_on), changes.recorded_at),
                    *(bytes.fromhex(record.command_id), record.actor, record.correlation_id, record.causation_id),
                    *(record.salt, record.event_hash, record.chain_hash),
                )
                for record in records
            ]
            await sql.copy_records_to_table("events", columns=_EVENT, records=rows)
            await sql.execute(
                "UPDATE heads SET position = $2, chain_hash = $3, recorded_at = $4 WHERE shard = $1",
                *(self._shard, records[-1].position, records[-1].chain_hash, changes.recorded_at),
            )
            if started := [record.stream for record in records if record.version == 1]:
                await sql.execute("INSERT INTO streams SELECT unnest($1::text[]), $2", started, self._shard)
            await self._journal.project(sql, changes.facts)
        columns = [*_OUTCOME.split(", "), "recorded_at"]
        outcomes = [(*(getattr(each, name) for name in columns[:-1]), changes.recorded_at) for each in changes.outcomes]
        try:
            await sql.copy_records_to_table("outcomes", columns=columns, records=outcomes)
        except asyncpg.UniqueViolationError as error:
            raise CommandDecidedElsewhere from error
        documents = [(bytes.fromhex(each.name), each.media_type, each.content) for each in changes.documents]
        await sql.executemany("INSERT INTO documents VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", documents)
        timers = [(row.stream, row.name, row.due, row.command) for row in changes.timers if isinstance(row, TimerRow)]
        assert len(timers) == len(changes.timers), "what these tests do forgets none"
        await sql.executemany(
            """INSERT INTO timers SELECT $1::text, $2::text, $3::date, $4::text::json
               ON CONFLICT (stream, name) DO UPDATE SET due = excluded.due, command = excluded.command""",
            timers,
        )
