"""The read tables of who may act, on the real PostgreSQL: as migrations make them, and as a registry's events leave them."""

import importlib
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import immutables
import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from shared.engines.engines import Engines
from shared.terms.acting import (
    Approval,
    AuthorityBack,
    EndOfAuthority,
    EndOfConflict,
    EndOfKey,
    KeyBack,
    NewAuthority,
    NewConflict,
    NewKey,
    NewOfficer,
    NewPerson,
    Proposal,
    Tells,
    Told,
)
from shared.terms.authority import Acting
from shared.terms.authority_tables import TAKEN_OVER, UnderAuthority, capacity_of, fallen_among, first, metadata, no_first, taking
from tests.stories.powers import INSTRUMENT, may
from tests.stories.stockpile_facts import fact

TODAY = date(2026, 1, 6)
BEFORE = {
    "inventory": ["0001_journal_and_read_tables", "0008_authority", "0010_countersigning", "0012_persons"],
    "loans": ["0001_journal_and_read_tables", "0003_authority", "0005_persons"],
}


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="registry.told.v1"):
    told: Any


TELLS: Tells = {Event: lambda event: event.told}


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator[AsyncConnection]:
    """A schema of its own, in a transaction that is rolled back."""
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(sa.text("CREATE SCHEMA authority_tables"))
        await connection.execute(sa.text("SET LOCAL search_path = authority_tables"))
        yield connection
        await transaction.rollback()
    await engine.dispose()


async def tell(tables: AsyncConnection, *told: Told) -> None:
    connection: Any = (await tables.get_raw_connection()).driver_connection
    await taking(TELLS)(connection, [fact(Event(told=each), position, "registry") for position, each in enumerate(told, 1)])


def differences(connection: sa.Connection, under: UnderAuthority) -> list[Any]:
    kept = {table.name for table in under.tables}
    opts = {"include_name": lambda name, kind, _: kind != "table" or name in kept, "include_object": lambda table, *_: table.name in kept}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), metadata))


async def test_a_migration_makes_the_tables_that_the_models_say_and_takes_them_back(tables: AsyncConnection):
    for statement in first():
        await tables.execute(sa.text(statement))
    assert await tables.run_sync(differences, UnderAuthority()) == []
    for statement in no_first():
        await tables.execute(sa.text(statement))
    assert await tables.run_sync(lambda connection: sa.inspect(connection).get_table_names("authority_tables")) == []


