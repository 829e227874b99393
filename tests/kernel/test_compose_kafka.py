"""Kafka as docker-compose.yml has it: the properties that its image makes of them are tried on the same Kafka, without a container."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiokafka.errors import KafkaConnectionError, KafkaError

from reserve.operate.kafka_users import users
from reserve.operate.migrate import ROOT
from services.registry import JOURNALED
from shared.delivery.kafka_users import ensure_users
from shared.delivery.topics import ensure_topics
from shared.engines.engines import remembered_ports
from shared.engines.kafka_engine import KafkaEngine, environment
from shared.engines.kafka_jars import kafka_classpath
from shared.engines.private_files import private_folder
from shared.journal.messages import topic_of
from shared.kafka import Kafka
from tests.kernel.asking_kafka import topics_seen

pytestmark = pytest.mark.long

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PASSWORD = "of-kafka-0123456789"


class OfCompose(KafkaEngine):
    """`kafka.docker.KafkaDockerWrapper` is what the image's entry point makes the properties with, and formats the folder."""

    async def start(self) -> None:
        private_folder(self.data_dir)
        for name in ("default", "mounted", "final"):
            (self.data_dir / name).mkdir()
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (self.data_dir / "default" / name).touch()
        folders = [word for name in ("default", "mounted", "final") for word in (f"--{name}-configs-dir", str(self.data_dir / name))]
        classpath = await asyncio.to_thread(kafka_classpath)
        command = self._java(classpath, "kafka.docker.KafkaDockerWrapper", "setup", *folders)
        made = await asyncio.create_subprocess_exec(*command, env=environment() | self._environment(), stdout=-3, stderr=-3)
        assert await made.wait() == 0
        properties = str(self.data_dir / "final" / "server.properties")
        await self.process.spawn(self._java(classpath, "kafka.Kafka", properties), env=environment(), cwd=self.data_dir)
        await self.process.until(self._answers)

    def login(self) -> Kafka:
        """As `migrate` comes."""
        given = COMPOSE["migrate"]["environment"]
        return Kafka(self.bootstrap, given["RESERVE_KAFKA_USER"], PASSWORD, given["RESERVE_KAFKA_MECHANISM"])

    def _environment(self) -> dict[str, str]:
        """Compose's, with other places."""
        given = {key: re.sub(r"\$\{KAFKA_PASSWORD[^}]*\}", PASSWORD, str(value)) for key, value in COMPOSE["kafka"]["environment"].items()}
        listeners = f"CLIENTS://127.0.0.1:{self.port}"
        return given | {
            "CLUSTER_ID": self.cluster_id,
            "KAFKA_LISTENERS": f"{listeners},CONTROLLER://127.0.0.1:{self.controller_port}",
            "KAFKA_ADVERTISED_LISTENERS": listeners,
            "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@127.0.0.1:{self.controller_port}",
            "KAFKA_LOG_DIRS": str(self.data_dir / "log"),
        }


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[OfCompose]:
    ports = remembered_ports(tmp_path, ["kafka", "controller"])
    engine = OfCompose(tmp_path / "kafka", ports["kafka"], ports["controller"], tmp_path / "kafka.log")
    await engine.start()
    yield engine
    await engine.stop()


async def test_composes_kafka_asks_who_comes_and_has_a_user_for_each_service(kafka: OfCompose) -> None:
    passwords = {name: f"of-{name}-0123456789" for name in JOURNALED}
    await ensure_users(kafka.login(), users(passwords))
    await ensure_topics(kafka.login(), {topic_of(name): 4 for name in JOURNALED})
    for name in JOURNALED:
        assert COMPOSE[name]["environment"]["RESERVE_KAFKA_USER"] == name
        assert topic_of(name) in await topics_seen(Kafka(kafka.bootstrap, name, passwords[name]))
    for stranger in (Kafka(kafka.bootstrap), Kafka(kafka.bootstrap, "inventory", "a guess")):
        with pytest.raises((KafkaConnectionError, KafkaError)):
            await topics_seen(stranger)
