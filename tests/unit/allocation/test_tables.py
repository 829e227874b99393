"""The read tables of allocation on the real PostgreSQL: they agree with the book, with the stockpile, and with their migration."""

import importlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.allocation.api.lookups import available_units, find_surroundings
from services.allocation.domain.book.decider import OpenBook
from services.allocation.domain.book.requests import WithdrawRequest
from services.allocation.events import AwardId, AwardRenounced, DecisionHash, ReportSent, RequestScreeningDue, RoundId, SubjectId
from services.allocation.events.authority import ConflictDeclared, ConflictLapsed, ConflictWithdrawn
from services.allocation.events.clocks import ClockStarted, Standing
from services.allocation.projections import project
from services.allocation.projections.supply import take_stock
from services.allocation.tables import metadata
from services.allocation.tables.book import ApprovalRow, AwardRow, RequestRow, RoundRow
from services.allocation.tables.clocks import TaskRow
from services.allocation.tables.decisions import ReportRow, ReportSentRow
from services.inventory.domain.state import free_rights_g
from services.inventory.events import LotId, LotMoved
from shared.engines.engines import Engines
from tests.stories import rights
from tests.stories import stockpile as stock
from tests.stories.book import ANTIMONY, JP, TODAY, US, Story, accept, open_round, request_id, submit
from tests.stories.given import Given
from tests.stories.stockpile_by_chance import histories, tell
from tests.stories.stockpile_facts import A_LIFE, fact, facts_of

VERSIONS = Path(__file__).parents[3] / "migrations" / "allocation" / "versions"
KERNELS = ("0002_lock_head", "0003_snapshots", "0005_timer_instants", "0020_timer_versions")  # of the journal, which is not here
MIGRATIONS = [
    importlib.import_module(f"migrations.allocation.versions.{name}")
    for name in sorted(file.stem for file in VERSIONS.glob("[0-9]*.py"))
    if name not in KERNELS
]


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator[AsyncConnection]:
    """The migrated tables, in a transaction that is rolled back."""
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(sa.text("CREATE SCHEMA book_tables"))
        await connection.execute(sa.text("SET LOCAL search_path = book_tables"))
        await connection.run_sync(_migrate)
        yield connection
        await transaction.rollback()
    await engine.dispose()


