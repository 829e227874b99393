"""What operations see: a metric moves when what it is about happens, and moves back when it is over."""

import asyncio

import pytest

from tests.kernel.counter import TOO_MUCH_FOR_THE_TABLE, counter_service
from tests.kernel.parking import park, unpark
from tests.kernel.stage import Running, Stage, free_port, until
from tests.kernel.tally import UNLUCKY, Mood, tally_service


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.process.watch.LOOK_SECONDS", 0.1)


async def add(counter: Running, amount: int, to: str = "a") -> str:
    answer = await counter.post(f"/v1/counters/{to}/additions", {"amount": amount})
    assert answer.status_code == 201, answer.text
    position: str = answer.headers["Reserve-Position"]
    return position


async def test_a_fork_is_seen_until_the_source_is_the_one_again_that_was_taken(stage: Stage) -> None:
    source = counter_service(stage.name("counter"))
    sink = tally_service(stage.name("tally"), source.name, Mood())
    async with stage.serving(source) as counter:
        async with stage.serving(sink) as tally:
            _, shard, position = (await add(counter, 1)).split("/")
            await tally.tells(int(position), "reserve_inbox_position", source=source.name, shard=shard)
        async with stage.sql(sink.name) as sql:
            [chain] = await sql.fetchrow("SELECT chain_hash FROM inbox_cursors WHERE position > 0")
            await sql.execute("UPDATE inbox_cursors SET chain_hash = $1 WHERE position > 0", bytes(32))
        async with stage.serving(sink) as tally, stage.sql(source.name) as sql:
            tally.look_every(0.1)
            await tally.tells(1, "reserve_fork_detected", source=source.name, shard=shard)
            await tally.tells(1, "reserve_inbox_stopped", source=source.name, shard=shard)
            assert await tally.metric("reserve_fork_detected") == 1  # the other lines go on
            line = tally.kernel.inbox.lines[source.name, int(shard)]
            line.chain = chain
            await tally.tells(0, "reserve_fork_detected")
            await tally.tells(0, "reserve_inbox_stopped")


async def test_a_line_that_stands_still_is_seen_and_so_is_what_was_parked(stage: Stage) -> None:
    source, mood = counter_service(stage.name("counter")), Mood()
    sink = tally_service(stage.name("tally"), source.name, mood)
    async with (
        stage.serving(source) as counter,
        stage.serving(sink) as tally,
        stage.client(stage.urls[sink.name], "admin-1") as admin,
    ):
        _, shard, _ = (await add(counter, UNLUCKY)).split("/")
        await tally.tells(1, "reserve_inbox_stopped", source=source.name, shard=shard)
        assert await tally.metric("reserve_fork_detected") == 0
        line = f"/v1/inbox/{source.name}/{shard}"
        assert (await park(admin, line)).status_code == 200
        await tally.tells(1, "reserve_parked_events", source=source.name)
        await tally.tells(0, "reserve_inbox_stopped")
        mood.mended = True
        assert (await unpark(admin, line, "counter/a")).json() == {"replayed": 1}
        await tally.tells(0, "reserve_parked_events")


async def test_what_does_not_reach_kafka_is_seen_and_that_nobody_carries_it(stage: Stage) -> None:
    source = counter_service(stage.name("counter"))
    async with stage.sql(source.name) as sql:
        await sql.execute("SELECT pg_advisory_lock(hashtext($1))", f"relay/{source.name}")
        async with stage.serving(source) as counter:
            for amount in (1, 2, 3):
                _, shard, position = (await add(counter, amount)).split("/")
            await counter.tells(3, "reserve_relay_lag_events", shard=shard)
            await counter.tells(int(position), "reserve_journal_position", shard=shard)
            assert await counter.metric("reserve_leading", work="relay") == 0
            await sql.execute("SELECT pg_advisory_unlock_all()")
            await counter.tells(1, "reserve_leading", work="relay")
            await counter.tells(0, "reserve_relay_lag_events")


async def test_commands_that_wait_are_seen_and_for_how_long(stage: Stage) -> None:
    source = counter_service(stage.name("counter"))
    async with stage.serving(source) as counter, stage.sql(source.name) as sql:
        _, shard, _ = (await add(counter, 1)).split("/")
        async with sql.transaction():
            await sql.execute("SELECT 1 FROM heads WHERE shard = $1 FOR UPDATE", int(shard))
            waiting = [asyncio.create_task(add(counter, 1)) for _ in range(3)]
            await counter.tells(3, "reserve_queued_commands", shard=shard)

            async def old() -> bool:
                return await counter.metric("reserve_oldest_command_seconds", shard=shard) > 0.5

            await until(old)
        await asyncio.gather(*waiting)
        await counter.tells(0, "reserve_queued_commands")
        await counter.tells(0, "reserve_oldest_command_seconds")


async def test_a_command_that_fails_is_counted_whoever_refused_it(stage: Stage) -> None:
    source = counter_service(stage.name("counter"))
    async with stage.serving(source) as counter:
        assert await counter.metric("reserve_commands_total", outcome="CommandFailed") == 0
        answer = await counter.post("/v1/counters/a/additions", {"amount": TOO_MUCH_FOR_THE_TABLE})
        assert answer.status_code == 500
        assert await counter.metric("reserve_commands_total", outcome="CommandFailed") == 1


async def test_why_no_writes_are_taken_is_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stage.urls, "ledger", f"http://127.0.0.1:{free_port()}")  # where nobody serves
    async with stage.serving(counter_service(stage.name("counter")), require_ledger_at_start=True) as counter:
        await counter.tells(1, "reserve_writes_refused", reason="waiting_for_ledger")
        assert await counter.metric("reserve_writes_refused") == 1
