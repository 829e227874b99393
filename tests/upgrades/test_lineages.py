"""Every lineage goes up, down and up again: to the same schema, with a journal that is still the same journal."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from services.allocation.domain.partners.partner import RegisterPartner
from services.inventory.domain.stockpile import DECIDER
from services.ledger.domain.log import STREAM, RecordCheckpoint
from services.loans.domain.facility.headroom import DECIDER as FACILITY
from services.loans.domain.facility.headroom import OpenFacility
from services.loans.events.facility import FacilityId, Limit
from services.registry import JOURNALED, service
from shared.clock import SystemClock
from shared.journal.connection import Connection, open_pool
from shared.journal.decider import Decider
from shared.journal.postgres import PostgresJournal
from shared.process.service import Service
from shared.writer.commands import Accepted
from shared.writer.writer import Writer
from tests.kernel.stage import context
from tests.stories.stockpile import lot, register
from tests.upgrades.lineages import Schema, broken_for_the_build_before, columns_of, contents_of, down, revisions, schema_of, up

TOTAL = Limit(key="total", parent=None, limit_minor=400_000_000_000)
EMPTY = Schema({}, {}, {}, {}, {})
COMMANDS = {
    "inventory": [("stockpile/antimony-metal", register()), ("stockpile/antimony-metal", lot())],
    "allocation": [(f"partner/{code}", RegisterPartner(partner=code, name=code)) for code in ("JP", "US")],
    "loans": [
        (f"facility/{name}", OpenFacility(facility=FacilityId(name), currency="AUD", limits=(TOTAL,), authority="an Act"))
        for name in ("cmf", "lending")
    ],
    "ledger": [(STREAM, RecordCheckpoint(size=size, root="00" * 32, note="signed", covers={"inventory/0": size})) for size in (1, 2)],
}


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def migrated(owner: Connection, name: str) -> Schema:
    """Without what Alembic keeps for itself."""
    found = await schema_of(owner, name)
    kept = [
        {key: value for key, value in part.items() if key[0] != "alembic_version"}
        for part in (found.columns, found.constraints, found.indexes, found.triggers)
    ]
    return Schema(*kept, found.functions)


def rules_of(parts: Service) -> tuple[Decider, ...]:
    """Without who signs: what is written is the same."""
    alone = {"inventory": (DECIDER,), "loans": (FACILITY,)}
    return alone.get(parts.name, parts.deciders)


async def written(url: str, name: str, commands: list[int]) -> list[Accepted]:
    """What the service's own writer answers to these of its commands."""
    parts = service(name)
    pool = await open_pool(url, name, size=2)
    writer = Writer(PostgresJournal(name, parts.codec, pool, parts.project), rules_of(parts), SystemClock(), epoch=parts.epoch)
    await writer.start()
    try:
        answers = [await writer.submit(*COMMANDS[name][number], context(f"{name}-{number}")) for number in commands]
    finally:
        await writer.stop()
        await pool.close()
    assert all(isinstance(answer, Accepted) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Accepted)]


@pytest.mark.parametrize("name", JOURNALED)
async def test_each_step_down_takes_back_what_the_step_up_made(owner: Connection, name: str) -> None:
    at: dict[str, Schema] = {"base": EMPTY}
    steps = revisions(name)
    for revision in steps:
        await up(name, revision)
        at[revision] = await migrated(owner, name)
    for revision in ["base", *steps][-2::-1]:
        await down(name, revision)
        assert await migrated(owner, name) == at[revision]
    await up(name)
    assert await migrated(owner, name) == at[steps[-1]]


@pytest.mark.parametrize("name", JOURNALED)
async def test_a_journal_goes_down_to_the_first_revision_and_up_again_unharmed(owner: Connection, database: str, name: str) -> None:
    """All that the first revision had is kept; what later ones added is made anew from it."""
    first_revision = revisions(name)[0]
    await up(name, first_revision)
    kept = await columns_of(owner, name)
    await up(name)
    [first] = await written(database, name, [0])
    before = await contents_of(owner, name, kept)
    assert before["events"] and before["outcomes"]
    await down(name, first_revision)
    assert await contents_of(owner, name) == before
    await up(name)
    assert await contents_of(owner, name, kept) == before
    again, second = await written(database, name, [0, 1])
    assert again == first and second.facts


@pytest.mark.parametrize("name", JOURNALED)
async def test_no_migration_ends_a_journal(owner: Connection, database: str, name: str) -> None:
    await up(name)
    await written(database, name, [0, 1])
    before = await migrated(owner, name), await contents_of(owner, name)
    with pytest.raises((DBAPIError, CommandError), match="the journal has events"):
        await down(name, "base")
    assert (await migrated(owner, name), await contents_of(owner, name)) == before


@pytest.mark.parametrize("name", JOURNALED)
async def test_each_migration_leaves_the_build_before_all_that_it_uses(owner: Connection, name: str) -> None:
    earlier = EMPTY
    for revision in revisions(name):
        await up(name, revision)
        later = await migrated(owner, name)
        assert broken_for_the_build_before(earlier, later) == [], f"{name} {revision} does more than expand"
        earlier = later


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("ALTER TABLE lots RENAME TO batches", "lots.lot is gone"),
        ("ALTER TABLE lots RENAME COLUMN depot TO place", "lots.depot is gone"),
        ("ALTER TABLE lots DROP COLUMN depot", "lots.depot is gone"),
        ("ALTER TABLE lots ALTER COLUMN depot TYPE varchar(4)", "lots.depot is character varying(4)"),
        ("ALTER TABLE releases ALTER COLUMN reason SET NOT NULL", "releases.reason must not be null"),
        ("ALTER TABLE events ADD COLUMN tenant text NOT NULL", "events.tenant must be given"),
        ("ALTER TABLE heads ADD CHECK (epoch < 9)", "heads has a constraint that it had not"),
        ("ALTER TABLE outcomes DROP CONSTRAINT outcomes_pkey", "outcomes has no constraint outcomes_pkey"),
        ("CREATE UNIQUE INDEX ON lots (depot)", "lots has a unique index that it had not"),
        ("DROP FUNCTION lock_head", "lock_head(smallint,bytea[]) is gone"),
    ],
)
async def test_a_migration_that_does_more_is_found(owner: Connection, statement: str, found: str) -> None:
    await up("inventory")
    await owner.execute("SET search_path = inventory")
    earlier = await migrated(owner, "inventory")
    await owner.execute(statement)
    assert any(each.startswith(found) for each in broken_for_the_build_before(earlier, await migrated(owner, "inventory")))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE weighbridges (id text PRIMARY KEY)",
        "ALTER TABLE lots ADD COLUMN seal text",
        "ALTER TABLE lots ADD COLUMN seals integer NOT NULL DEFAULT 0",
        "CREATE INDEX ON lots (origin)",
        "ALTER TABLE lots ALTER COLUMN depot DROP NOT NULL",
    ],
)
async def test_one_that_only_expands_is_let_through(owner: Connection, statement: str) -> None:
    await up("inventory")
    await owner.execute("SET search_path = inventory")
    earlier = await migrated(owner, "inventory")
    await owner.execute(statement)
    assert broken_for_the_build_before(earlier, await migrated(owner, "inventory")) == []
