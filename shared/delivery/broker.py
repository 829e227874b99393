"""Broker: ordered partitions of messages, as the kernel sees Kafka. `shared.delivery.kafka_broker` is the one that serves.

A message may be lost, doubled or late: its reader compares positions and hashes. Whatever brokers do may raise `BrokerUnreachable`.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

type Partition = tuple[str, int]  # topic, number
type Headers = Sequence[tuple[str, bytes | None]]


class BrokerUnreachable(Exception):
    """The brokers do not answer, or refuse. What was sent may have arrived, whole or in part."""


class Message(msgspec.Struct, frozen=True, gc=False):
    key: bytes | None
    value: bytes | None
    headers: Headers
    offset: int = -1  # -1: not sent yet


class Producer(Protocol):
    async def send(self, partition: Partition, messages: Sequence[Message]) -> None:
        """In order; returns when all are acknowledged."""


class Consumer(Protocol):
    async def poll(self, partitions: Collection[Partition]) -> dict[Partition, list[Message]]:
        """What has come of these partitions; waits for some a short time. Of the others it takes nothing."""


class Broker(Protocol):
    def producer(self) -> AbstractAsyncContextManager[Producer]: ...

    def consumer(self, offsets: Mapping[Partition, int]) -> AbstractAsyncContextManager[Consumer]:
        """Begins at these offsets; where there is none (-1, or beyond the end), at the earliest."""

    async def partitions(self, topic: str) -> list[int]:
        """Waits for a topic that is about to be made."""

    async def last(self, partition: Partition) -> Message | None:
        """The newest message."""
