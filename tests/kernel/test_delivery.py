"""From one service's journal to another's, over the real Kafka: nothing is skipped or counts twice, and what is wrong stands still."""

from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from shared.journal.messages import topic_of
from shared.journal.record import GENESIS, Record, chain_hash, event_hash, hashed_bytes
from shared.writer.commands import Refusal, Unavailable
from tests.kernel.pair import Pair, add, in_kafka
from tests.kernel.stage import Stage, context, until


@pytest.fixture
def pair(stage: Stage) -> Pair:
    return Pair(stage)


# Nothing is skipped, nothing counts twice


async def test_events_that_are_sent_again_after_a_crash_are_taken_once(pair: Pair) -> None:
    async with pair.tally():
        async with pair.counter() as counter:
            shard = {int((await add(counter, amount)).split("/")[1]) for amount in (1, 2, 3)}.pop()
            await pair.sees(3)
        await pair.relay_cursor(0)  # as if it had crashed between the acknowledgements and the cursor
        async with pair.counter() as counter:

            async def sent_again() -> bool:
                return len(await in_kafka(pair.stage, pair.source, shard)) == 6

            await until(sent_again)
            await add(counter, 4)
            await pair.sees(4)
    assert await pair.amounts() == [1, 2, 3, 4]


async def test_a_gap_in_kafka_is_filled_from_the_sources_journal(pair: Pair) -> None:
    async with pair.tally() as tally, pair.without_relay() as sql, pair.counter() as counter:
        await until(lambda: tally.kernel.inbox.leading)
        tally.kernel.inbox.idle_seconds = 600
        await until(lambda: all(line.compare_at > 0 for line in tally.kernel.inbox.lines.values()))
        positions = [await add(counter, amount) for amount in (1, 2, 3)]
        await pair.relay_cursor(2)
        await sql.execute("SELECT pg_advisory_unlock_all()")
        await pair.sees(3)
        sent = await in_kafka(pair.stage, pair.source, int(positions[0].split("/")[1]))
        assert [dict(message.headers)["ce_id"].decode() for message in sent] == positions[2:]
    assert await pair.amounts() == [1, 2, 3]


async def test_a_tail_that_kafka_has_lost_is_found_by_looking_at_the_source(pair: Pair) -> None:
    async with pair.tally() as tally, pair.without_relay(), pair.counter() as counter:
        await until(lambda: tally.kernel.inbox.leading)
        tally.look_every(0.2)
        for amount in (1, 2):
            await add(counter, amount)
        await pair.sees(2)
    assert await pair.amounts() == [1, 2]


async def test_a_service_that_was_away_takes_all_of_it_in_order(pair: Pair) -> None:
    async with pair.counter() as counter:
        for amount in (1, 2):
            await add(counter, amount)
        async with pair.tally():
            await pair.sees(2)
        for amount in (3, 4):
            await add(counter, amount)
        async with pair.tally():
            await pair.sees(4)
    assert await pair.amounts() == [1, 2, 3, 4]


async def test_what_follows_for_many_streams_is_settled_together_and_for_one_in_order(pair: Pair) -> None:
    names = ["a", "b", "c", "a", "b", "c", "a", "a", "b"]
    async with pair.counter() as counter:
        for amount, name in enumerate(names, 1):
            await add(counter, amount, to=name)
        async with pair.tally():
            await pair.sees(len(names))
    of_each = {name: [amount for amount, each in enumerate(names, 1) if each == name] for name in "abc"}
    recorded = [(record.stream, msgspec.json.decode(bytes(record.data))["amount"]) for record in await pair.stage.records(pair.sink)]
    assert {name: [amount for stream, amount in recorded if stream == f"tally/{name}"] for name in "abc"} == of_each


async def test_a_correlation_runs_from_the_first_request_through_kafka_to_the_last_event(pair: Pair) -> None:
    trace = "ab" * 16
    async with pair.tally(), pair.counter() as counter:
        answer = await counter.post("/v1/counters/a/additions", {"amount": 1}, traceparent=f"00-{trace}-{'1' * 16}-01")
        await pair.sees(1)
        place = answer.headers["Reserve-Position"]
        message = (await in_kafka(pair.stage, pair.source, int(place.split("/")[1])))[0]
    assert dict(message.headers)["traceparent"].decode().split("-")[1] == trace
    record = (await pair.stage.records(pair.sink))[0]
    assert (record.correlation_id, record.causation_id) == (trace, place)


