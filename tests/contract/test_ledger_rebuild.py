"""The ledger's own tables, made anew from the journals: whatever was changed in them by hand is named, and can be put right."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import typer

from reserve.commands.rebuild import swap
from services.registry import service
from shared.process.rebuild import SHOWN, Compared, OrderLost, rebuild_and_compare, rebuild_and_swap
from tests.contract.ledger_stage import LedgerStage, receipts_of
from tests.stories.stockpile import lot

CHANGES = {  # of a column: what makes it another value
    "bytea": "{0} || '\\x00'",
    "character varying": "{0} || '~'",
    "text": "{0} || '~'",
    "bigint": "{0} + 1000000",
    "smallint": "{0} + 9",
    "date": "{0} - 30",
    "timestamp with time zone": "{0} - interval '30 days'",
    "jsonb": """{0} || '{{"inventory/9": 1}}'""",
}


@asynccontextmanager
async def by_hand(stage: LedgerStage) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """As the database's owner, who can turn off what keeps entries append-only. Nothing of it stays."""
    connection = await asyncpg.connect(stage.settings("ledger").database_owner_url, server_settings={"search_path": "ledger"})
    try:
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def compared(stage: LedgerStage) -> list[Compared]:
    return await rebuild_and_compare(service("ledger"), stage.settings("ledger").database_owner_url)


@pytest.fixture(scope="module")
async def recorded(stage: LedgerStage) -> AsyncIterator[LedgerStage]:
    """A ledger that has stopped, with something in each of its tables that a history has."""
    async with stage.ledger(), stage.client("auditor-1") as auditor:
        await receipts_of(auditor, await stage.happen(lot("lot_rebuilt", 3)))
    yield stage


async def columns(stage: LedgerStage) -> list[tuple[str, str, str]]:
    """(table, column, type) of all that there is a row of."""
    async with by_hand(stage) as owner:
        rows = await owner.fetch(
            """SELECT table_name, column_name, data_type FROM information_schema.columns
               WHERE table_schema = 'ledger' AND table_name = ANY ($1) ORDER BY 1, 2""",
            sorted({"log_head", "entries", "postings", "balances", "checkpoints"}),
        )
        return [(row["table_name"], row["column_name"], row["data_type"]) for row in rows]


async def test_all_of_its_tables_come_out_as_they_are(recorded: LedgerStage) -> None:
    found = await compared(recorded)
    of_the_log = {"log_head", "entries", "postings", "balances", "flags", "checkpoints", "witnessed"}
    assert {each.table for each in found} == of_the_log | {"webhooks"}
    assert [each for each in found if not each.equal] == []
    assert {each.table for each in found if each.rows} >= {"log_head", "entries", "postings", "balances", "checkpoints"}


async def test_each_column_that_is_changed_by_hand_is_named_at_its_row(recorded: LedgerStage) -> None:
    unnamed = []
    async with by_hand(recorded) as owner:
        for table, column, kind in await columns(recorded):
            filled = f"{table} WHERE {column} IS NOT NULL"
            change = CHANGES[kind].format(column)
            if await owner.fetchval(f"SELECT count(*) FROM {filled}") == 0:
                change, filled = "'JP'", table
            await owner.execute(f"CREATE TABLE kept_aside AS SELECT * FROM {table}")
            try:
                one = f"SELECT ctid FROM {filled} ORDER BY 1 DESC LIMIT 1"
                try:
                    await owner.execute(f"UPDATE {table} SET {column} = {change} WHERE ctid = ({one})")
                except asyncpg.CheckViolationError:
                    continue  # it can have no other value
                named = {(each.table, found.column) for each in await compared(recorded) for found in each.differences}
            finally:
                await owner.execute(f"DELETE FROM {table}")
                await owner.execute(f"INSERT INTO {table} SELECT * FROM kept_aside")
                await owner.execute("DROP TABLE kept_aside")
            if {each for each, _ in named} != {table} or ((table, column) not in named and (table, None) not in named):
                unnamed.append((table, column, named))
    assert unnamed == []
    assert [each for each in await compared(recorded) if not each.equal] == []


@pytest.mark.parametrize("lost", ["leaf_index > 1", "leaf_index = 1", "true"])
async def test_entries_that_were_deleted_are_named_and_no_guess_of_their_order_is_swapped_in(
    recorded: LedgerStage, lost: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The last ones too, after which nothing says that there were any but how far each line was taken."""
    url = recorded.settings("ledger").database_owner_url
    async with by_hand(recorded) as owner:
        await owner.execute("CREATE TABLE kept_aside AS SELECT * FROM entries")
        deleted = await owner.fetch(f"DELETE FROM entries WHERE {lost} RETURNING leaf_index, source, shard, position")
        assert deleted
        try:
            [entries] = [each for each in await compared(recorded) if each.table == "entries"]
            named = {json.loads(each.rebuilt)["leaf_index"] for each in entries.differences if each.live is None and each.rebuilt}
            missing = {row["leaf_index"] for row in deleted}
            assert named <= missing and len(named) == min(len(missing), SHOWN)
            with pytest.raises(OrderLost, match="entries are missing"):
                await rebuild_and_swap(service("ledger"), url)
            monkeypatch.setenv("DATABASE_OWNER_URL", url)
            with pytest.raises(typer.Exit) as left:
                await asyncio.to_thread(swap, "ledger", tmp_path)
            assert left.value.exit_code == 1 and "nothing was swapped" in capsys.readouterr().err
            assert await owner.fetchval("SELECT count(*) FROM entries") == await owner.fetchval("SELECT count(*) FROM kept_aside") - len(
                deleted
            )
        finally:
            await owner.execute("DELETE FROM entries")
            await owner.execute("INSERT INTO entries SELECT * FROM kept_aside")
            await owner.execute("DROP TABLE kept_aside")
    assert [each for each in await compared(recorded) if not each.equal] == []


async def test_a_swap_puts_right_what_was_changed_and_stays_append_only(recorded: LedgerStage) -> None:
    async with by_hand(recorded) as owner:
        await owner.execute("UPDATE entries SET partner = 'US', effective_on = effective_on - 30 WHERE leaf_index = 1")
        await owner.execute("UPDATE balances SET posted_g = posted_g + 1600000000")
    assert {each.table for each in await compared(recorded) if not each.equal} == {"entries", "balances"}
    rows = await rebuild_and_swap(service("ledger"), recorded.settings("ledger").database_owner_url)
    assert rows["entries"] > 0
    assert [each for each in await compared(recorded) if not each.equal] == []
    connection = await asyncpg.connect(recorded.settings("ledger").database_owner_url, server_settings={"search_path": "ledger"})
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("UPDATE entries SET partner = 'US'")
    finally:
        await connection.close()
    async with recorded.ledger(), recorded.client("auditor-1") as auditor:
        assert await receipts_of(auditor, await recorded.happen(lot("lot_after_swap", 1)))
