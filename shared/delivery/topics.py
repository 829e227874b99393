"""Kafka topics, made where they are missing."""

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.kafka import Kafka

AS_THE_BROKER_HAS_IT = -1  # its default.replication.factor, beside its min.insync.replicas: a cluster's own matter
TAKES_AT_MOST_MS = 10 * 60 * 1000  # on a slow disk, under load; a broker that is away says so at once
RETENTION_MS = 7 * 24 * 60 * 60 * 1000  # what is older is read from its source's journal


class WrongPartitions(ValueError):
    """A topic exists with another number of partitions. It is never changed: a stream would move to another shard."""


async def ensure_topics(kafka: Kafka, partitions: Mapping[str, int]) -> None:
    """Make each topic with its number of partitions, the broker's number of replicas, 7 days of retention and time-stamps of the producer.

    Raises `WrongPartitions`, or the broker's refusal as an aiokafka error.
    """
    admin = AIOKafkaAdminClient(**kafka.options(), request_timeout_ms=TAKES_AT_MOST_MS)
    try:
        await admin.start()
        settings = {"retention.ms": str(RETENTION_MS), "cleanup.policy": "delete"}
        answer = await admin.create_topics(
            [
                NewTopic(name, count, AS_THE_BROKER_HAS_IT, replica_assignments={}, topic_configs=settings)
                for name, count in partitions.items()
            ]
        )
        for name, code, *message in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(f"{name}: {message}")
        for topic in await admin.describe_topics(list(partitions)):
            if (found := len(topic["partitions"])) not in (0, partitions[topic["topic"]]):
                raise WrongPartitions(f"{topic['topic']} has {found} partitions, not {partitions[topic['topic']]}")
    finally:
        await admin.close()
