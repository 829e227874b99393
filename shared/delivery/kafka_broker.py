"""KafkaBroker: `shared.delivery.broker.Broker` on Apache Kafka."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.delivery.broker import BrokerUnreachable, Message, Partition
from shared.kafka import Kafka

POLL_MS = 250
FETCHED = 500  # messages that one poll brings at most
ANSWERS_WITHIN_SECONDS = 10.0
FOUND_WITHIN_SECONDS = 30.0  # the last message, by a Kafka that is there: one that is not says so at once


_AWAY = (KafkaError, OSError, TimeoutError)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise BrokerUnreachable(repr(error)) from error


class KafkaBroker:
    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka

    @asynccontextmanager
    async def producer(self) -> AsyncIterator["KafkaProducer"]:
        producer = AIOKafkaProducer(
            **self.kafka.options(),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=256 * 1024,
            max_request_size=2 * 1024 * 1024,
            request_timeout_ms=10_000,
        )
        try:
            with _reachable():
                await producer.start()
            yield KafkaProducer(producer)
        finally:
            await _stop(producer, producer.client)

    @asynccontextmanager
    async def consumer(self, offsets: Mapping[Partition, int]) -> AsyncIterator["KafkaConsumer"]:
        async with self._consumer() as consumer:
            partitions = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
            with _reachable():
                consumer.assign(list(partitions))
                ends = await consumer.end_offsets(list(partitions))
                begins = await consumer.beginning_offsets(list(partitions))
            for partition, offset in partitions.items():
                # Kafka may have lost its tail: an offset beyond the end is no place to wait at.
                consumer.seek(partition, offset if begins[partition] <= offset <= ends[partition] else begins[partition])
            yield KafkaConsumer(consumer)

    async def partitions(self, topic: str) -> list[int]:
        admin = AIOKafkaAdminClient(**self.kafka.options())
        with _reachable():
            try:
                await admin.start()
                while True:
                    if found := (await admin.describe_topics([topic]))[0]["partitions"]:
                        return sorted(partition["partition"] for partition in found)
                    await asyncio.sleep(0.2)
            finally:
                await admin.close()

    async def last(self, partition: Partition) -> Message | None:
        async with self._consumer() as consumer:
            wanted = TopicPartition(*partition)
            with _reachable():
                async with asyncio.timeout(FOUND_WITHIN_SECONDS):
                    consumer.assign([wanted])
                    begin = (await consumer.beginning_offsets([wanted]))[wanted]
                    offset = (await consumer.end_offsets([wanted]))[wanted] - 1
                    while offset >= begin:  # the last offset may be a batch's mark, and no message
                        consumer.seek(wanted, offset)
                        while await consumer.position(wanted) <= offset:  # nothing has come of it yet
                            if found := (await consumer.getmany(wanted, timeout_ms=1000)).get(wanted):
                                return _message(found[-1])
                        offset -= 1
        return None

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self.kafka.options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        try:
            with _reachable():
                await consumer.start()
            yield consumer
        finally:
            await _stop(consumer, consumer._client)


class KafkaProducer:
    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, partition: Partition, messages: Sequence[Message]) -> None:
        topic, number = partition
        with _reachable():
            acknowledgements = [await self._producer.send_batch(batch, topic, partition=number) for batch in self._batches(messages)]
            await asyncio.gather(*acknowledgements)

    def _batches(self, messages: Sequence[Message]) -> Iterator[BatchBuilder]:
        """Batches that the producer would make itself, message by message, at five times the price."""
        batch = self._producer.create_batch()
        for each in messages:
            if batch.append(timestamp=None, key=each.key, value=each.value, headers=each.headers) is None:  # it is full
                yield batch
                batch = self._producer.create_batch()
                taken = batch.append(timestamp=None, key=each.key, value=each.value, headers=each.headers)
                assert taken is not None, "an event fits into a batch"
        yield batch


class KafkaConsumer:
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def poll(self, partitions: Collection[Partition]) -> dict[Partition, list[Message]]:
        wanted = [TopicPartition(*partition) for partition in partitions]
        if not wanted:
            await asyncio.sleep(POLL_MS / 1000)
            return {}
        with _reachable():
            found = await self._consumer.getmany(*wanted, timeout_ms=POLL_MS, max_records=FETCHED)
        return {(key.topic, key.partition): [_message(each) for each in batch] for key, batch in found.items()}


async def _stop(client: AIOKafkaConsumer | AIOKafkaProducer, connections: AIOKafkaClient) -> None:
    """In a task of its own: where Kafka is away, aiokafka lets the cancellation of a task of its own out, which would end ours unheard."""
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait([stopping], timeout=ANSWERS_WITHIN_SECONDS)
    if not stopping.done() or stopping.cancelled():
        stopping.cancel()
        with suppress(*_AWAY):
            await connections.close()  # which it has not come to
        return
    with suppress(*_AWAY):
        stopping.result()


def _message(found: object) -> Message:
    return Message(found.key, found.value, found.headers, found.offset)  # type: ignore[attr-defined]
