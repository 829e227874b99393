"""Kafka's users: one a service. It writes to its own topic alone, and reads that and those of its sources."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from services.registry import JOURNALED, service
from shared.delivery.kafka_users import KafkaUser
from shared.engines.private_files import write_private
from shared.journal.messages import topic_of
from shared.kafka import Kafka


def users(passwords: Mapping[str, str]) -> dict[str, KafkaUser]:
    """`passwords` is {service: password}."""
    return {name: KafkaUser(password, writes=(topic_of(name),), reads=_read_by(name)) for name, password in passwords.items()}


def as_service(kafka: Kafka, name: str, passwords: Mapping[str, str]) -> Kafka:
    """The same servers, as the service's own user."""
    return Kafka(kafka.servers, name, passwords[name], tls=kafka.tls)


def kafka_passwords(folder: Path) -> dict[str, str]:
    """Of the services' users of the deployment in `folder`: made at the first asking, the same ones ever after."""
    return kept_passwords(folder / "kafka-passwords.json")


def kept_passwords(file: Path) -> dict[str, str]:
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
    passwords = {name: kept.get(name) or secrets.token_urlsafe(24) for name in JOURNALED}
    if passwords != kept:
        write_private(file, msgspec.json.encode(passwords))
    return passwords


def _read_by(name: str) -> tuple[str, ...]:
    """Its own, too: at its start it compares its journal with what it has sent."""
    sources = {each.source for each in service(name).subscriptions}
    return tuple(topic_of(each) for each in sorted({name, *sources}))
