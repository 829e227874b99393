"""The read tables of projects on the real PostgreSQL."""

import importlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.domain.projects.project import DECIDER, Command, Project
from services.loans.projections import project
from services.loans.tables import metadata
from services.loans.tables.projects import ProjectFactRow, ProjectRow
from shared.engines.engines import Engines
from tests.stories.given import Given
from tests.stories.project import HILLGROVE, LOAN, OTHER_LOAN, TODAY, a_right, offtake, record, watch, withdraw
from tests.stories.stockpile_facts import fact

MIGRATIONS = [
    importlib.import_module(f"migrations.loans.versions.{name}")
    for name in (
        "0001_journal_and_read_tables",
        "0003_authority",
        "0008_reference_rates",
        "0011_payees",
        "0013_laboratories",
        "0014_what_lapses",
    )
]


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator[AsyncConnection]:
    """The migrated tables, in a transaction that is rolled back."""
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(sa.text("CREATE SCHEMA project_tables"))
        await connection.execute(sa.text("SET LOCAL search_path = project_tables"))
        await connection.run_sync(_migrate)
        yield connection
        await transaction.rollback()
    await engine.dispose()


def _migrate(connection: sa.Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        for migration in MIGRATIONS:
            migration.upgrade()


async def happen(tables: AsyncConnection, *commands: Command) -> Project:
    told = Given(DECIDER, *commands)
    for position, event in enumerate(told.events, start=1):
        await project((await tables.get_raw_connection()).driver_connection, [fact(event, position, "loans")])  # type: ignore[arg-type]
    return told.state  # type: ignore[no-any-return]


async def rows(tables: AsyncConnection, table: type[Any]) -> Sequence[Any]:
    session = AsyncSession(tables)
    return (await session.exec(select(table).order_by(*sa.inspect(table).primary_key))).all()


async def test_the_migration_makes_the_tables_that_the_models_say(tables: AsyncConnection):
    def ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in metadata.tables

    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        return [each for each in compare_metadata(context, metadata) if "index" not in each[0]]

    assert await tables.run_sync(differences) == []


async def test_facts_are_read_as_they_are_known_and_withdrawn_ones_with_the_reason(tables: AsyncConnection):
    signed = msgspec.structs.replace(offtake("fct_2", 800, product="antimony-metal"), document="0" * 64)
    known = await happen(tables, record("fct_1"), signed, a_right(), withdraw("fct_1"))
    withdrawn, *standing = sorted(await rows(tables, ProjectFactRow), key=lambda row: row.withdrawn_on is None)
    assert (withdrawn.fact, withdrawn.withdrawn_on, withdrawn.withdrawn_by) == ("fct_1", TODAY, "usr_2")
    assert withdrawn.withdrawn_because == "the lease was surrendered"
    assert {row.fact for row in standing} == set(known.facts)
    for row in standing:
        as_known = msgspec.structs.asdict(known.facts[row.fact])
        assert {name: getattr(row, name) for name in as_known} == as_known
        assert row.project == HILLGROVE
    assert {row.fact: (row.evidence, row.document) for row in standing} == {
        "fct_2": (["NSW register"], "0" * 64),
        "fct_9": (["inventory/0/7"], None),
    }


async def test_the_loans_that_watch_stand_with_the_project_once_each(tables: AsyncConnection):
    many = [record(f"fct_{n:02}") for n in range(65)]  # a watching loan is told in several events
    known = await happen(tables, *many, watch(), watch(OTHER_LOAN))
    [row] = await rows(tables, ProjectRow)
    assert (row.project, tuple(row.loans)) == (HILLGROVE, known.loans)
    assert known.loans == (LOAN, OTHER_LOAN)
