"""A rebuild gives what the live read tables hold, or says where they differ, and leaves nothing behind."""

from collections.abc import AsyncIterator

import pytest
from counter import counter_service
from stage import Stage, until
from tally import tally_service

from shared.rebuild import rebuild_and_compare
from shared.service import Service


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
    assert (seen.equal, seen.only_live, seen.only_rebuilt) == (False, ("(elsewhere/0/1,counter.added.v1)",), ())


async def test_nothing_of_a_rebuild_stays(recorded: tuple[Service, Service], stage: Stage) -> None:
    _, tallying = recorded
    await rebuild_and_compare(tallying, stage.database_url)
    async with stage.sql() as sql:
        assert not await sql.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE '%rebuilt')")
