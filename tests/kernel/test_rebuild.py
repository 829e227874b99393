"""A rebuild gives what the live read tables hold, or says where they differ, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from shared.process.rebuild import Difference, rebuild_and_compare, rebuild_and_swap
from shared.process.service import Service
from tests.kernel.counter import counter_service
from tests.kernel.parking import park
from tests.kernel.stage import Stage, until
from tests.kernel.tally import UNLUCKY, tally_service


@pytest.fixture(scope="module")
async def recorded(stage: Stage) -> AsyncIterator[tuple[Service, Service]]:
    """A counter, and a tally that has taken what the counter recorded."""
    source, sink = stage.name("counter"), stage.name("tally")
    counting, tallying = counter_service(source), tally_service(sink, source)
    async with stage.serving(counting) as counter, stage.serving(tallying) as tally:
        for amount in (1, 2, 3):
            for name in ("a", "b"):
                assert (await counter.post("/v1/counters", {"counter": name, "amount": amount})).status_code == 201

        async def taken() -> bool:
            answers = [await tally.http.get(f"/v1/tallies/{name}") for name in ("a", "b")]
            return [answer.json() for answer in answers] == [[1, 2, 3], [1, 2, 3]]

        await until(taken)
        async with stage.sql(sink) as sql:
            await until(lambda: sql.fetchval("SELECT count(*) = 6 FROM seen"))
    yield counting, tallying


async def test_tables_fed_by_own_and_by_foreign_events_come_out_as_they_are(recorded: tuple[Service, Service], stage: Stage) -> None:
    counting, tallying = recorded
    for service in (counting, tallying):
        compared = await rebuild_and_compare(service, stage.database_url)
        assert {each.table for each in compared} == set(service.tables.tables)
        assert all(each.equal for each in compared), compared
    assert {each.table: each.rows for each in await rebuild_and_compare(tallying, stage.database_url)} == {"seen": 6, "tallies": 6}


async def test_a_row_that_was_changed_or_added_behind_the_journals_back_is_shown(recorded: tuple[Service, Service], stage: Stage) -> None:
    _, tallying = recorded
    async with stage.sql(tallying.name) as sql:
        await sql.execute("INSERT INTO seen VALUES ('elsewhere/0/1', 'counter.added.v1')")
        try:
            [seen] = [each for each in await rebuild_and_compare(tallying, stage.database_url) if each.table == "seen"]
        finally:
            await sql.execute("DELETE FROM seen WHERE place = 'elsewhere/0/1'")
    [found] = seen.differences
    assert (seen.equal, found.key, found.column, found.rebuilt) == (False, "elsewhere/0/1", None, None)
    assert found.live is not None and "counter.added.v1" in found.live


async def test_a_column_that_was_changed_is_named_with_what_it_says_and_what_the_events_give(
    recorded: tuple[Service, Service], stage: Stage
) -> None:
    counting, _ = recorded
    async with stage.sql(counting.name) as sql:
        true = await sql.fetchval("SELECT total FROM counters WHERE id = 'a'")
        await sql.execute("UPDATE counters SET total = 1000000 WHERE id = 'a'")
        try:
            compared = await rebuild_and_compare(counting, stage.database_url)
        finally:
            await sql.execute("UPDATE counters SET total = $1 WHERE id = 'a'", true)
    [counters] = [each for each in compared if not each.equal]
    assert (counters.table, counters.differences) == ("counters", (Difference("a", "total", "1000000", str(true)),))


async def test_a_service_that_keeps_all_its_tables_has_nothing_to_compare(recorded: tuple[Service, Service], stage: Stage) -> None:
    _, tallying = recorded

    async def refuse(*_: object) -> None:
        raise AssertionError("nothing is replayed")

    keeping = msgspec.structs.replace(tallying, kept=tuple(tallying.tables.tables), project=refuse)
    assert await rebuild_and_compare(keeping, stage.database_url) == []


async def test_nothing_of_a_rebuild_stays(recorded: tuple[Service, Service], stage: Stage) -> None:
    _, tallying = recorded
    await rebuild_and_compare(tallying, stage.database_url)
    async with stage.sql() as sql:
        assert not await sql.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE '%rebuilt')")


async def test_a_swap_repairs_the_tables_while_writes_go_on(stage: Stage) -> None:
    source, sink = stage.name("counter"), stage.name("tally")
    counting, tallying = counter_service(source), tally_service(sink, source)
    async with stage.serving(counting) as counter, stage.serving(tallying) as tally:
        written = 0
        going_on = True

        async def write() -> None:
            nonlocal written
            while going_on:
                answer = await counter.post("/v1/counters", {"counter": f"c{written % 5}", "amount": 1})
                assert answer.status_code == 201, answer.text
                written += 1

        async def all_taken() -> bool:
            async with stage.sql(sink) as sql:
                return bool(await sql.fetchval("SELECT count(*) = $1 FROM seen", written))

        writing = asyncio.gather(*(write() for _ in range(4)))
        await until(lambda: written > 20)
        async with stage.sql(source) as sql:
            indexes = await sql.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = $1 ORDER BY 1", source)
            await sql.execute("UPDATE counters SET total = 1000000 WHERE id = 'c1'")
            await sql.execute("DELETE FROM entries WHERE counter = 'c2'")
        assert not all(each.equal for each in await rebuild_and_compare(counting, stage.database_url))
        for service in (counting, tallying):
            rows = await rebuild_and_swap(service, stage.database_url)
            assert rows.keys() == service.tables.tables.keys() and all(rows.values())
        before = written
        await until(lambda: written > before + 20)
        going_on = False
        await writing
        await until(all_taken)
        for service in (counting, tallying):
            compared = await rebuild_and_compare(service, stage.database_url)
            assert all(each.equal for each in compared), compared
        async with stage.sql(source) as sql:
            assert await sql.fetchval("SELECT sum(total) FROM counters") == written
            assert await sql.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = $1 ORDER BY 1", source) == indexes
            assert not await sql.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE $1)", f"{source}\\_%")
        assert await counter.ready() == await tally.ready() == []


async def test_a_swap_leaves_out_what_is_parked(stage: Stage) -> None:
    source, sink = stage.name("counter"), stage.name("tally")
    counting, tallying = counter_service(source), tally_service(sink, source)
    async with stage.serving(counting) as counter, stage.serving(tallying) as tally:
        answer = await counter.post("/v1/counters", {"counter": "a", "amount": UNLUCKY})
        shard = answer.headers["Reserve-Position"].split("/")[1]
        await until(tally.ready)
        async with stage.client(str(tally.http.base_url), "admin-1") as admin:
            assert (await park(admin, f"/v1/inbox/{source}/{shard}")).status_code == 200
        assert await rebuild_and_swap(tallying, stage.database_url) == {"seen": 0, "tallies": 0}
