"""Served: everything that a deployment serves, compared with its events in its database and folder, by who runs it: nobody else may look.

Tables that are read are made anew and compared. What is kept beside events, and the log's tiles, are held against events and leaves by the
audit's own code.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from reserve.audit.report import Check, Findings
from reserve.audit.tables import COULD_NOT_RUN, look_at_tables, tried
from reserve.audit.tiles import WIDTH, Tiles
from services.ledger.histories import tiles_of
from services.registry import JOURNALED, service
from shared.process.rebuild import Difference, rebuild_and_compare

type Connection = asyncpg.Connection[asyncpg.Record]


async def look_at_served(findings: Findings, owner_url: str, folder: Path) -> None:
    """Raises `COULD_NOT_RUN`, which says nothing of the history. `folder`: with the log's tiles, once it has signed any."""
    services = {name: service(name) for name in JOURNALED}
    async with _connected(owner_url) as connection:
        await look_at_tables(
            connection, findings, {name: [each.source for each in found.subscriptions] for name, found in services.items()}
        )
        with tried(findings, Check.TILES, "ledger.entries"):
            await look_at_logs(connection, findings, folder)
    for name in JOURNALED:
        await _look_at_read_tables(findings, name, owner_url)


async def _look_at_read_tables(findings: Findings, name: str, owner_url: str) -> None:
    try:
        compared = await rebuild_and_compare(service(name), owner_url)
    except COULD_NOT_RUN:
        raise
    except Exception as error:  # events that were changed may be anything, and no projection is made for that
        if isinstance(error.__context__, COULD_NOT_RUN):  # as what cannot be rolled back, since the connection is gone
            raise error.__context__ from error
        findings.look(Check.READ_TABLES, False, name, f"its tables cannot be made anew from these events: {error!r}")
        return
    for table in compared:
        findings.looked(Check.READ_TABLES, table.rows)
        for each in table.differences:
            where = each.key if each.column is None else f"{each.key}, {each.column}"
            findings.look(Check.READ_TABLES, False, f"{name}.{table.table} {where}", said_of(each))


def said_of(found: Difference) -> str:
    """What is said in a row or column, and what follows from the events."""
    return f"says {found.live or 'nothing'}, and the events give {found.rebuilt or 'no such row'}"


async def look_at_logs(connection: Connection, findings: Findings, folder: Path) -> None:
    """Each history's log. Files are listed before entries are read, which come first."""
    begun = await connection.fetch("SELECT history, begins, leaf FROM ledger.logs ORDER BY history")
    first = [(None, 0, None), *((row["history"], row["begins"], row["leaf"]) for row in begun)]
    for number, (history, begins, leaf) in enumerate(first):
        goes_on = number == len(first) - 1
        ends = None if goes_on else first[number + 1][1]
        signed = await connection.fetchval("SELECT max(size) FROM ledger.checkpoints WHERE $1::bigint IS NULL OR size <= $1", ends) or 0
        if goes_on and signed > begins and not tiles_of(folder).is_dir():
            findings.look(Check.TILES, False, str(tiles_of(folder)), f"is no folder, and {signed - begins} leaves are signed")
            return
        tiles = Tiles(tiles_of(folder) if goes_on else tiles_of(folder, history or 1))
        leaves = _leaves(connection, begins, ends, leaf)
        await tiles.look(findings, leaves, signed=max(0, signed - begins), goes_on=goes_on)


async def _leaves(connection: Connection, begins: int, ends: int | None, first: bytes | None) -> AsyncIterator[Sequence[bytes]]:
    query = "SELECT leaf FROM ledger.entries WHERE leaf_index >= $1 AND ($2::bigint IS NULL OR leaf_index < $2) ORDER BY leaf_index"
    some: list[bytes] = [] if first is None else [first]
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(query, begins, ends, prefetch=5_000):
            some.append(row["leaf"])
            if len(some) == WIDTH:
                yield some
                some = []
    if some:
        yield some


@asynccontextmanager
async def _connected(owner_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(owner_url, server_settings={"jit": "off", "application_name": "reserve-audit"})
    try:
        yield connection
    finally:
        await connection.close()
