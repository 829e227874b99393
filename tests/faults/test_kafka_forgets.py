"""Kafka loses what it had: readers take from the journals what is missing, and offsets that go back confuse nobody."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from reserve.operate.deployment import Deployment
from services.registry import JOURNALED
from shared.journal.messages import topic_of
from tests.e2e.world import World
from tests.faults.ground import MORE, Ground
from tests.faults.load import PAUSE_S
from tests.faults.second import suspended
from tests.waiting import until

pytestmark = pytest.mark.long


async def test_readers_go_on_when_the_topics_have_lost_their_tail(ground: Ground) -> None:
    """As after an unclean shutdown without replicas. The relay does not send again what was acknowledged, so nobody finds it in Kafka."""
    world = ground.world
    async with ground.under_load("Kafka's topics lose their second half, unread by the ledger") as load:
        kafka = world.running.endpoints.pids["kafka"]
        with suspended(world.running.pid):
            with suspended(world.running.endpoints.pids["ledger"]):
                await load.goes_on(MORE)
                await until(partial(all_is_in_kafka, world, await positions_of(world)))
                os.kill(kafka, signal.SIGKILL)
                await until(lambda: is_dead(kafka))
                load.pauses()
            assert cut_in_half(world.running.folder / "kafka" / "log")

        async def runs_again() -> bool:
            return world.running.endpoints.pids["kafka"] != kafka

        await until(runs_again)
        load.pauses(PAUSE_S)
        await load.goes_on(MORE)
    assert not await all_is_in_kafka(world, await positions_of(world)), "it was lost, and stays lost"


async def test_a_reader_that_was_slow_goes_on_when_kafka_has_forgotten_what_comes_next(ground: Ground) -> None:
    world = ground.world
    async with ground.under_load("Kafka forgets what the ledger has yet to read") as load:
        with suspended(world.running.endpoints.pids["ledger"]):
            await load.goes_on(MORE)
            ends = await ends_of(world)
            async with admin_of(world) as admin:
                forgotten = {TopicPartition(topic_of("inventory"), shard): RecordsToDelete(end) for shard, end in ends.items()}
                assert await admin.delete_records(forgotten)


async def is_dead(pid: int) -> bool:
    """Its parent is stopped, so nobody has asked for its end yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def cut_in_half(log: Path) -> list[Path]:
    """The newest half of each partition of ours goes, to the byte: a batch may be left in pieces."""
    topics = tuple(topic_of(name) for name in JOURNALED)
    files = [file for folder in log.iterdir() if folder.name.rpartition("-")[0] in topics for file in folder.glob("*.log")]
    filled = [file for file in files if file.stat().st_size]
    for file in filled:
        os.truncate(file, file.stat().st_size // 2)
    return filled


async def positions_of(world: World) -> dict[int, int]:
    """Where each shard of inventory's journal ends."""
    heads = await world.auditor.get("/inventory/v1/journal/heads")
    return {int(shard): head["position"] for shard, head in heads.items()}


async def ends_of(world: World) -> dict[int, int]:
    """Where each partition of inventory's topic ends."""
    partitions = [TopicPartition(topic_of("inventory"), shard) for shard in await positions_of(world)]
    consumer = AIOKafkaConsumer(**Deployment(world.running.folder).engines.kafka.options())
    await consumer.start()
    try:
        return {partition.partition: end for partition, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await consumer.stop()


async def all_is_in_kafka(world: World, positions: Mapping[int, int]) -> bool:
    """An event is a message at least: what is repeated is one more."""
    ends = await ends_of(world)
    return all(ends[shard] >= position for shard, position in positions.items())


@asynccontextmanager
async def admin_of(world: World) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**Deployment(world.running.folder).engines.kafka.options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
