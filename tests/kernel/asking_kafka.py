"""Asking Kafka as one user or another: what it lets them write, read and see."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import BrokerResponseError, for_code
from aiokafka.protocol.fetch import FetchRequest

from shared.kafka import Kafka


async def write(kafka: Kafka, topic: str, value: bytes = b"written") -> None:
    producer = AIOKafkaProducer(**kafka.options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def first(kafka: Kafka, topic: str) -> bytes | None:
    """The first message of a topic, as a service's inbox reads it."""
    consumer = AIOKafkaConsumer(**kafka.options(), auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        return (await consumer.getone()).value
    finally:
        await consumer.stop()


async def refused(kafka: Kafka, topic: str) -> type[BrokerResponseError]:
    """What the broker says to whoever asks for a topic's messages. A consumer of aiokafka's would ask for ever."""
    admin = AIOKafkaAdminClient(**kafka.options())
    try:
        await admin.start()
        answer = await admin._send_request(FetchRequest(0, 0, 1_000_000, 0, [(topic, [(0, 0, 1_000_000)])]))
        [(_, [(_, code, *_)])] = answer.topics
        return for_code(code)
    finally:
        await admin.close()


async def topics_seen(kafka: Kafka) -> list[str]:
    admin = AIOKafkaAdminClient(**kafka.options())
    try:
        await admin.start()
        return sorted(await admin.list_topics())
    finally:
        await admin.close()
