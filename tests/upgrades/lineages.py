"""Lineages of migrations as tests move along them, and what a schema is made of."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from reserve.operate.migrate import ROOT, upgrade
from shared.journal.connection import Connection


def config(service: str) -> Config:
    return Config(ROOT / "alembic.ini", ini_section=service)


def revisions(service: str) -> list[str]:
    """From the first to the head."""
    script = ScriptDirectory.from_config(config(service))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


async def up(service: str, revision: str = "head") -> None:
    await asyncio.to_thread(upgrade, service, revision)


async def down(service: str, revision: str) -> None:
    await asyncio.to_thread(command.downgrade, config(service), revision)


class Schema(msgspec.Struct, frozen=True):
    """`columns`: (table, column) -> (type, NOT NULL, default); the others by name, as PostgreSQL writes them."""

    columns: dict[tuple[str, str], tuple[str, bool, str | None]]
    constraints: dict[tuple[str, str], str]
    indexes: dict[tuple[str, str], str]
    triggers: dict[tuple[str, str], str]
    functions: dict[str, str]


async def schema_of(connection: Connection, service: str) -> Schema:
    async def rows(query: str) -> list[Any]:
        return await connection.fetch(query, service)

    columns = await rows(
        """SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
           FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
           WHERE relnamespace = $1::text::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"""
    )
    constraints = await rows(
        """SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
           WHERE connamespace = $1::text::regnamespace AND contype <> 'n'"""
    )
    indexes = await rows("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = $1")
    triggers = await rows(
        """SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
           WHERE relnamespace = $1::text::regnamespace AND NOT tgisinternal"""
    )
    functions = await rows(
        "SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::text::regnamespace"
    )
    return Schema(
        {(table, name): (type_name, required, default) for table, name, type_name, required, default in columns},
        {(table, name): definition for table, name, definition in constraints},
        {(table, name): definition for table, name, definition in indexes},
        {(table, name): definition for table, name, definition in triggers},
        dict(map(tuple, functions)),
    )


async def columns_of(connection: Connection, service: str) -> dict[str, list[str]]:
    """Of every table."""
    rows = await connection.fetch(
        """SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
           FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'alembic_version' GROUP BY table_name""",
        service,
    )
    return dict(map(tuple, rows))


async def contents_of(connection: Connection, service: str, columns: Mapping[str, Sequence[str]] | None = None) -> dict[str, list[str]]:
    """Every row of every table, or of these columns alone, as text."""
    if columns is None:
        columns = await columns_of(connection, service)
    found = {}
    for table, names in columns.items():
        row = ", ".join(f'"{name}"' for name in names)
        found[table] = [text for (text,) in await connection.fetch(f'SELECT ROW({row})::text FROM "{service}"."{table}" ORDER BY 1')]
    return found


def broken_for_the_build_before(earlier: Schema, later: Schema) -> list[str]:
    """What a build that was made for `earlier` finds missing, or in its way, in `later`: nothing, if the migration only expands."""
    tables = {table for table, _ in earlier.columns}
    found = []
    for (table, name), (type_name, required, _) in earlier.columns.items():
        if (now := later.columns.get((table, name))) is None:
            found.append(f"{table}.{name} is gone")
        elif now[0] != type_name:
            found.append(f"{table}.{name} is {now[0]}, and was {type_name}")
        elif now[1] and not required:
            found.append(f"{table}.{name} must not be null any more")
    for (table, name), (_, required, default) in later.columns.items():
        if table in tables and (table, name) not in earlier.columns and required and default is None:
            found.append(f"{table}.{name} must be given, and has no default")
    for (table, name), definition in later.constraints.items():
        if table in tables and earlier.constraints.get((table, name)) != definition:
            found.append(f"{table} has a constraint that it had not: {definition}")
    for (table, name), definition in later.indexes.items():
        if table in tables and " UNIQUE " in definition and earlier.indexes.get((table, name)) != definition:
            found.append(f"{table} has a unique index that it had not: {definition}")
    for table, name in earlier.constraints:
        if (table, name) not in later.constraints:
            found.append(f"{table} has no constraint {name} any more")
    for signature in earlier.functions.keys() - later.functions.keys():
        found.append(f"{signature} is gone")
    return found
