"""One way through: POST -> journal -> read table -> GET, and on over Kafka to another service."""

from tests.kernel.counter import counter_service
from tests.kernel.stage import Running, Stage, until
from tests.kernel.tally import tally_service


async def test_a_posted_command_is_recorded_and_read_back(counter: Running, stage: Stage) -> None:
    answer = await counter.post("/v1/counters", {"counter": "one", "amount": 3})
    assert answer.status_code == 201, answer.text
    async with stage.sql(counter.kernel.service.name) as sql:
        row = await sql.fetchrow("SELECT * FROM events WHERE stream = 'counter/one'")
    assert row is not None
    assert answer.headers["Reserve-Position"] == f"{counter.kernel.service.name}/{row['shard']}/{row['position']}"
    read = await counter.get_at("/v1/counters/one", answer.headers["Reserve-Position"])
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, {"id": "one", "total": 3}, '"1"')


async def test_an_event_becomes_another_services_command_and_feeds_its_table(stage: Stage) -> None:
    source, sink = stage.name("counter"), stage.name("tally")
    async with stage.serving(counter_service(source)) as counter, stage.serving(tally_service(sink, source)) as tally:
        answer = await counter.post("/v1/counters", {"counter": "far", "amount": 3})

        async def arrived() -> bool:
            return (await tally.http.get("/v1/tallies/far")).json() == [3]

        await until(arrived)
        read = await tally.get_at("/v1/tallies/far", answer.headers["Reserve-Position"])
        assert read.json() == [3]
        async with stage.sql(sink) as sql:
            assert await sql.fetchval("SELECT event_type FROM seen WHERE place = $1", answer.headers["Reserve-Position"])
        assert await tally.ready() == []
