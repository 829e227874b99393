"""Tables: what a service keeps beside its events, held against them in its database: heads, streams, outcomes, cursors, documents, what is
parked.

Each statement works out what a table must hold, from the events alone, and not by the code that wrote it. It is made as the database's
owner, by who runs the deployment. Tables that are read are made anew instead (`shared/process/rebuild.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import msgspec

from reserve.audit.evidence import LEDGER
from reserve.audit.journals import CODECS
from reserve.audit.report import Check, Findings
from services.allocation import events as allocation
from services.loans import events as loans
from shared.journal.codec import UnknownType

type Connection = asyncpg.Connection[asyncpg.Record]

# What says nothing of the history: there is no database, it lets nobody in, has no room, or was told to stop.
COULD_NOT_RUN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
DOCUMENTS_OF: Mapping[str, Callable[[Any], Sequence[str]]] = {"allocation": allocation.documents_of, "loans": loans.documents_of}
_NAMES = {"decision", "document", "file", "release_order", "report"}  # columns of events that may name one
MOST_SHOWN = 100  # rows of a table


class Derived(msgspec.Struct, frozen=True):
    """A table that follows from events. `said`: a query for its rows, or those of its columns that do; `follows`: the same, as it must be.
    `key`: the columns by which one is held against the other."""

    table: str
    key: tuple[str, ...]
    said: str
    follows: str


_MOST = ", ".join(f"(SELECT max(shard) FROM {table})" for table in ("events", "heads", "relay_cursors"))  # noqa: S608
_SHARDS = f"generate_series(0, greatest({_MOST}))"
_LAST = "LEFT JOIN LATERAL (SELECT * FROM events WHERE events.shard = each.shard ORDER BY position DESC LIMIT 1) AS last ON true"
_NOTHING = f"'\\x{bytes(32).hex()}'::bytea"

HEADS = Derived(
    "heads",
    ("shard",),
    "SELECT shard, position, chain_hash, recorded_at FROM heads",
    f"""SELECT each.shard::smallint AS shard, coalesce(last.position, 0) AS position, coalesce(last.chain_hash, {_NOTHING}) AS chain_hash,
        last.recorded_at FROM {_SHARDS} AS each (shard) {_LAST}""",  # noqa: S608
)
STREAMS = Derived(
    "streams", ("stream",), "SELECT stream, shard FROM streams", "SELECT stream, min(shard) AS shard FROM events GROUP BY stream"
)
# Of a command that recorded nothing, nobody but the service knows what became of it.
OUTCOMES = Derived(
    "outcomes",
    ("command_id",),
    """SELECT command_id, shard, first_position, events, stream, version, refused::text FROM outcomes
       WHERE first_position IS NOT NULL OR events <> 0 OR command_id IN (SELECT command_id FROM events)""",
    """SELECT command_id, min(shard) AS shard, min(position) AS first_position, count(*)::integer AS events, min(stream) AS stream,
       max(version) AS version, NULL::text AS refused FROM events GROUP BY command_id""",
)
RELAY_CURSORS = Derived(
    "relay_cursors",
    ("shard",),
    "SELECT shard, position FROM relay_cursors",
    f"""SELECT each.shard::smallint AS shard, least(greatest(relay_cursors.position, 0), coalesce(last.position, 0)) AS position
        FROM {_SHARDS} AS each (shard) {_LAST} LEFT JOIN relay_cursors ON relay_cursors.shard = each.shard""",  # noqa: S608
)
DOCUMENTS = Derived(
    "documents",
    ("sha256",),
    "SELECT sha256, sha256 AS content FROM documents",
    "SELECT sha256, sha256(content) AS content FROM documents",
)
OWN = (HEADS, STREAMS, OUTCOMES, RELAY_CURSORS, DOCUMENTS)


def cursors(service: str, source: str) -> Derived:
    """How far a service has taken what a source recorded. The ledger has an entry of each event."""
    line = f"source = '{source}'"
    lines = f"SELECT shard, position FROM inbox_cursors WHERE {line}"  # noqa: S608
    if service == LEDGER:
        entered = f"SELECT shard, max(position) AS position FROM entries WHERE {line} GROUP BY shard"  # noqa: S608
        both = "shard, coalesce(entered.position, 0) AS position"
        lines = f"SELECT {both} FROM ({lines}) AS said FULL JOIN ({entered}) AS entered USING (shard)"  # noqa: S608
    return Derived(
        "inbox_cursors",
        ("source", "shard"),
        f"SELECT source, shard, position, chain_hash FROM inbox_cursors WHERE {line}",  # noqa: S608
        f"""SELECT '{source}' AS source, said.shard, least(said.position, last.position) AS position, last.chain_hash FROM ({lines}) AS said
            LEFT JOIN LATERAL (
                SELECT position, chain_hash FROM "{source}".events WHERE events.shard = said.shard AND events.position <= said.position
                UNION ALL SELECT 0, {_NOTHING} ORDER BY position DESC LIMIT 1) AS last ON true
            WHERE said.shard IN (SELECT shard FROM "{source}".heads)""",  # noqa: S608
    )


def parked(source: str) -> Derived:
    """What is put aside is an event of its source."""
    return Derived(
        "parked",
        ("source", "shard", "position"),
        f"SELECT source, shard, position, stream FROM parked WHERE source = '{source}'",  # noqa: S608
        f"""SELECT source, shard, position, events.stream FROM parked JOIN "{source}".events USING (shard, position)
            WHERE source = '{source}'""",  # noqa: S608
    )


def gone(service: str, source: str) -> Mapping[str, str]:
    """By table, a query for the rows that its events speak of, and that it does not have: each with its key and why. They are listed."""
    return {
        "inbox_cursors": f"""SELECT '{source}, ' || taken AS key, min(causation_id)
                || ' has its effect: the line stands still at its first event, or the row was taken away' AS why
            FROM (SELECT causation_id, split_part(causation_id, '/', 2) AS taken FROM events
                  WHERE causation_id ~ '^{source}(~[0-9]+)?/[0-9]+/[0-9]+$') AS caused
            WHERE taken NOT IN (SELECT shard::text FROM inbox_cursors WHERE source = '{source}') GROUP BY taken ORDER BY taken""",  # noqa: S608
        "parked": f"""SELECT data ->> 'place' AS key,
                'it was put aside at ' || position || ': it is being taken, or the row was taken away' AS why
            FROM (SELECT position, type, data::jsonb AS data, lead(type) OVER (
                      PARTITION BY data::jsonb ->> 'line', data::jsonb ->> 'stream' ORDER BY position) AS next
                  FROM events WHERE type ~ '^{service}[.](message_parked|messages_unparked)[.]') AS said
            WHERE type ~ '[.]message_parked[.]' AND next IS NULL AND data ->> 'line' ~ '^{source}/'
            AND NOT EXISTS (SELECT FROM parked
                WHERE parked.source || '/' || parked.shard = said.data ->> 'line' AND parked.stream = said.data ->> 'stream')
            ORDER BY position""",  # noqa: S608
    }


async def look_at_tables(connection: Connection, findings: Findings, sources: Mapping[str, Sequence[str]]) -> None:
    """As of one moment. `sources`: of each service, those that it takes events of. Raises `COULD_NOT_RUN`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for service, taken in sources.items():
            await connection.execute(f'SET LOCAL search_path = "{service}"')
            for derived in (*OWN, *(each for source in taken for each in (cursors(service, source), parked(source)))):
                with tried(findings, Check.KEPT_TABLES, f"{service}.{derived.table}"):
                    async with connection.transaction():
                        await _look(connection, findings, service, derived)
            for table, query in [each for source in taken if service != LEDGER for each in gone(service, source).items()]:
                with tried(findings, Check.KEPT_TABLES, f"{service}.{table}"):
                    async with connection.transaction():
                        for row in await connection.fetch(query):
                            place = f"{service}.{table} {row['key']}"
                            findings.list_it(Check.KEPT_TABLES, place, f"has no such row, and {row['why']}")
            if service in DOCUMENTS_OF:
                with tried(findings, Check.KEPT_TABLES, f"{service}.documents"):
                    async with connection.transaction():
                        await _look_for_documents(connection, findings, service)


