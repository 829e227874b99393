"""Everything that is served is compared with the events: what is changed by hand, in any table or tile, is named at its place."""

import random
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import typer

from reserve.audit.report import IN_A_BUNDLE, IN_THE_DATABASE, Check, Findings, joined
from reserve.audit.tables import look_at_tables
from reserve.commands.audit import _with_served
from reserve.operate.served import look_at_logs, look_at_served
from services.ledger.histories import tiles_of
from services.registry import JOURNALED, service
from shared.engines.engines import engines
from shared.engines.postgres_tools import run_tool
from tests.e2e.auditing import a_dispatch, audited
from tests.e2e.lending import something_of_each
from tests.e2e.world import World
from tests.waiting import until

type Connection = asyncpg.Connection[asyncpg.Record]

TRUE = "as_it_was"
SEED = 20261201
CHANGES = {  # of a column's type: what makes it another value
    "bytea": "{0} || '\\x00'",
    "character varying": "{0} || '~'",
    "text": "{0} || '~'",
    "bigint": "{0} + 1000003",
    "integer": "{0} + 103",
    "smallint": "{0} + 7",
    "numeric": "{0} + 7",
    "double precision": "{0} + 7",
    "boolean": "NOT {0}",
    "date": "{0} - 30",
    "timestamp with time zone": "{0} - interval '30 days'",
    "jsonb": """jsonb_build_array({0}, 'by hand')""",
    "json": """json_build_array({0}, 'by hand')""",
    "ARRAY": "{0} || {0}[1:1] || ARRAY['by hand']",
}
KEPT = {  # beside events: the columns that follow from these
    "heads": ("position", "chain_hash", "recorded_at"),
    "streams": ("stream", "shard"),
    "outcomes": ("shard", "first_position", "events", "stream", "version"),
    "inbox_cursors": ("position", "chain_hash"),
    "relay_cursors": ("position",),
    "documents": ("content",),
}


@pytest.fixture(scope="module")
async def history(world: World) -> World:
    """In which something of each kind has happened, and is everywhere."""
    await a_dispatch(world)
    await something_of_each(world)

    async def covered() -> bool:
        return (await audited(world)).beyond == 0

    await until(covered)
    return world


async def test_all_that_a_true_history_serves_is_what_its_events_give(history: World) -> None:
    findings = Findings()
    await look_at_served(findings, engines(history.running.folder).database_url, history.running.folder)
    results = findings.results(IN_THE_DATABASE)
    assert [(result.check, result.failures) for result in results if result.failed] == []
    assert all(result.checked for result in results)
    report = joined(await audited(history), findings, IN_THE_DATABASE)
    assert report.ok and {result.check for result in report.checks} == {check.name.lower() for check in Check if check not in IN_A_BUNDLE}