@pytest.mark.parametrize("service", BEFORE)
async def test_migrations_of_before_have_made_the_same_tables(tables: AsyncConnection, service: str):
    def migrate(connection: sa.Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            for name in BEFORE[service]:
                importlib.import_module(f"migrations.{service}.versions.{name}").upgrade()

    await tables.run_sync(migrate)
    assert await tables.run_sync(differences, UnderAuthority()) == []


async def test_who_may_act_is_what_the_registry_has_told(tables: AsyncConnection):
    for statement in first():
        await tables.execute(sa.text(statement))
    [[act]] = may("ann", TODAY).held
    delegation = msgspec.structs.replace(act, id="ins_del", under=act.id, holder="ben")
    await tell(
        tables,
        NewAuthority(act),
        NewAuthority(delegation),
        NewOfficer("ins_del", Acting(subject="cy", valid_from=TODAY, valid_until=TODAY)),
        NewConflict("cy", "partner/jp"),
        NewConflict("cy", "partner/us"),
        EndOfConflict("cy", "partner/us"),
    )
    session = AsyncSession(tables)
    found = await capacity_of(session, TAKEN_OVER, by="cy", on=TODAY, named=None)
    assert [[link.id for link in chain] for chain in found.held] == [["ins_del", INSTRUMENT]]
    assert (found.held[0][0].version, found.held[0][0].acting[0].subject, found.conflicts) == (2, "cy", {"partner/jp"})
    named = await capacity_of(session, TAKEN_OVER, by="dee", on=TODAY, named="ins_del")
    assert ([chain[0].id for chain in named.held], named.named) == (["ins_del"], "ins_del")  # another's: who asks is told so
    assert (await capacity_of(session, TAKEN_OVER, by="dee", on=TODAY, named=None)).held == ()
    await tell(tables, EndOfAuthority(INSTRUMENT, TODAY))
    [[_, root]] = (await capacity_of(session, TAKEN_OVER, by="ben", on=TODAY, named=None)).held
    assert (root.ended_on, root.version) == (TODAY, 2)
    await tell(tables, AuthorityBack(INSTRUMENT))
    [[_, root]] = (await capacity_of(session, TAKEN_OVER, by="ben", on=TODAY, named=None)).held
    assert (root.ended_on, root.version) == (None, 3)


async def test_a_key_is_known_from_its_enrolment_and_is_back_as_it_was(tables: AsyncConnection):
    for statement in first():
        await tables.execute(sa.text(statement))
    await tell(tables, NewKey("ben", "k2", "cd" * 32), NewKey("ben", "k3", "ef" * 32), EndOfKey("ben", "k2"), EndOfKey("ben", "k3"))
    await tell(tables, KeyBack("ben", "k2"))
    session = AsyncSession(tables)
    found = [await TAKEN_OVER.key(session, "ben", key) for key in ("k2", "k3")]
    assert [None if key is None else key.status for key in found] == ["enrolled", "revoked"]


async def test_a_key_is_known_from_its_enrolment_and_revoked_for_good(tables: AsyncConnection):
    for statement in first():
        await tables.execute(sa.text(statement))
    await tell(tables, NewKey("ann", "k1", "ab" * 32), NewKey("ben", "k2", "cd" * 32), EndOfKey("ben", "k2"))
    session = AsyncSession(tables)
    found = [await TAKEN_OVER.key(session, *each) for each in (("ann", "k1"), ("ben", "k2"), ("ann", "k2"))]
    assert [None if key is None else (key.public_key, key.status) for key in found] == [
        ("ab" * 32, "enrolled"),
        ("cd" * 32, "revoked"),
        None,
    ]
    assert await fallen_among(session, TAKEN_OVER, proposal(ann="k1", ben="k2"), ()) == ("k2",)


async def test_an_approval_falls_with_an_interest_and_with_another_account_of_the_same_person(tables: AsyncConnection):
    for statement in first():
        await tables.execute(sa.text(statement))
    keys = {"ann": "k1", "ben": "k2", "cy": "k3"}
    await tell(tables, *(NewKey(subject, key, "ab" * 32) for subject, key in keys.items()))
    session = AsyncSession(tables)
    assert await fallen_among(session, TAKEN_OVER, proposal(**keys), {"company/sojitz"}) == ()
    await tell(tables, NewConflict("cy", "company/sojitz"))
    assert await fallen_among(session, TAKEN_OVER, proposal(**keys), {"company/sojitz"}) == ("k3",)
    assert await fallen_among(session, TAKEN_OVER, proposal(**keys), {"company/other"}) == ()
    await tell(tables, NewPerson("ann", "per_1"), NewPerson("ben", "per_1"), NewPerson("cy", "per_2"))
    assert await fallen_among(session, TAKEN_OVER, proposal(**keys), ()) == ("k2",), "one person counts once"
    await tell(tables, NewPerson("dee", "per_2"))
    assert await fallen_among(session, TAKEN_OVER, proposal(**keys, by="dee"), ()) == ("k2", "k3"), "dee is cy, and proposed it"
    found = await capacity_of(session, TAKEN_OVER, by="dee", on=TODAY, named=None)
    assert (found.accounts, found.conflicts) == ({"cy", "dee"}, {"company/sojitz"})


def proposal(by: str = "operator", **keys: str) -> Proposal:
    """Approved by these people with these keys."""
    approvals = {key: Approval(subject=subject, key=key, signature="", approved_on=TODAY) for subject, key in keys.items()}
    return Proposal(purpose="loan", document="ab" * 32, proposed_by=frozenset({by}), approvals=immutables.Map(approvals))