def _migrate(connection: sa.Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        for migration in MIGRATIONS:
            migration.upgrade()


async def driver(tables: AsyncConnection) -> Any:
    return (await tables.get_raw_connection()).driver_connection


class Told:
    """A story whose events are projected as they happen."""

    def __init__(self, tables: AsyncConnection) -> None:
        self.tables = tables
        self.story = Story()
        self.position = 0

    async def when(self, *commands: Any) -> None:
        for command in commands:
            facts = []
            self.story = self.story.when(command)
            for event in self.story.events:
                self.position += 1
                facts.append(fact(event, self.position, "allocation"))
            await project(await driver(self.tables), facts)

    async def rows(self, table: type[Any]) -> Sequence[Any]:
        session = AsyncSession(self.tables)
        return (await session.exec(select(table).order_by(*sa.inspect(table).primary_key))).all()


async def a_certified_round(tables: AsyncConnection) -> Told:
    """JP is awarded a unit; US nothing."""
    told = Told(tables)
    await told.when(OpenBook(product=ANTIMONY), submit("jp", JP), accept("jp"), submit("us", US), accept("us"), open_round("jp", "us"))
    await told.when(told.story.propose(1))
    await told.when(told.story.approve())
    await told.when(told.story.certify())
    return told


async def test_the_migration_makes_the_tables_that_the_models_say(tables: AsyncConnection):
    def ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in metadata.tables

    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        return [each for each in compare_metadata(context, metadata) if "index" not in each[0]]

    assert await tables.run_sync(differences) == []


async def test_an_awarded_request_and_its_round_are_read_as_the_book_has_them(tables: AsyncConnection):
    told = await a_certified_round(tables)
    [round] = await told.rows(RoundRow)
    certified_in = f"allocation/2/{told.position - 1}"  # and then its award
    assert (round.status, round.decision, round.certified_in) == ("certified", told.story.decision(), certified_in)
    [award] = await told.rows(AwardRow)
    assert (award.status, award.partner, award.days_of_cover) == ("granted", JP, "5.0")
    assert [request.status for request in await told.rows(RequestRow)] == ["awarded", "accepted"]

    await told.when(told.story.close())
    [round], [award] = await told.rows(RoundRow), await told.rows(AwardRow)
    assert (round.status, award.status) == ("released", "released")
    assert [(request.status, request.round) for request in await told.rows(RequestRow)] == [("awarded", "rnd_1"), ("accepted", None)]


async def test_a_round_that_inventory_refused_is_read_as_open_and_its_award_as_withdrawn(tables: AsyncConnection):
    told = await a_certified_round(tables)
    await told.when(told.story.reopen())
    [round], [award], [approval] = await told.rows(RoundRow), await told.rows(AwardRow), await told.rows(ApprovalRow)
    assert (round.status, round.decision, round.certified_in, round.reason) == ("open", None, None, "refused by inventory: stock_short")
    assert (award.status, approval.lapsed) == ("withdrawn", True)
    assert [(request.status, request.round) for request in await told.rows(RequestRow)] == [("accepted", "rnd_1"), ("accepted", "rnd_1")]

    await told.when(told.story.propose(2))
    await told.when(told.story.approve())
    await told.when(told.story.certify())
    assert [(award.award, award.status) for award in await told.rows(AwardRow)] == [("awd_jp", "granted"), ("awd_us", "granted")]


def report_sent(decision: DecisionHash, report: str) -> ReportSent:
    return ReportSent(
        round=RoundId("rnd_1"),
        product=ANTIMONY,
        decision=decision,
        report=report,
        addressee="Minister for Resources",
        reference=None,
        sent_on=TODAY,
        sent_by=SubjectId("operator-1"),
    )


async def test_a_certified_round_owes_a_report_until_it_is_sent(tables: AsyncConnection):
    told = await a_certified_round(tables)
    [owed] = await told.rows(ReportRow)
    assert (owed.status, owed.decision, owed.report) == ("due", told.story.decision(), None)
    connection = await driver(tables)
    await project(connection, [fact(report_sent(told.story.decision(), "ab" * 32), 90, "allocation")])
    await project(connection, [fact(report_sent(told.story.decision(), "cd" * 32), 91, "allocation")])
    [owed], sent = await told.rows(ReportRow), await told.rows(ReportSentRow)
    assert (owed.status, owed.report, [each.report for each in sent]) == ("sent", "cd" * 32, ["ab" * 32, "cd" * 32])


async def test_a_report_that_was_sent_is_read_the_same_whichever_stream_comes_first(tables: AsyncConnection):
    """A rebuild goes shard by shard, and the report has a stream of its own."""
    live, rebuilt = Story(), Told(tables)
    live = live.given(OpenBook(product=ANTIMONY), submit("jp", JP), accept("jp"), open_round("jp"))
    live = live.given(live.propose(1))
    live = live.given(live.approve())
    decision = live.decision()
    await project(await driver(tables), [fact(report_sent(decision, "ab" * 32), 90, "allocation")])
    await rebuilt.when(OpenBook(product=ANTIMONY), submit("jp", JP), accept("jp"), open_round("jp"))
    await rebuilt.when(rebuilt.story.propose(1))
    await rebuilt.when(rebuilt.story.approve())
    assert rebuilt.story.decision() == decision
    await rebuilt.when(rebuilt.story.certify())
    assert [(owed.status, owed.report) for owed in await rebuilt.rows(ReportRow)] == [("sent", "ab" * 32)]
    assert [task.done_on for task in await rebuilt.rows(TaskRow)] == [TODAY]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("first", ["book", "clock"])
async def test_a_request_is_screened_once_it_is_accepted_whichever_stream_comes_first(tables: AsyncConnection, first: str, at_once: bool):
    due = RequestScreeningDue(request=request_id("jp"), product=ANTIMONY, partner=JP, screen_by=TODAY)
    started = ClockStarted(
        request=request_id("jp"),
        product=ANTIMONY,
        partner=JP,
        now=Standing(next="decided", limit_on=TODAY, breached=False, check_on=None),
        clock="standard",
        submitted_on=TODAY,
        screened_on=TODAY,
        limits={"decided": TODAY},
        warn_days=3,
        loan=False,
    )
    opened = Story().when(OpenBook(product=ANTIMONY))
    asked = opened.when(submit("jp", JP))
    commits = [[*opened.events, *asked.events], [due], list(asked.when(accept("jp")).events)]
    book = [[event for commit in commits for event in commit]] if at_once else commits
    for number, commit in enumerate([*book, [started]] if first == "book" else [[started], *book]):
        facts = [fact(event, 10 * number + place, "allocation") for place, event in enumerate(commit)]
        await project(await driver(tables), facts)
    assert [(task.task, task.done_on) for task in await Told(tables).rows(TaskRow)] == [("clock/req_jp/screened", TODAY)]


async def test_an_award_that_was_given_back_is_read_the_same_whichever_stream_comes_first(tables: AsyncConnection):
    told = await a_certified_round(tables)
    decision = told.story.decision()
    renounced = AwardRenounced(
        award=AwardId("awd_jp"),
        round=RoundId("rnd_1"),
        request=request_id("jp"),
        product=ANTIMONY,
        partner=JP,
        decision=decision,
        reason="met elsewhere",
    )
    await project(await driver(tables), [fact(renounced, 91, "allocation")])
    await told.when(told.story.close())
    assert [(award.award, award.status) for award in await told.rows(AwardRow)] == [("awd_jp", "renounced")]


async def test_a_round_that_inventory_refused_owes_no_report_and_one_that_was_sent_is_withdrawn(tables: AsyncConnection):
    told = await a_certified_round(tables)
    await told.when(told.story.reopen())
    assert await told.rows(ReportRow) == []
    await told.when(told.story.propose(2))
    await told.when(told.story.approve())
    await told.when(told.story.certify())
    await project(await driver(tables), [fact(report_sent(told.story.decision(), "ab" * 32), 90, "allocation")])
    await told.when(told.story.reopen())
    assert [(owed.status, owed.report) for owed in await told.rows(ReportRow)] == [("withdrawn", "ab" * 32)]


async def test_a_decision_that_fell_is_not_read_any_more(tables: AsyncConnection):
    told = Told(tables)
    await told.when(OpenBook(product=ANTIMONY), submit("jp", JP), accept("jp"), open_round("jp", round=RoundId("rnd_1")))
    await told.when(told.story.propose(1))
    await told.when(told.story.approve())
    await told.when(WithdrawRequest(request=request_id("jp"), reason="met elsewhere"))
    [round], [approval], [request] = await told.rows(RoundRow), await told.rows(ApprovalRow), await told.rows(RequestRow)
    assert (round.status, round.decision, round.reason) == ("open", None, "lapsed: request req_jp")
    assert (approval.lapsed, request.status, request.round) == (True, "withdrawn", None)


@pytest.mark.parametrize("life", [A_LIFE, tuple(command for _, command in rights.LIFE)], ids=["stock", "rights"])
async def test_what_may_be_offered_is_what_the_stockpile_has_free(tables: AsyncConnection, life: tuple[Any, ...]):
    connection, told = await driver(tables), Given(stock.DECIDER)
    position = 0
    for command in life:
        facts = []
        told = told.when(command)
        for event in told.events:
            position += 1
            facts.append(fact(event, position))
        await take_stock(connection, facts)
        session = AsyncSession(tables)
        around = await find_surroundings(session, stock.ANTIMONY, [], None, TODAY)
        free = {unit_g: shelf.free_units for unit_g, shelf in told.state.shelves.items() if shelf.free_units > 0}
        assert await available_units(session, stock.ANTIMONY) == free
        assert around.lots_g == sum(unit_g * units for unit_g, units in free.items())
        assert around.rights_g == free_rights_g(told.state, TODAY)
        assert around.protected_g == told.state.protected_g
    assert facts_of(life)[1] == told.state


@pytest.mark.parametrize("size", [7, 10_000])
async def test_lot_by_lot_it_is_what_the_stockpile_has_whatever_happens(tables: AsyncConnection, size: int):
    """Many stories of whatever may be asked of a stockpile, each read in batches of this size."""
    connection = await driver(tables)
    pins = moved = 0
    for seed in range(5):
        facts, state = facts_of([command for command, *_ in histories(tell(seed, 150))])
        for batch in batched(facts, size, strict=False):
            await take_stock(connection, batch)
        lots = {row["lot"]: row for row in await connection.fetch("SELECT * FROM lots") if row["units"]}
        assert {name: (row["units"], row["pinned_units"], row["in_specification"]) for name, row in lots.items()} == {
            name: (it.units, state.pinned.get(name, 0), it.in_specification) for name, it in state.lots.items() if it.units
        }
        assert all(row["contents"] == state.lots[LotId(name)].contents for name, row in lots.items())
        assert {name: row["depot"] for name, row in lots.items()} == {name: it.depot for name, it in state.lots.items() if it.units}
        moved += sum(isinstance(fact.event, LotMoved) for fact in facts)
        kept = {(row["release"], row["lot"]): row["units"] for row in await connection.fetch("SELECT * FROM pins")}
        assert kept == {(name, pin.lot): pin.units for name, it in state.releases.items() for pin in it.pins}
        stops = {row["hold"] for row in await connection.fetch("SELECT hold FROM stops")}
        assert stops == set(state.holds)
        words = {row["hold"] for row in await connection.fetch("SELECT hold FROM hold_words")} & stops
        alone = {name: it.stops.partition("/")[0] for name, it in state.holds.items() if it.by is not None}
        wide = {name for name, scope in alone.items() if scope in ("all", "product", "partner")}
        assert words == wide, "whom a suspension may not go on with"
        units = {row["unit_g"]: row["units"] for row in await connection.fetch("SELECT unit_g, units FROM stock_units") if row["units"]}
        assert units == {unit_g: shelf.free_units for unit_g, shelf in state.shelves.items() if shelf.free_units}
        pins += len(kept)
        for table in ("lots", "pins", "stops", "hold_words", "stock_units", "stock", "rights", "protected_levels"):
            await connection.execute(f"DELETE FROM {table}")
    assert pins and moved


@pytest.mark.parametrize(("again", "left"), [("sub_y", ["sub_x"]), ("sub_official", ["sub_x"]), ("sub_x", [])])
async def test_a_conflict_that_is_withdrawn_erases_no_older_word_than_its_own(tables: AsyncConnection, again: str, left: list[str]):
    """Nor any where it stood by itself: whose word has lapsed begins no other for seven days."""
    about: Any = {"official": "sub_official", "about": "partner", "name": "JP"}
    first, later = datetime(2026, 1, 9, tzinfo=UTC), datetime(2026, 2, 9, tzinfo=UTC)
    declared = ConflictDeclared(**about, reason="told", declared_by=SubjectId("sub_x"), lapses_at=first)
    word = None if again == "sub_official" else later
    told = [
        declared,
        ConflictLapsed(**about),
        replace(declared, declared_by=SubjectId(again), lapses_at=word),
        ConflictWithdrawn(**about, reason="sold"),
    ]
    await project(await driver(tables), [fact(event, number, "allocation") for number, event in enumerate(told, start=1)])
    rows = await tables.execute(sa.text("SELECT by FROM bars"))
    assert [row.by for row in rows] == left
    assert not (await tables.execute(sa.text("SELECT official FROM conflicts"))).all()
