"""A Kafka of a build that asked nobody who they are: its folder is gone on with, and from then on it asks."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.delivery.kafka_users import KafkaUser, ensure_users
from shared.delivery.topics import ensure_topics
from shared.engines.engines import remembered_ports
from shared.engines.kafka_engine import SETTINGS, KafkaEngine
from shared.kafka import Kafka

pytestmark = pytest.mark.long

BEFORE = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
}
SINCE = ("authorizer.class.name", "super.users")


class EngineBefore(KafkaEngine):
    """With the properties that builds had up to then."""

    def login(self) -> Kafka:
        return Kafka(self.bootstrap)

    def _properties(self, log_dir: str = "log") -> str:
        settings = {
            name: value for name, value in SETTINGS.items() if "sasl" not in name and name not in ("authorizer.class.name", "super.users")
        }
        ours = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "log.dirs": log_dir,
        }
        return "".join(f"{name}={value}\n" for name, value in {**settings, **BEFORE, **ours}.items())


async def test_a_folder_that_asked_nobody_asks_everybody_and_has_all_that_it_had(tmp_path: Path) -> None:
    ports = remembered_ports(tmp_path, ["kafka", "controller"])
    places = (tmp_path / "kafka", ports["kafka"], ports["controller"], tmp_path / "kafka.log")
    before = EngineBefore(*places)
    await before.start()
    await ensure_topics(before.login(), {"stock": 1})
    producer = AIOKafkaProducer(**before.login().options())
    await producer.start()
    await producer.send_and_wait("stock", b"of before", partition=0)
    await producer.stop()
    await before.stop()
    assert not (tmp_path / "kafka" / "superuser_password").exists()

    now = KafkaEngine(*places)
    await now.start()
    try:
        await ensure_users(now.login(), {"inventory": KafkaUser("of-inventory", writes=("stock",), reads=("stock",))})
        consumer = AIOKafkaConsumer(**Kafka(now.bootstrap, "inventory", "of-inventory").options(), auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition("stock", 0)])
        assert (await consumer.getone()).value == b"of before"
        await consumer.stop()
        anonymous = AIOKafkaAdminClient(bootstrap_servers=now.bootstrap)
        with pytest.raises((KafkaConnectionError, KafkaError)):
            await anonymous.start()
        await anonymous.close()
    finally:
        await now.stop()
