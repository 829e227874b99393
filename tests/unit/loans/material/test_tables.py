"""The read tables of material loans on the real PostgreSQL: at every step they say what the loan itself does."""

import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.domain.material.decider import DECIDER
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import CheckDue, MarkSecurity, RecordTakenBack, SettleInCash, TopUpSecurity
from services.loans.domain.material.returns import TurnBackReturn
from services.loans.domain.material.state import MaterialLoan
from services.loans.domain.material.terms import CommitMaterialLoan, RefuseMaterialLoan, WithdrawMaterialLoan
from services.loans.projections import project
from services.loans.tables.material import DeferralRow, MaterialEntryRow, MaterialLoanRow, MaterialReturnRow
from shared.engines.engines import Engines
from tests.stories.given import Given
from tests.stories.material import (
    BACK,
    DUE,
    LOAN,
    TERMS,
    UNIT_G,
    ask,
    bring,
    check,
    days,
    draw,
    grant,
    offer,
    propose,
    sign,
    take_in,
)
from tests.stories.stockpile_facts import fact

MIGRATIONS = [
    importlib.import_module(f"migrations.loans.versions.{name}")
    for name in ("0001_journal_and_read_tables", "0003_authority", "0011_payees", "0013_laboratories", "0014_what_lapses")
]
LATER = days(45)


@pytest.fixture
async def tables(servers: Engines) -> AsyncIterator[AsyncConnection]:
    """The migrated tables, in a transaction that is rolled back."""
    engine = create_async_engine(servers.database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(sa.text("CREATE SCHEMA material_tables"))
        await connection.execute(sa.text("SET LOCAL search_path = material_tables"))
        await connection.run_sync(_migrate)
        yield connection
        await transaction.rollback()
    await engine.dispose()


def _migrate(connection: sa.Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        for migration in MIGRATIONS:
            migration.upgrade()


def to_lent() -> list[Any]:
    return [offer(), propose, sign, CommitMaterialLoan(), draw(10 * UNIT_G)]


COURSES = {
    "returned": [*to_lent(), bring(11, LATER), check("0.9965", LATER), take_in()],
    "umpired in part": [*to_lent(), bring(5, LATER, "0.995"), check("0.999", LATER), check("0.997", LATER, by="umpire"), take_in()],
    "rejected": [*to_lent(), bring(5, LATER), check("0.98", LATER, fit=False)],
    "turned back": [
        *to_lent(),
        bring(5, LATER),
        check("0.9965", LATER),
        TurnBackReturn(returned=BACK, reason="x", detail="y"),
    ],
    "deferred": [*to_lent(), CheckDue(on=days(1, DUE)), ask, lambda loan: grant(loan, days(2, DUE))],
    "refused and withdrawn": [*to_lent()[:3], RefuseMaterialLoan(reason="limit_exceeded", detail="x"), WithdrawMaterialLoan(reason="no")],
    "withdrawn and offered again": [*to_lent()[:2], WithdrawMaterialLoan(reason="no"), offer(decision="e" * 64, mass_g=UNIT_G)],
    "taken back": [*to_lent()[:4], draw(UNIT_G, undrawn_g=9 * UNIT_G), RecordTakenBack(draw="drw_1")],
    "settled in cash": [*to_lent(), SettleInCash(price_minor="5", source=TERMS.cash_basis, reference="y", on=LATER)],
    "secured": [
        *to_lent(),
        MarkSecurity(price_minor="48", quoted_on=LATER, source="x", on=LATER),
        TopUpSecurity(amount_minor=9, reference="y"),
    ],
    "replaced in part": [
        *to_lent(),
        CheckDue(on=days(1, DUE)),
        DeclareMaterialDefault(reason="x", on=days(1, DUE)),
        RecordReplacement(bought_g=UNIT_G, cost_minor=7, source="x", on=days(1, DUE)),
    ],
}


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
async def test_a_row_is_its_loan_and_each_event_a_line_of_its_history(tables: AsyncConnection, course: list[Any]):
    driver = (await tables.get_raw_connection()).driver_connection
    story, position = Given(DECIDER), 0
    async with AsyncSession(tables) as session:
        for command in course:
            story = story.when(command)
            assert story.events
            loan = story.state
            for event in story.events:
                position += 1
                await project(driver, [fact(event, position, "loans")])  # type: ignore[arg-type]
            session.expire_all()
            row = await session.get(MaterialLoanRow, LOAN)
            assert row is not None
            assert _said(row) == _is(loan)
        lines = (await session.exec(select(MaterialEntryRow))).all()
        assert len(lines) == position
        waiting = (await session.exec(select(MaterialReturnRow).where(sa.column("status").in_(("received", "split", "settled"))))).all()
        assert {each.returned for each in waiting} == set(loan.returns)
        asked = (await session.exec(select(DeferralRow).where(DeferralRow.status == "proposed"))).all()
        assert {each.deferral for each in asked} == set(loan.deferrals)


def _said(row: MaterialLoanRow) -> dict[str, Any]:
    names = ("status", "partner", "product", "decision", "mass_g", "undrawn_g", "out_g", "excess_g", "returned_g", "overdue", "defaulted")
    secured = row.status in ("committed", "lent")
    return {name: getattr(row, name) for name in names} | {
        "security_minor": row.security_minor if secured else 0,
        "call_minor": row.call_minor,
        "due_on": row.due_on if secured else None,
        "premium_g": row.premium_g,
    }


def _is(loan: MaterialLoan) -> dict[str, Any]:
    secured = loan.status in ("committed", "lent")
    return {
        "status": loan.status,
        "partner": loan.partner,
        "product": loan.product,
        "decision": loan.decision,
        "mass_g": loan.mass_g,
        "undrawn_g": loan.undrawn_g,
        "out_g": loan.out_g,
        "excess_g": -loan.books.excess_g,
        "returned_g": loan.returned_g,
        "overdue": loan.overdue,
        "defaulted": loan.defaulted,
        "security_minor": loan.security_minor if secured else 0,
        "call_minor": loan.call_minor,
        "due_on": loan.due_on if secured else None,
        "premium_g": -loan.books.premium_g,
    }
