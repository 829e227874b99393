"""A service in its second history, as a restore of everything leaves it: what it records is never taken for what was lost."""

import pytest

from shared.journal.messages import Headed, from_feed, from_message
from shared.journal.record import chain_hash, event_hash, hashed_bytes
from tests.kernel.pair import Pair, add, in_kafka
from tests.kernel.stage import Stage


@pytest.fixture
def pair(stage: Stage) -> Pair:
    return Pair(stage)


async def begin_history(pair: Pair, number: int) -> None:
    """After what each shard has now, in the schemas of both, as `reserve restore` does."""
    async with pair.stage.sql(pair.source.name) as sql:
        ends = await sql.fetch("SELECT shard, position FROM heads")
        for schema in (pair.source.name, pair.sink.name):
            rows = [(number, pair.source.name, shard, position + 1) for shard, position in ends]
            await sql.executemany(f"INSERT INTO {schema}.histories VALUES ($1, $2, $3, $4)", rows)


async def test_events_of_a_second_history_are_named_so_wherever_they_go(pair: Pair) -> None:
    async with pair.tally(), pair.counter() as counter:
        old = await add(counter, 1)
        await pair.sees(1)
    await begin_history(pair, 2)
    service, shard, position = old.split("/")
    async with pair.tally() as tally, pair.counter() as counter:
        new = await add(counter, 2)
        assert new == f"{service}~2/{shard}/{int(position) + 1}"
        await pair.sees(2)
        assert await pair.seen() == [old, new]
        message = (await in_kafka(pair.stage, pair.source, int(shard)))[1]
        assert dict(message.headers)["ce_id"].decode() == new
        first, second = [headed.record for headed in await taken_from(pair, int(shard))]
        assert (first.history, second.history) == (1, 2)
        assert b'"history":2' in hashed_bytes(second) and b"history" not in hashed_bytes(first)
        assert from_message(message.headers, message.value, source=service, shard=int(shard)).record == second
        assert second.event_hash == event_hash(second.salt, hashed_bytes(second))
        assert second.chain_hash == chain_hash(first.chain_hash, second.event_hash)
        # What was lost is not waited for, and what was not there before is not taken for it: by the service, and by its reader.
        for lost in (f"{service}/{shard}/{int(position) + 1}", f"{service}~2/{shard}/{position}", f"{service}~3/{shard}/{position}"):
            for asked, path in ((counter, "/v1/counters/a"), (tally, "/v1/tallies/a")):
                refused = await asked.http.get(path, params={"at_least": lost})
                assert (refused.status_code, refused.json()["code"]) == (400, "position_unknown")
        for known in (old, new):
            assert (await counter.http.get("/v1/counters/a", params={"at_least": known})).json()["total"] == 3


async def test_the_command_of_a_reaction_is_another_one_in_another_history(pair: Pair) -> None:
    """At the position of an event that was lost, and to which a reaction had been committed, there is another event now. Kafka, which is of
    before, still has the one that was lost: it would follow, and is passed over."""
    async with pair.tally(), pair.counter() as counter:
        await add(counter, 1)
        await add(counter, 2)
        await pair.sees(2)
    await pair.restore_source()
    async with pair.stage.sql(pair.sink.name) as sql:
        await sql.execute(
            f"""UPDATE inbox_cursors SET position = 1, kafka_offset = 0,
                chain_hash = (SELECT chain_hash FROM {pair.source.name}.events) WHERE position > 0"""
        )
    await begin_history(pair, 2)
    async with pair.tally(), pair.counter() as counter:
        await add(counter, 4)
        await pair.sees(3)
    assert await pair.amounts() == [1, 2, 4]


async def taken_from(pair: Pair, shard: int) -> list[Headed]:
    """From its feed, with every hash checked."""
    async with pair.stage.client(pair.stage.urls[pair.source.name], "auditor-1") as auditor:
        answer = await auditor.get("/v1/journal", params={"shard": shard})
    assert "history" not in answer.json()["records"][0], "the first history's feed is as it was"
    return from_feed(answer.content)