@pytest.fixture(scope="module")
async def copied(history: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Copied"]:
    folder = tmp_path_factory.mktemp("served")
    copied = Copied(engines(history.running.folder).database_url, folder)
    schemas = [f"--schema={name}" for name in JOURNALED]
    await run_tool("pg_dump", *schemas, f"--file={folder / 'all.sql'}", url=copied.server)
    await copied.make(TRUE)
    await run_tool("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(folder / "all.sql"), url=copied.url(TRUE))
    shutil.copytree(history.running.folder / "ledger", folder / "ledger")
    yield copied
    await copied.drop(TRUE)


class Copied:
    """The history in a database and a folder where nothing serves, so that anything may be changed."""

    def __init__(self, server: str, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def url(self, name: str) -> str:
        return f"{self.server.rpartition('/')[0]}/{name}"

    async def make(self, name: str, template: str = "template0") -> None:
        await self._do(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    async def drop(self, name: str) -> None:
        await self._do(f'DROP DATABASE IF EXISTS "{name}"')

    async def _do(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def changed(self) -> AsyncIterator[Connection]:
        """Of a copy, as its owner, who can turn off what keeps events append-only."""
        await self.make("by_hand", TRUE)
        connection = await asyncpg.connect(self.url("by_hand"))
        try:
            await connection.execute("SET session_replication_role = replica")
            yield connection
        finally:
            await connection.close()
            await self.drop("by_hand")

    async def places(self) -> set[str]:
        """Where something is found: "inventory.lots lot_1, depot"."""
        findings = Findings()
        await look_at_served(findings, self.url("by_hand"), self.folder)
        return {failure.place for result in findings.results(IN_THE_DATABASE) for failure in result.failures}


async def change_one(connection: Connection, chance: random.Random, table: str, names: Collection[str]) -> str | None:
    """Another value in a column of a row. Gives the column; None: there is no row, or it can have no other value."""
    schema, _, name = table.partition(".")
    rows = await connection.fetch(
        """SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2
           ORDER BY ordinal_position""",
        schema,
        name,
    )
    column, kind = chance.choice([tuple(row.values()) for row in rows if not names or row["column_name"] in names])
    # What a command answered that has recorded nothing, only its outcome says.
    those = f'{table} WHERE "{column}" IS NOT NULL' + (" AND events > 0" if name == "outcomes" else "")
    count = await connection.fetchval(f"SELECT count(*) FROM {those}")
    if not count:
        return None
    one = f"SELECT ctid FROM {those} ORDER BY ctid LIMIT 1 OFFSET {chance.randrange(count)}"
    other = CHANGES[kind].format(f'"{column}"')
    try:
        await connection.execute(f'UPDATE {table} SET "{column}" = {other} WHERE ctid = ({one})')
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError):
        return None
    return str(column)


@pytest.mark.parametrize("number", range(4))
async def test_a_column_of_each_table_that_is_read_is_found_where_it_was_changed(copied: Copied, number: int) -> None:
    chance = random.Random(SEED + number)  # noqa: S311
    async with copied.changed() as connection:
        changed = {
            table: column
            for name in JOURNALED
            for each in service(name).read_tables
            if each.name not in service(name).kept
            for table in [f"{name}.{each.name}"]
            if (column := await change_one(connection, chance, table, ())) is not None
        }
        places = await copied.places()
    assert len(changed) > 50
    assert [(table, column) for table, column in changed.items() if not _is_named(places, table, column)] == []
    tables = {place.partition(" ")[0] for place in places if "tile/" not in place}  # an entry's leaf is in tiles, too
    assert tables == changed.keys(), "nothing else is said to be wrong"


def _is_named(places: Collection[str], table: str, column: str) -> bool:
    """The column; or the row, whose key it is."""
    of_table = [place for place in places if place.startswith(f"{table} ")]
    return any(place.endswith(f", {column}") for place in of_table) or len(of_table) >= 2


async def test_where_a_service_reads_on_is_missed_where_its_row_is_gone(copied: Copied) -> None:
    """The ledger has an entry of all that it took. Another service may have no row yet, though something follows: that is listed."""
    async with copied.changed() as connection:
        gone = await connection.fetch("DELETE FROM ledger.inbox_cursors WHERE source = 'inventory' RETURNING shard")
        await connection.execute("DELETE FROM inventory.inbox_cursors WHERE source = 'allocation'")
        findings = Findings()
        await look_at_tables(connection, findings, {"ledger": ["inventory", "loans"], "inventory": ["allocation"]})
    [result] = findings.results([Check.KEPT_TABLES])
    assert {each.place for each in result.failures} == {f"ledger.inbox_cursors inventory, {row['shard']}" for row in gone}
    assert {each.place.rpartition(",")[0] for each in result.listed} == {"inventory.inbox_cursors allocation"}


@pytest.mark.parametrize("number", range(12))
async def test_what_is_kept_beside_events_is_found_where_it_was_changed(copied: Copied, number: int) -> None:
    chance = random.Random(SEED + 100 + number)  # noqa: S311
    async with copied.changed() as connection:
        changed = {
            table: column
            for name in JOURNALED
            for each, columns in KEPT.items()
            for table in [f"{name}.{each}"]
            if (column := await change_one(connection, chance, table, columns)) is not None
        }
        findings = Findings()
        await look_at_tables(connection, findings, {name: [each.source for each in service(name).subscriptions] for name in JOURNALED})
    places = {failure.place for result in findings.results(IN_THE_DATABASE) for failure in result.failures}
    assert len(changed) > 15
    assert [(table, column) for table, column in changed.items() if not _is_named(places, table, column)] == []


async def test_a_tile_of_any_level_is_found_where_it_was_changed(copied: Copied) -> None:
    chance = random.Random(SEED)  # noqa: S311
    files = sorted(file for file in tiles_of(copied.folder).rglob("*") if file.is_file())
    assert {file.relative_to(tiles_of(copied.folder) / "tile").parts[0] for file in files} >= {"entries", "0"}
    async with copied.changed():
        for file in chance.sample(files, min(len(files), 12)):
            true = file.read_bytes()
            at = chance.randrange(len(true))
            for other in (true[:at] + bytes([true[at] ^ 1]) + true[at + 1 :], true[:at], true + b"\x00"):
                file.write_bytes(other)
                findings = Findings()
                connection = await asyncpg.connect(copied.url("by_hand"))
                await look_at_logs(connection, findings, copied.folder)
                await connection.close()
                [found] = [result.failures for result in findings.results([Check.TILES])]
                assert str(file) in {failure.place for failure in found}, (file, found)
            file.write_bytes(true)


async def test_the_ledger_is_asked_only_for_documents_of_events_that_it_has_taken(copied: Copied) -> None:
    """A running system: an event is recorded, and the ledger takes it a moment later."""
    sources = {name: [each.source for each in service(name).subscriptions] for name in JOURNALED}

    async def missed(connection: Connection) -> set[str]:
        findings = Findings()
        await look_at_tables(connection, findings, sources)
        return {failure.place for each in findings.results(IN_THE_DATABASE) for failure in each.failures if "documents" in failure.place}

    async with copied.changed() as connection:
        assert await missed(connection) == set()
        gone = await connection.fetch("DELETE FROM ledger.documents RETURNING sha256")
        assert await missed(connection) == {f"ledger.documents {row['sha256'].hex()}" for row in gone}
        await connection.execute("UPDATE ledger.inbox_cursors SET position = 0 WHERE source IN ('allocation', 'loans')")
        assert await missed(connection) == set()


async def test_a_table_that_is_gone_is_a_finding(copied: Copied) -> None:
    async with copied.changed() as connection:
        await connection.execute("DROP TABLE inventory.relay_cursors, inventory.lots, ledger.checkpoints CASCADE")
        places = await copied.places()
    assert places >= {"inventory.relay_cursors", "inventory.heads", "inventory", "ledger", "ledger.entries"}
    assert not {place for place in places if place.startswith(("loans", "allocation"))}


async def test_an_event_that_says_a_number_for_a_document_is_a_finding_at_its_place(copied: Copied) -> None:
    async with copied.changed() as connection:
        [row] = await connection.fetch(
            """UPDATE allocation.events SET data = jsonb_set(data::jsonb, '{command,document}', '7')::json
               WHERE ctid = (SELECT ctid FROM allocation.events WHERE type LIKE 'allocation.command_proposed.v_' LIMIT 1)
               RETURNING shard, position"""
        )
        places = await copied.places()
    assert f"allocation/{row['shard']}/{row['position']}" in places


async def test_tiles_that_are_all_gone_are_missed(copied: Copied, tmp_path: Path) -> None:
    async with copied.changed():
        findings = Findings()
        await look_at_served(findings, copied.url("by_hand"), tmp_path)
    [found] = [result.failures for result in findings.results([Check.TILES])]
    assert [failure.place for failure in found] == [str(tiles_of(tmp_path))]


async def test_a_database_that_does_not_answer_is_no_finding(
    copied: Copied, history: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It lets nobody in, or has no room: for the first connection, or for one of those that a rebuild needs."""
    report = await audited(history)
    async with copied.changed() as connection:
        for most in (0, 1):
            await connection.execute(f"CREATE ROLE crowded LOGIN PASSWORD 'secret' CONNECTION LIMIT {most} IN ROLE pg_read_all_data")
            server = copied.url("by_hand").rpartition("@")[2]
            try:
                monkeypatch.setenv("DATABASE_OWNER_URL", f"postgresql://crowded:secret@{server}")
                with pytest.raises(typer.Exit) as left:
                    await _with_served(report, copied.folder)
            finally:
                await connection.execute("DROP ROLE crowded")
            assert left.value.exit_code == 2
            assert "could not be finished: the database does not answer: too many connections" in capsys.readouterr().err