async def test_a_document_that_an_event_names_is_fetched_before_its_reaction(pair: Pair) -> None:
    async with pair.tally(), pair.counter() as counter:
        await counter.post("/v1/counters/a/notes", {"text": "read me"})
        await pair.sees(1)
    assert b"read me" in bytes((await pair.stage.records(pair.sink))[0].data)


async def test_a_type_that_is_not_subscribed_moves_the_cursor_and_nothing_else(pair: Pair) -> None:
    async with pair.tally() as tally, pair.counter() as counter:
        await add(counter, 5)
        position = (await counter.post("/v1/counters/a/takings", {"amount": 2})).headers["Reserve-Position"]
        assert (await tally.get_at("/v1/tallies/a", position)).json() == [5]


async def test_a_read_waits_for_a_foreign_position_and_gives_up_in_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.http.handlers.AT_LEAST_PATIENCE_SECONDS", 0.3)
    async with pair.tally() as tally:
        answer = await tally.http.get("/v1/tallies/a", params={"at_least": f"{pair.source.name}/0/1"})
        nowhere = await tally.http.get("/v1/tallies/a", params={"at_least": f"{pair.source.name}/9999/1"})
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "position_not_reached", "1")
    assert (nowhere.status_code, nowhere.json()["code"]) == (400, "position_unknown")


async def test_two_processes_of_one_service_take_each_event_once(pair: Pair) -> None:
    async with pair.tally() as one:
        pair.stage.move(pair.sink.name)
        async with pair.tally() as two, pair.counter() as counter:
            for amount in range(1, 11):
                await add(counter, amount)
            await pair.sees(10)
            assert sorted([one.kernel.inbox.leading, two.kernel.inbox.leading]) == [False, True]
            assert sorted([one.kernel.relay.leading, two.kernel.relay.leading]) == [False, True]
    assert await pair.amounts() == list(range(1, 11))


# What is wrong stands still, and says so


async def test_a_source_that_was_restored_and_written_on_is_named_with_both_hashes(pair: Pair) -> None:
    async with pair.tally() as tally:
        async with pair.counter() as counter:
            places = [await add(counter, amount) for amount in (1, 2, 3)]
            await pair.sees(3)
            taken = (await pair.stage.records(pair.source))[1].chain_hash.hex()
        await pair.restore_source()
        tally.look_every(0.2)
        async with pair.counter() as counter:
            line = places[1].rpartition("/")[0]
            assert f"fork: {line} ends at 1, and 3 was taken from it before" in (await until(tally.ready))[0]
            assert await add(counter, 7) == places[1]
            forked = (await pair.stage.records(pair.source))[1].chain_hash.hex()

            async def named() -> bool:
                return f"{places[1]} has another hash than the one taken before: {forked}, not {taken}" in (await tally.ready())[0]

            await until(named)
        assert await pair.amounts() == [1, 2, 3]


async def test_a_source_restored_to_the_past_stops_the_line_and_turns_readiness_red(pair: Pair) -> None:
    async with pair.tally() as tally:
        async with pair.counter() as counter:
            position = [await add(counter, amount) for amount in (1, 2)][1]
            await pair.sees(2)
        await pair.restore_source()
        async with pair.counter() as counter:
            assert await add(counter, 7) == position
            reasons = await until(tally.ready)
            assert f"fork: {position} has another hash" in reasons[0]
        assert await pair.amounts() == [1, 2]
    async with pair.counter(), pair.tally() as tally:  # it is seen again after a restart, by the look at the source
        await until(lambda: tally.kernel.inbox.stopped)
        assert "fork" in "; ".join(await tally.ready())
        assert Refusal.CURSOR_ALTERED in tally.kernel.writer.refusals
    assert await pair.amounts() == [1, 2]


@pytest.mark.parametrize(
    ("change", "says"),
    [("position = position + 5", "and it ends at"), ("chain_hash = '\\x00' || substring(chain_hash FROM 2)", "has another hash")],
)
async def test_nothing_is_written_while_a_cursor_is_not_one_of_its_source(pair: Pair, change: str, says: str) -> None:
    async with pair.counter() as counter:
        async with pair.tally():
            _, shard, _ = (await add(counter, 1)).split("/")
            await pair.sees(1)
        async with pair.stage.sql(pair.sink.name) as sql:
            [before] = await sql.fetch("SELECT position, chain_hash FROM inbox_cursors WHERE position > 0")
            await sql.execute(f"UPDATE inbox_cursors SET {change} WHERE position > 0")
            async with pair.tally() as tally:
                await until(lambda: Refusal.CURSOR_ALTERED in tally.kernel.writer.refusals)
                reason = (await tally.ready())[0]
                assert f"{pair.source.name}/{shard}" in reason and says in reason
                with pytest.raises(Unavailable):
                    await tally.kernel.writer.submit("tally/a", None, context())
                await sql.execute("UPDATE inbox_cursors SET position = $1, chain_hash = $2 WHERE position > 0", *before)
                await until(lambda: not tally.kernel.writer.refusals)


