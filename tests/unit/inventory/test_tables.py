"""Inventory's read tables, on the real PostgreSQL: they agree with the stockpile, however its events were committed."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.allocation.events import PartnerCode, PartnerRegistered
from services.inventory.domain.products import SetProtectedStock, SetReceiptGrade
from services.inventory.domain.state import in_stock_g
from services.inventory.domain.weighing import SetWeighingTolerance
from services.inventory.events import ReleaseId
from services.inventory.projections import project
from services.inventory.projections.consignees import take_allocation
from services.inventory.projections.dispatch import take_checkpoints
from services.inventory.tables import metadata
from services.ledger.events import CheckpointSigned, CheckpointWitnessed
from services.ledger.signers import create_key_file
from shared.engines.engines import Engines
from shared.proofs.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from tests.stories import rights
from tests.stories.stockpile import (
    UNIT_G,
    a_round,
    announce,
    award,
    draw,
    lot,
    open_gate,
    register,
    reserved_g,
)
from tests.stories.stockpile_facts import A_LIFE, fact, facts_of

VERSIONS = Path(__file__).parents[3] / "migrations" / "inventory" / "versions"
KERNELS = ("0002_lock_head", "0003_snapshots", "0005_timer_instants", "0009_timer_versions")  # of the journal, which is not here
MIGRATIONS = [
    importlib.import_module(f"migrations.inventory.versions.{name}")
    for name in sorted(file.stem for file in VERSIONS.glob("[0-9]*.py"))
    if name not in KERNELS
]


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator["Tables"]:
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        yield Tables(connection)
        await transaction.rollback()
    await engine.dispose()


class Tables:
    """A transaction that is rolled back, in which schemas come and go."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    @asynccontextmanager
    async def schema(self, name: str) -> AsyncIterator[Any]:
        """The migrated tables of inventory, below another name; gives asyncpg's connection."""
        await self.connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        await self.connection.execute(sa.text(f"SET LOCAL search_path = {name}"))
        await self.connection.run_sync(self._migrate)
        yield (await self.connection.get_raw_connection()).driver_connection

    @staticmethod
    def _migrate(connection: sa.Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            for migration in MIGRATIONS:
                migration.upgrade()

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for table in metadata.sorted_tables:
            rows = await self.connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
        return found


async def test_the_migration_makes_the_tables_that_the_code_reads(tables: Tables):
    def differences(connection: sa.Connection) -> list[Any]:
        options = {"include_object": lambda it, name, kind, *_: kind != "table" or name in metadata.tables, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with tables.schema("inventory_migrated"):
        assert await tables.connection.run_sync(differences) == []


async def test_the_tables_are_the_same_however_the_events_were_committed(tables: Tables):
    facts, _ = facts_of(A_LIFE)
    found = []
    for size in (1, 3, len(facts)):
        async with tables.schema(f"inventory_by_{size}") as connection:
            for batch in batched(facts, size, strict=False):
                await project(connection, batch)
            found.append(await tables.rows())
    assert found[0] == found[1] == found[2]


async def test_the_life_of_a_right_reads_the_same_however_its_events_were_committed(tables: Tables):
    facts, state = facts_of([command for _, command in rights.LIFE])
    found = []
    for size in (1, 2, 5, len(facts)):
        async with tables.schema(f"rights_by_{size}") as connection:
            for batch in batched(facts, size, strict=False):
                await project(connection, batch)
            found.append(await tables.rows())
            tranches = await connection.fetch("SELECT number, status, delivered_g, late_days FROM tranches ORDER BY number")
            [owed] = await connection.fetch("SELECT * FROM owed")
            [right] = await connection.fetch("SELECT * FROM rights")
    assert found[0] == found[1] == found[2] == found[3]
    assert [tuple(row) for row in tranches] == [
        (1, "replaced", 0, 0),
        (2, "delivered", 4 * UNIT_G, 0),
        (3, "failed", 2 * UNIT_G, 14),
    ]
    assert (owed["mass_g"], owed["remaining_g"], owed["failed_g"]) == (8 * UNIT_G, 0, 3 * UNIT_G)
    assert (owed["substituted_g"], owed["given_back_g"], owed["short_g"], owed["grace_days"]) == (UNIT_G, UNIT_G, 0, 14)
    assert (right["remaining_g"], right["termination"], right["window_from"]) == (0, "repeated_failure", rights.FROM)
    assert not state.rights and not state.programmes and not state.assigned


async def test_the_balances_are_the_stockpiles(tables: Tables):
    facts, state = facts_of(A_LIFE)
    async with tables.schema("inventory_balances") as connection:
        await project(connection, facts)
        row = dict(await connection.fetchrow("SELECT * FROM products"))
        assert (row["in_stock_g"], row["released_g"], row["quarantined_g"]) == (in_stock_g(state), reserved_g(state), state.quarantined_g)
        assert (row["drawn_g"], row["released_rights_g"]) == (state.drawn_g, state.reserved_rights_g)
        assert (row["dispatched_g"], row["protected_g"], row["version"]) == (2 * UNIT_G, UNIT_G, len(facts))
        lots = {row["lot"]: row["units"] for row in await connection.fetch("SELECT lot, units FROM lots")}
        assert {name: units for name, units in lots.items() if units} == {name: it.units for name, it in state.lots.items() if it.units}
        rights = {row["right"]: row["remaining_g"] for row in await connection.fetch('SELECT "right", remaining_g FROM rights')}
        assert rights == {name: it.mass_g for name, it in state.rights.items()}
        statuses = {row["release"]: row["status"] for row in await connection.fetch("SELECT release, status FROM releases")}
        assert statuses == {"rel_a": "lapsed", "rel_b": "drawn", "rel_c": "drawn", "rel_d": "cancelled", "rel_e": "open"}
        [pinned] = await connection.fetch("SELECT release, lots FROM releases WHERE lots IS NOT NULL")
        assert pinned["release"] == "rel_e"
        assert tuple(pinned["lots"]) == msgspec.to_builtins(state.releases[ReleaseId("rel_e")].pins)
        draws = {row["draw"]: row["status"] for row in await connection.fetch("SELECT draw, status FROM draws")}
        assert draws == {
            "drw_1": "delivered",
            "drw_2": "returned",
            "drw_3": "drawn",
            "drw_4": "assigned",
            "drw_5": "drawn",
            "drw_6": "assigned",
        }


@pytest.mark.parametrize("order", [(announce(), open_gate()), (open_gate(), announce())])
async def test_a_loan_is_known_whoever_tells_of_it_first(tables: Tables, order: tuple[Any, Any]):
    facts, _ = facts_of((register(), lot("lot_1", 10), *order, a_round(award("a", "JP", 4)), draw("drw_1", "rel_a", 1)))
    for size in (1, len(facts)):
        async with tables.schema(f"inventory_loans_by_{size}") as connection:
            for batch in batched(facts, size, strict=False):
                await project(connection, batch)
            [row] = await connection.fetch("SELECT * FROM awarded_loans")
            assert (row["release"], row["award"], row["return_on"]) == ("rel_a", "awd_a", announce().return_on)
            assert row["decision"] == row["opened_for"]
            assert row["gate"]["evidence"] == "loans/0/9"


async def test_the_last_checkpoint_says_how_far_the_journal_is_covered_and_the_last_witnessed_one_how_far_others_vouch(
    tables: Tables, tmp_path
):
    signer = create_key_file(tmp_path / "log.pem")
    async with tables.schema("inventory_covered") as connection:
        signed = []
        for size, position in ((10, 7), (20, 9)):
            note = sign_checkpoint(Checkpoint("reserve.example/log", TreeHead(size, bytes(32))), signer)
            covers = {"inventory/2": position, "allocation/2": 3}
            signed.append(fact(CheckpointSigned(size=size, root="00" * 32, note=note, covers=covers), size, "ledger"))
        await take_checkpoints(connection, signed[:1])
        witnessed = fact(CheckpointWitnessed(size=10, root="00" * 32, note="cosigned", covers={"inventory/2": 7}), 21, "ledger")
        await take_checkpoints(connection, [*signed, witnessed])
        rows = [tuple(row) for row in await connection.fetch("SELECT shard, position, log, log_size FROM covered")]
        assert rows == [(2, 9, "reserve.example/log", 20)]
        rows = [tuple(row) for row in await connection.fetch("SELECT shard, position, note, log_size FROM witnessed")]
        assert rows == [(2, 7, "cosigned", 10)]


async def test_the_last_grade_and_each_tolerance_that_were_set_are_a_products_in_one_batch_and_in_several(tables: Tables):
    shares = [("1/1000", None), ("1/500", "JP"), ("1/400", "JP")]
    story = [register(), SetReceiptGrade(grade="witnessed", reason="a"), SetProtectedStock(mass_g=UNIT_G, authority="x", reason="y")]
    story += [SetWeighingTolerance(partner=partner, tolerance=share, reason="a") for share, partner in shares]
    for number, size in enumerate((1, 6)):
        async with tables.schema(f"inventory_grades_{number}") as connection:
            facts, _ = facts_of(story)
            for batch in batched(facts, size, strict=False):
                await project(connection, batch)
            [row] = await connection.fetch("SELECT receipt_grade, protected_g, version, weighing_tolerances FROM products")
            assert tuple(row) == ("witnessed", UNIT_G, 6, {"product": "1/1000", "partner/JP": "1/400"})


async def test_allocations_partners_are_known_once(tables: Tables):
    japan = fact(PartnerRegistered(partner=PartnerCode("JP"), name="Japan"), 1, "allocation")
    async with tables.schema("inventory_partners") as connection:
        await take_allocation(connection, [japan])
        await take_allocation(connection, [japan, fact(CheckpointSigned(size=0, root="", note="", covers={}), 2, "ledger")])
        assert [row["partner"] for row in await connection.fetch("SELECT partner FROM partners")] == ["JP"]
