"""Where a command that works on the database itself finds it: DATABASE_OWNER_URL, or the folder's own."""

from pathlib import Path

from reserve.commands.failure import fail
from reserve.commands.settings import settings_for
from reserve.operate.kafka_users import as_service, kafka_passwords
from reserve.operate.production import ON_DATABASE
from services.registry import JOURNALED
from shared.engines.engines import engines
from shared.kafka import Kafka, kafka_of


def owner_url(folder: Path) -> str:
    if given := settings_for(ON_DATABASE).database_owner_url:
        return given
    if not (folder / "endpoints.json").exists():
        fail(f"--data: {folder} has no endpoints.json; start a deployment there with: reserve up --data {folder}")
    return engines(folder.absolute(), kafka=Kafka("not needed")).database_url


def kafka_for(folder: Path, name: str) -> Kafka:
    """KAFKA_BOOTSTRAP_SERVERS, or the folder's own; as the service's own user."""
    if (given := settings_for(ON_DATABASE)).kafka_bootstrap_servers:
        return kafka_of(given)
    return as_service(engines(folder.absolute(), database_url="not needed").kafka, name, kafka_passwords(folder))


def journaled(name: str, field: str = "SERVICE") -> str:
    """The name, if a service of that name has a journal."""
    if name not in JOURNALED:
        fail(f"{field}: no service {name!r} has a journal (accepted: {', '.join(JOURNALED)})")
    return name
