"""A Kafka cluster of three: each node a broker and a controller; a message is acknowledged once two have it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiokafka.admin import AIOKafkaAdminClient

from shared.engines.engines import remembered_ports
from shared.engines.kafka_engine import KafkaEngine
from shared.engines.private_files import private_folder, write_private
from shared.kafka import Kafka

NODES = (1, 2, 3)
SETTINGS = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "replica.lag.time.max.ms": "10000",
}


class Node(KafkaEngine):
    def __init__(self, folder: Path, number: int, ports: dict[str, int]) -> None:
        super().__init__(
            folder / f"kafka-{number}", ports[f"kafka-{number}"], ports[f"controller-{number}"], folder / f"kafka-{number}.log"
        )
        self.number = number
        self.voters = ",".join(f"{each}@127.0.0.1:{ports[f'controller-{each}']}" for each in NODES)

    def _properties(self, log_dir: str = "log") -> str:
        """The last word on a property counts."""
        ours = {"node.id": str(self.number), "controller.quorum.voters": self.voters, **SETTINGS}
        return super()._properties(log_dir) + "".join(f"{name}={value}\n" for name, value in ours.items())


class Cluster:
    def __init__(self, folder: Path) -> None:
        ports = remembered_ports(folder, [f"{role}-{number}" for role in ("kafka", "controller") for number in NODES])
        self.nodes = [Node(folder, number, ports) for number in NODES]
        for node in self.nodes:
            node.cluster_id = self.nodes[0].cluster_id
            write_private(private_folder(node.data_dir) / "superuser_password", self.nodes[0].login().password.encode())

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def login(self) -> Kafka:
        return msgspec.structs.replace(self.nodes[0].login(), servers=self.bootstrap)

    def environment(self) -> dict[str, str]:
        """Of a deployment whose services come to it, all of them as who may do all."""
        login = self.login()
        return {
            "KAFKA_BOOTSTRAP_SERVERS": login.servers,
            "RESERVE_KAFKA_USER": login.user,
            "RESERVE_KAFKA_PASSWORD": login.password,
            "RESERVE_KAFKA_MECHANISM": login.mechanism,
        }

    async def start(self) -> None:
        """All at once: two controllers make a quorum, and no broker is let in without one."""
        await asyncio.gather(*(node.start() for node in self.nodes))

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))

    async def in_sync(self, topics: Sequence[str]) -> dict[str, list[list[int]]]:
        """{topic: the nodes that have all of each of its partitions}."""
        admin = AIOKafkaAdminClient(**self.login().options())
        await admin.start()
        try:
            return {
                topic["topic"]: [sorted(partition["isr"]) for partition in topic["partitions"]]
                for topic in await admin.describe_topics(list(topics))
            }
        finally:
            await admin.close()


@asynccontextmanager
async def a_cluster(folder: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()
