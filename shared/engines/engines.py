"""The engines a machine without servers runs itself: where they keep things, on which ports, and which of them are needed at all."""

import random
import socket
from collections.abc import Container, Iterable
from pathlib import Path

import msgspec

from shared.engines.kafka_engine import KafkaEngine
from shared.engines.postgres_engine import PostgresEngine
from shared.engines.private_files import private_folder, write_private
from shared.engines.processes import Program
from shared.kafka import Kafka

LOWEST_PORT, HIGHEST_PORT = 20_000, 32_000  # below the range that systems hand out for outgoing connections


class Engines(msgspec.Struct, frozen=True):
    """Where PostgreSQL and Kafka answer, and those of them that we run."""

    database_url: str
    kafka: Kafka  # as the user that may do all, where it is ours
    programs: tuple[Program, ...]

    def kafka_settings(self) -> dict[str, str]:
        """The fields of `Settings` that name this Kafka."""
        found = self.kafka
        return {
            "kafka_bootstrap_servers": found.servers,
            "kafka_user": found.user,
            "kafka_password": found.password,
            "kafka_mechanism": found.mechanism,
        }


def engines(folder: Path, database_url: str = "", kafka: Kafka | None = None) -> Engines:
    """The servers that exist already where their addresses are given, embedded ones below `folder` for the rest."""
    programs: list[Program] = []
    if not database_url:
        postgres = PostgresEngine(folder / "postgres", remembered_ports(folder, ["postgres"])["postgres"])
        database_url = postgres.dsn()
        programs.append(postgres)
    if kafka is None:
        ports = remembered_ports(folder, ["kafka", "kafka_controller"])
        broker = KafkaEngine(folder / "kafka", ports["kafka"], ports["kafka_controller"])
        kafka = broker.login()
        programs.append(broker)
    return Engines(database_url=database_url, kafka=kafka, programs=tuple(programs))


def remembered_ports(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """A loopback port for each name: free ones at the first asking, the same ones ever after (`folder/ports.json`)."""
    record = private_folder(folder) / "ports.json"
    ports: dict[str, int] = msgspec.json.decode(record.read_bytes(), type=dict[str, int]) if record.exists() else {}
    missing = [name for name in names if name not in ports]
    for name in missing:
        ports[name] = _free_port(taken=set(ports.values()))
    if missing:
        write_private(record, msgspec.json.format(msgspec.json.encode(ports)))
    return {name: ports[name] for name in names}


def _free_port(taken: Container[int]) -> int:
    candidates = range(LOWEST_PORT, HIGHEST_PORT)
    for port in random.sample(candidates, k=len(candidates)):
        if port not in taken and _can_bind(port):
            return port
    raise OSError(f"no free port between {LOWEST_PORT} and {HIGHEST_PORT}")


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection of the past in TIME_WAIT does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