async def test_a_source_that_is_away_holds_up_no_write_of_its_reader(pair: Pair) -> None:
    async with pair.tally(), pair.counter() as counter:
        await add(counter, 1)
        await pair.sees(1)
    async with pair.stage.sql(pair.sink.name) as sql:
        await sql.execute("UPDATE inbox_cursors SET position = 7 WHERE position > 0")
    async with pair.tally() as tally:
        assert await tally.ready() == []
        async with pair.counter():  # and is asked as soon as it is back
            await until(lambda: Refusal.CURSOR_ALTERED in tally.kernel.writer.refusals)


async def test_nothing_is_written_where_more_was_sent_than_there_is(pair: Pair) -> None:
    async with pair.counter() as counter:
        await add(counter, 1)
    await pair.relay_cursor(3)
    async with pair.counter() as counter:
        assert Refusal.NOT_THIS_JOURNAL in counter.kernel.writer.refusals
        [reason] = await counter.ready()
        assert "was sent up to 3, and its head is at 1" in reason


async def test_a_version_that_this_build_does_not_know_stops_the_line(pair: Pair) -> None:
    async with pair.without_relay() as sql, pair.counter() as counter:
        position = await add(counter, 1)
        await sql.execute("SET session_replication_role = replica")
        await rewrite(sql, (await pair.stage.records(pair.source))[0], type="counter.added.v2")
        async with pair.tally() as tally:
            reasons = await until(tally.ready)
    assert f"{position} is counter.added.v2, a version that this build does not know" in reasons[0]


async def test_a_bug_in_a_table_that_a_source_feeds_stops_the_line_at_its_event(pair: Pair) -> None:
    async with pair.tally() as tally, pair.counter() as counter:
        first = await add(counter, 1)
        await pair.sees(1)
        async with pair.stage.sql(pair.sink.name) as sql:
            taken = f"{pair.source.name}/{first.split('/')[1]}/3"
            await sql.execute("INSERT INTO seen VALUES ($1, 'in the way')", taken)
        for amount in (2, 3, 4):
            await add(counter, amount)
        reasons = await until(tally.ready)
        assert f"{taken} could not be saved" in reasons[0]
        async with pair.stage.sql(pair.sink.name) as sql:
            assert await sql.fetchval("SELECT position FROM inbox_cursors WHERE position > 0") == 2


async def test_what_is_no_event_is_set_aside_and_counted(pair: Pair) -> None:
    async with pair.tally() as tally, pair.counter() as counter:
        shard = int((await add(counter, 1)).split("/")[1])
        producer = AIOKafkaProducer(**pair.stage.servers.kafka.options())
        await producer.start()
        await producer.send_and_wait(topic_of(pair.source.name), b"nonsense", partition=shard)
        forged = [(name, value) for name, value in (await in_kafka(pair.stage, pair.source, shard))[0].headers if name != "ce_eventhash"]
        await producer.send_and_wait(topic_of(pair.source.name), b"{}", partition=shard, headers=[*forged, ("ce_eventhash", b"00" * 32)])
        await producer.stop()
        await add(counter, 2)
        await pair.sees(2)
        assert await tally.ready() == []
        async with pair.stage.sql(pair.sink.name) as sql:
            await until(lambda: sql.fetchval("SELECT count(*) = 2 FROM set_aside"))
        metrics = (await tally.http.get("/metrics")).text
        assert f'reserve_set_aside_total{{service="{pair.sink.name}",source="{pair.source.name}"}} 2.0' in metrics
    assert await pair.amounts() == [1, 2]


async def rewrite(sql: Any, record: Record, **changed: Any) -> None:
    """Puts another event in the place of the only one of its shard, with hashes that are right."""
    new = msgspec.structs.replace(record, **changed)
    own = event_hash(new.salt, hashed_bytes(new))
    chain = chain_hash(GENESIS, own)
    await sql.execute("UPDATE events SET type = $2, event_hash = $3, chain_hash = $4 WHERE shard = $1", new.shard, new.type, own, chain)
    await sql.execute("UPDATE heads SET chain_hash = $2 WHERE shard = $1", new.shard, chain)
