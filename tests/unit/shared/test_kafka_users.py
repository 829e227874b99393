"""Kafka's users: whoever does not say who they are gets nothing, and a user may do what it was given, and nothing else."""

import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psutil
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, NoError, TopicAuthorizationFailedError

from shared.delivery.kafka_users import KafkaUser, ensure_users
from shared.delivery.topics import ensure_topics
from shared.engines.engines import remembered_ports
from shared.engines.kafka_engine import KafkaEngine
from shared.engines.processes import OwnProcess
from shared.kafka import Kafka
from tests.kernel.asking_kafka import first, refused, topics_seen, write
from tests.waiting import until

USERS = {
    "inventory": KafkaUser("of-inventory", writes=("stock",), reads=("stock", "rounds")),
    "allocation": KafkaUser("of-allocation", writes=("rounds",), reads=("rounds",)),
}


class Broker(msgspec.Struct, frozen=True):
    engine: KafkaEngine

    def of(self, name: str) -> Kafka:
        return Kafka(self.engine.bootstrap, name, USERS[name].password)


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    folder = tmp_path_factory.mktemp("kafka")
    ports = remembered_ports(folder, ["kafka", "controller"])
    engine = KafkaEngine(folder / "kafka", ports["kafka"], ports["controller"], folder / "kafka.log")
    await engine.start()
    await ensure_topics(engine.login(), {"stock": 1, "rounds": 1})
    await ensure_users(engine.login(), USERS)
    yield Broker(engine)
    await engine.stop()


async def test_a_user_writes_to_its_own_topic_and_reads_what_it_was_given(broker: Broker) -> None:
    await write(broker.of("inventory"), "stock")
    await write(broker.of("allocation"), "rounds")
    assert await first(broker.of("inventory"), "stock") == b"written"
    assert await first(broker.of("inventory"), "rounds") == b"written"


async def test_a_user_neither_writes_nor_reads_anothers_topic(broker: Broker) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await write(broker.of("allocation"), "stock", b"made up")
    with pytest.raises(TopicAuthorizationFailedError):
        await write(broker.of("inventory"), "rounds", b"made up")
    assert await refused(broker.of("allocation"), "stock") is TopicAuthorizationFailedError
    assert await refused(broker.of("allocation"), "rounds") is NoError
    assert await topics_seen(broker.of("allocation")) == ["rounds"]


@pytest.mark.parametrize(
    "stranger",
    [
        Kafka(),
        Kafka(user="inventory", password="a guess"),
        Kafka(user="inventory", password="a guess", mechanism="PLAIN"),
        Kafka(user="inventory", password=USERS["inventory"].password, mechanism="PLAIN"),
        Kafka(user="kafka", password="", mechanism="PLAIN"),
        Kafka(user="nobody", password="of-inventory"),
    ],
    ids=lambda stranger: f"{stranger.user or 'anonymous'}-{stranger.mechanism}",
)
async def test_whoever_is_no_user_sees_nothing_on_either_port(broker: Broker, stranger: Kafka) -> None:
    for port in (broker.engine.port, broker.engine.controller_port):
        with pytest.raises((KafkaConnectionError, KafkaError)):
            await topics_seen(msgspec.structs.replace(stranger, servers=f"127.0.0.1:{port}"))


async def test_a_user_makes_no_users_and_no_topics(broker: Broker) -> None:
    with pytest.raises(KafkaError):
        await ensure_users(broker.of("allocation"), {"allocation": KafkaUser("new", writes=("stock",))})
    with pytest.raises(KafkaError):
        await ensure_topics(broker.of("allocation"), {"more": 1})
    assert await first(broker.of("inventory"), "stock") == b"written"


async def test_users_and_rights_outlive_the_broker_and_a_new_password_counts(broker: Broker) -> None:
    assert broker.engine.process.pid is not None
    os.kill(broker.engine.process.pid, signal.SIGKILL)
    await broker.engine.process.wait()
    await broker.engine.start()
    assert await broker.engine.alive()
    assert await first(broker.of("inventory"), "stock") == b"written"
    with pytest.raises(TopicAuthorizationFailedError):
        await write(broker.of("allocation"), "stock", b"made up")
    await ensure_users(broker.engine.login(), {"allocation": msgspec.structs.replace(USERS["allocation"], password="another")})
    changed = Kafka(broker.engine.bootstrap, "allocation", "another")

    async def counts() -> bool:
        try:
            return await topics_seen(changed) == ["rounds"]
        except KafkaError:
            return False

    await until(counts)
    with pytest.raises(KafkaError):
        await topics_seen(broker.of("allocation"))


async def test_no_password_is_on_a_command_line_or_in_a_file_of_others(broker: Broker) -> None:
    password = broker.engine.login().password
    assert not [process.pid for process in psutil.process_iter(["cmdline"]) if password in " ".join(process.info["cmdline"] or [])]
    folder = broker.engine.data_dir
    holds = [file for file in folder.glob("*") if file.is_file() and password.encode() in file.read_bytes()]
    assert {file.name for file in holds} >= {"server.properties", "superuser_password"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in holds} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_stranger_at_the_port_is_not_taken_for_our_process(tmp_path: Path) -> None:
    """It would be told the password, and could come with it once the broker is there."""
    process = OwnProcess("listener", tmp_path / "log")
    listen = "import socket, sys; server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); server.accept()"
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert not process.listens(port)
        own = remembered_ports(tmp_path, ["own"])["own"]
        await process.spawn([sys.executable, "-c", listen, str(own)])

        async def ours() -> bool:
            return process.listens(own)

        await until(ours)
        assert not process.listens(port)
    await process.end(signal.SIGKILL, grace_s=5)
