"""A pair of services: one records, and the other takes what it has recorded, over the real Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.journal.messages import topic_of
from shared.process.service import Service
from tests.kernel.counter import counter_service
from tests.kernel.stage import Running, Stage, until
from tests.kernel.tally import Mood, tally_service


class Pair:
    """A counter and a tally that takes what it records."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.mood = Mood()
        self.source: Service = counter_service(stage.name("counter"))
        self.sink: Service = tally_service(stage.name("tally"), self.source.name, self.mood)

    def counter(self) -> Any:
        return self.stage.serving(self.source)

    def tally(self) -> Any:
        return self.stage.serving(self.sink)

    async def seen(self) -> list[str]:
        async with self.stage.sql(self.sink.name) as sql:
            return [row["place"] for row in await sql.fetch("SELECT place FROM seen ORDER BY length(place), place")]

    async def amounts(self) -> list[int]:
        """What the tally's commands have recorded, in order, of one counter."""
        async with self.stage.sql(self.sink.name) as sql:
            return [row[0] for row in await sql.fetch("SELECT (data ->> 'amount')::bigint FROM events ORDER BY position")]

    async def sees(self, number: int) -> None:
        async def enough() -> bool:
            return len(await self.seen()) >= number

        await until(enough)
        assert len(await self.seen()) == number

    @asynccontextmanager
    async def without_relay(self) -> AsyncIterator[Any]:
        """Nothing reaches Kafka while the block lasts: another holds the relay's lead. Gives a connection to the counter's schema."""
        async with self.stage.sql(self.source.name) as sql:
            await sql.execute("SELECT pg_advisory_lock(hashtext($1))", f"relay/{self.source.name}")
            yield sql

    async def restore_source(self) -> None:
        """As a backup would that was made after the first event."""
        async with self.stage.sql(self.source.name) as sql, sql.transaction():
            await sql.execute("SET LOCAL session_replication_role = replica")
            await sql.execute("DELETE FROM events WHERE position > 1")
            await sql.execute("DELETE FROM entries WHERE amount > 1")
            await sql.execute("DELETE FROM outcomes WHERE first_position > 1")
            await sql.execute("UPDATE heads SET position = 1, chain_hash = (SELECT chain_hash FROM events) WHERE position > 0")
            await sql.execute("UPDATE relay_cursors SET position = 1 WHERE position > 0")

    async def relay_cursor(self, position: int) -> None:
        async with self.stage.sql(self.source.name) as sql:
            await sql.execute("UPDATE relay_cursors SET position = $1 WHERE shard = (SELECT shard FROM events LIMIT 1)", position)


async def add(counter: Running, amount: int, to: str = "a") -> str:
    answer = await counter.post(f"/v1/counters/{to}/additions", {"amount": amount})
    assert answer.status_code == 201, answer.text
    position: str = answer.headers["Reserve-Position"]
    return position


async def in_kafka(stage: Stage, service: Service, shard: int) -> list[Any]:
    consumer = AIOKafkaConsumer(**stage.servers.kafka.options())
    partition = TopicPartition(topic_of(service.name), shard)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[Any] = []
        while len(found) < end:
            found += (await consumer.getmany(partition, timeout_ms=200)).get(partition, [])
        return found
    finally:
        await consumer.stop()