@contextmanager
def tried(findings: Findings, check: Check, place: str) -> Iterator[None]:
    """A table that is gone, or is not as it was made, is a failure there, and the next one is looked at. Raises `COULD_NOT_RUN`."""
    try:
        yield
    except COULD_NOT_RUN:
        raise
    except asyncpg.PostgresError as error:
        findings.look(check, False, place, f"cannot be looked at: {error}")


async def _look_for_documents(connection: Connection, findings: Findings, service: str) -> None:
    """Those that its events stand on are kept, by it and by the ledger, whose copy is what a service that has lost one gets back. The
    ledger keeps those of the events that it has taken."""
    documents_of = DOCUMENTS_OF[service]
    codec = CODECS[service]
    named: dict[str, dict[bytes, str]] = {service: {}, LEDGER: {}}
    kinds = naming_documents(service)
    query = """SELECT events.shard, events.position, type, data, events.position <= coalesce(taken.position, 0) AS entered
               FROM events LEFT JOIN ledger.inbox_cursors AS taken ON taken.shard = events.shard AND taken.source = $2
               WHERE regexp_replace(type, '[.]v[0-9]+$', '') = ANY ($1)"""
    async for row in connection.cursor(query, sorted(kinds), service):
        place = f"{service}/{row['shard']}/{row['position']}"
        try:
            names = [bytes.fromhex(name) for name in documents_of(codec.decode(row["type"], row["data"].encode()))]
        except (UnknownType, LookupError, TypeError, AttributeError, ValueError) as error:
            findings.look(Check.KEPT_TABLES, False, place, f"does not say which documents it stands on: {error}")
            continue
        for keeper in (service, LEDGER) if row["entered"] else (service,):
            for name in names:
                named[keeper].setdefault(name, place)
    for keeper, those in named.items():
        kept = await connection.fetch(f'SELECT sha256 FROM "{keeper}".documents WHERE sha256 = ANY ($1)', list(those))  # noqa: S608
        for name in those.keys() - {row["sha256"] for row in kept}:
            what = f"has no such row, and {those[name]} stands on it"
            findings.look(Check.KEPT_TABLES, False, f"{keeper}.documents {name.hex()}", what)
        findings.looked(Check.KEPT_TABLES, len(kept))


