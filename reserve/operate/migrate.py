"""Migrate: schemas, roles and privileges of the journaled services, and their Kafka topics."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

from services.identity.clients import seed
from services.ledger.keys import seed_key
from services.registry import JOURNALED, service
from shared.delivery.topics import ensure_topics
from shared.journal.connection import Connection
from shared.journal.messages import topic_of
from shared.journal.tables import APPEND_ONLY
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
PASSWORDS = r"[A-Za-z0-9_-]{16,}"


async def migrate(settings: Settings, role_passwords: Mapping[str, str]) -> None:
    """Brings every lineage to its head; each service's role gets what it needs on its own schema, and nothing elsewhere.

    `role_passwords` is {service: password}. Safe to repeat.
    """
    for name in JOURNALED:
        await asyncio.to_thread(upgrade, name, owner_url=settings.database_owner_url)
    connection = await asyncpg.connect(settings.database_owner_url)
    try:
        for name in JOURNALED:
            await grant(connection, name, role_passwords[name], service(name).append_only)
    finally:
        await connection.close()
    await ensure_topics(settings.kafka_bootstrap_servers, {topic_of(name): settings.shards for name in JOURNALED})


async def prepare(settings: Settings) -> None:
    """For a deployment without a supervisor: the log's keys and, but in production, local clients in the data folder, then `migrate`.

    The command refuses what is not safe before it (`refuse_in_production`, `refuse_passwords`).
    """
    if settings.environment != "production":
        seed(settings.data_dir, JOURNALED)
    seed_key(settings.data_dir, settings.log_domain)
    await migrate(settings, settings.database_passwords)


def refuse_passwords(passwords: Mapping[str, str]) -> None:
    """A role's password is its own: who reads one service's is no other service. Raises ValueError."""
    accepted = f"accepted: JSON with a password of its own for each of {', '.join(JOURNALED)}, of 16 letters, digits, - and _ or more"
    bad = [name for name in JOURNALED if not re.fullmatch(PASSWORDS, passwords.get(name, ""))]
    if bad:
        raise ValueError(f"RESERVE_DATABASE_PASSWORDS has no password, or none of the right form, for {', '.join(bad)} ({accepted})")
    if len({passwords[name] for name in JOURNALED}) < len(JOURNALED):
        raise ValueError(f"RESERVE_DATABASE_PASSWORDS has one password for several roles ({accepted})")


def upgrade(name: str, revision: str = "head", *, owner_url: str | None = None) -> None:
    """`owner_url` None: the database of DATABASE_OWNER_URL, as for the `alembic` command."""
    config = Config(ROOT / "alembic.ini", ini_section=name)
    config.attributes["owner_url"] = owner_url
    command.upgrade(config, revision)


def role_of(name: str) -> str:
    return f"reserve_{name}"


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
