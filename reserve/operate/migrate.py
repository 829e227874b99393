"""Migrate: schemas, roles and privileges of the journaled services, and their Kafka topics, users and rights."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import structlog
from alembic import command
from alembic.config import Config

from reserve.operate.kafka_users import users
from services.identity.clients import seed
from services.ledger.keys import seed_key
from services.registry import JOURNALED, service
from shared.delivery.kafka_users import ensure_users
from shared.delivery.topics import ensure_topics
from shared.journal.connection import Connection
from shared.journal.leads import CLOSE_LOCKS, LOCKS_ARE_OPEN, take_lead
from shared.journal.messages import topic_of
from shared.journal.tables import APPEND_ONLY
from shared.kafka import kafka_of
from shared.settings import Settings

log = structlog.get_logger(__name__)

ROOT = Path(__file__).parents[2]
PASSWORDS = r"[A-Za-z0-9_-]{16,}"
_OF_AN_OLDER_BUILD = """SELECT EXISTS (SELECT FROM unnest($1::text[]) AS name WHERE to_regrole('reserve_' || name) IS NOT NULL
                        AND to_regprocedure(format('%I.take_lead(text)', name)) IS NULL)"""


async def migrate(settings: Settings, role_passwords: Mapping[str, str], kafka_passwords: Mapping[str, str]) -> None:
    """Brings every lineage to its head; each service's role gets what it needs on its own schema, and nothing elsewhere.

    Both passwords are {service: password}; without Kafka's, its users are somebody else's to make. Safe to repeat.
    """
    for name in JOURNALED:
        await asyncio.to_thread(upgrade, name, owner_url=settings.database_owner_url)
    connection = await asyncpg.connect(settings.database_owner_url)
    try:
        await grant_all(connection, role_passwords)
    finally:
        await connection.close()
    kafka = kafka_of(settings)
    if kafka_passwords:
        await ensure_users(kafka, users(kafka_passwords))
    await ensure_topics(kafka, {topic_of(name): settings.shards for name in JOURNALED})


async def prepare(settings: Settings) -> None:
    """For a deployment without a supervisor: the log's keys and, but in production, local clients in the data folder, then `migrate`.

    The command refuses what is not safe before it (`refuse_in_production`, `refuse_passwords`).
    """
    if settings.environment != "production":
        callback = [f"{settings.console_url}/callback"] if settings.console_url else None
        seed(settings.data_dir, JOURNALED, callback)
    seed_key(settings.data_dir, settings.log_domain)
    await migrate(settings, settings.database_passwords, settings.kafka_passwords)


def refuse_passwords(settings: Settings) -> None:
    """A service's passwords are its own: who reads them is no other service. Kafka's users may be somebody else's to make.

    Raises ValueError.
    """
    _refuse("RESERVE_DATABASE_PASSWORDS", settings.database_passwords)
    if settings.kafka_passwords:
        _refuse("RESERVE_KAFKA_PASSWORDS", settings.kafka_passwords)


def _refuse(setting: str, passwords: Mapping[str, str]) -> None:
    accepted = f"accepted: JSON with a password of its own for each of {', '.join(JOURNALED)}, of 16 letters, digits, - and _ or more"
    if bad := [name for name in JOURNALED if not re.fullmatch(PASSWORDS, passwords.get(name, ""))]:
        raise ValueError(f"{setting} has no password, or none of the right form, for {', '.join(bad)} ({accepted})")
    if unknown := sorted(passwords.keys() - set(JOURNALED)):
        raise ValueError(f"{setting} has a password for {', '.join(unknown)}, which is no service with a journal ({accepted})")
    if len(set(passwords.values())) < len(JOURNALED):
        raise ValueError(f"{setting} has one password for several services ({accepted})")


def upgrade(name: str, revision: str = "head", *, owner_url: str | None = None) -> None:
    """`owner_url` None: the database of DATABASE_OWNER_URL, as for the `alembic` command."""
    config = Config(ROOT / "alembic.ini", ini_section=name)
    config.attributes["owner_url"] = owner_url
    command.upgrade(config, revision)


def role_of(name: str) -> str:
    return f"reserve_{name}"


async def grant_all(connection: Connection, passwords: Mapping[str, str]) -> None:
    """A build that knows no `take_lead` takes its locks by itself, and may be at work: then they are closed the next time."""
    older = await connection.fetchval(_OF_AN_OLDER_BUILD, JOURNALED)
    for name in JOURNALED:
        await grant(connection, name, passwords[name], service(name).append_only)
    if not older:
        await close_locks(connection)


async def close_locks(connection: Connection) -> None:
    await connection.execute(CLOSE_LOCKS)
    if await connection.fetchval(LOCKS_ARE_OPEN):
        log.warning("advisory_locks_open", reason="who migrates is no superuser", see="docs/production.md#advisory-locks")


async def grant(connection: Connection, name: str, password: str, own_append_only: Sequence[str] = ()) -> None:
    """The role may read and add everywhere in its schema; change and remove only outside the append-only tables."""
    assert re.fullmatch(PASSWORDS, password), "a role's password is made of letters, digits, - and _"
    role = role_of(name)
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await connection.execute(f'CREATE ROLE "{role}" LOGIN')
    await connection.execute(f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    append_only = (*APPEND_ONLY, *own_append_only, "alembic_version")
    await connection.execute(f'GRANT USAGE ON SCHEMA "{name}" TO "{role}"')
    await connection.execute(f'GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "{name}" TO "{role}"')
    await connection.execute(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "{name}" TO "{role}"')
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> ALL($2)", name, append_only)
    for (table,) in tables:
        await connection.execute(f'GRANT UPDATE, DELETE ON "{name}"."{table}" TO "{role}"')
    if await connection.fetchval("SELECT to_regclass($1)", f'"{name}".texts'):  # to have it written anew without what was erased
        await connection.execute(f'GRANT MAINTAIN ON "{name}".texts TO "{role}"')
    for written_by_owner in ("alembic_version", "histories"):
        if await connection.fetchval("SELECT to_regclass($1)", f'"{name}".{written_by_owner}'):
            await connection.execute(f'REVOKE INSERT ON "{name}".{written_by_owner} FROM "{role}"')
    await grant_leads(connection, name)


async def grant_leads(connection: Connection, name: str) -> None:
    for statement in take_lead(name):
        await connection.execute(statement)
    await connection.execute(f'GRANT EXECUTE ON FUNCTION "{name}".take_lead TO "{role_of(name)}"')