def naming_documents(service: str) -> set[str]:
    """The types of its events, without their versions, that may name a document."""
    return {kind.rpartition(".")[0] for kind, event in CODECS[service].classes.items() if not _NAMES.isdisjoint(event.__struct_fields__)}


async def _look(connection: Connection, findings: Findings, service: str, derived: Derived) -> None:
    same = " AND ".join(f"said.{each} = follows.{each}" for each in derived.key)
    key = ", ".join(f"coalesce(said.{each}, follows.{each})" for each in derived.key)
    rows = await connection.fetch(
        f"""SELECT to_jsonb(said)::text AS said, to_jsonb(follows)::text AS follows
            FROM ({derived.said}) AS said FULL JOIN ({derived.follows}) AS follows ON {same}
            WHERE said IS DISTINCT FROM follows ORDER BY {key} LIMIT {MOST_SHOWN}"""  # noqa: S608
    )
    count = await connection.fetchval(f"SELECT count(*) FROM ({derived.said}) AS said")  # noqa: S608
    findings.looked(Check.KEPT_TABLES, count)
    for row in rows:
        said, follows = _row(row["said"]), _row(row["follows"])
        key = ", ".join(str((said or follows)[each]) for each in derived.key)
        for column, what in _differences(said, follows):
            findings.look(Check.KEPT_TABLES, False, f"{service}.{derived.table} {key}{column}", what)


def _row(text: str | None) -> dict[str, Any]:
    return {} if text is None else msgspec.json.decode(text)


def _differences(said: dict[str, Any], follows: dict[str, Any]) -> list[tuple[str, str]]:
    """(", column", what is wrong with it) of each; of a whole row, no column."""
    if not said:
        return [("", f"has no such row, and the events give {follows}")]
    if not follows:
        return [("", f"says {said}, and no event gives such a row")]
    return [(f", {name}", f"says {said[name]}, and the events give {follows[name]}") for name in said if said[name] != follows[name]]
