"""A commitment counts once towards an instrument's limit, however often it is approved, on the real PostgreSQL."""

import importlib
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.loans.events.authority import AuthorityCited
from services.loans.projections.authority import project_citation
from shared.engines.engines import Engines
from shared.journal.record import Fact
from shared.terms.authority import Cited
from tests.stories.stockpile_facts import fact

NAMES = ("0001_journal_and_read_tables", "0003_authority", "0006_countersigning", "0007_uses", "0008_reference_rates", "0011_payees")
ONCE = importlib.import_module("migrations.loans.versions.0012_what_counts_once")
DAY = date(2026, 1, 6)


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator[AsyncConnection]:
    """Those of the build before, in a transaction that is rolled back."""
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(sa.text("CREATE SCHEMA loan_uses"))
        await connection.execute(sa.text("SET LOCAL search_path = loan_uses"))
        await connection.run_sync(_migrate, *(importlib.import_module(f"migrations.loans.versions.{name}") for name in NAMES))
        yield connection
        await transaction.rollback()
    await engine.dispose()


def _migrate(connection: sa.Connection, *migrations: Any) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        for migration in migrations:
            migration.upgrade()


def cited(position: int, stream: str, act: str, amount_minor: int) -> Fact:
    about: dict[str, Any] = {"version": 1, "under": (), "product": None, "mass_g": None, "currency": "AUD", "summed": ("ins_1",)}
    event = AuthorityCited(
        matter=stream.partition("/")[2], cited=Cited(authority="ins_1", act=act, by="sub_a", amount_minor=amount_minor, **about)
    )
    made = fact(event, position, "loans")
    return replace(made, record=replace(made.record, stream=stream, version=position))


FACTS = (
    cited(1, "loan/lon_1", "commit_loan", 100),
    cited(2, "loan/lon_1", "commit_loan", 100),  # again, once there was headroom
    cited(3, "loan/lon_1", "amend_conditions", 100),
    cited(4, "reference/AONIA", "reset_rate", 100),
    cited(5, "reference/AONIA", "reset_rate", 250),
)
COUNTED = [("loan/lon_1", 100), ("loans/2/3", 100), ("reference/AONIA", 250)]


async def counted(tables: AsyncConnection) -> list[tuple[str, int]]:
    rows = await tables.execute(sa.text("SELECT name, amount_minor FROM authority_uses ORDER BY name"))
    return [(row.name, row.amount_minor) for row in rows]


async def test_a_commitment_that_is_approved_again_and_a_rate_that_is_published_daily_count_once(tables: AsyncConnection):
    connection: Any = (await tables.get_raw_connection()).driver_connection
    for each in FACTS:
        await project_citation(connection, each)
    assert await counted(tables) == COUNTED


async def test_what_an_earlier_build_counted_twice_counts_once_after_the_upgrade(tables: AsyncConnection):
    for each in FACTS[:3]:
        record = each.record
        await tables.execute(
            sa.text(
                """INSERT INTO events VALUES (:shard, :position, :stream, :version, :type, :data, NULL, NULL, :day, now(),
                                              ''::bytea, '', '', '', ''::bytea, ''::bytea, ''::bytea)"""
            ),
            {
                "shard": record.shard,
                "position": record.position,
                "stream": record.stream,
                "version": record.version,
                "type": record.type,
                "data": msgspec.json.encode(each.event).decode(),
                "day": DAY,
            },
        )
        await tables.execute(
            sa.text("INSERT INTO authority_uses VALUES ('ins_1', :name, :day, NULL, 100, 'AUD')"), {"name": each.place, "day": DAY}
        )
    await tables.run_sync(_migrate, ONCE)
    assert await counted(tables) == COUNTED[:2]
