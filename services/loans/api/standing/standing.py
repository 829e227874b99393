"""Standing: how a loan stands on any day, by what is known now or was known then; its history; and what falls due."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from sqlmodel import func, select

from services.loans.api.fields import LoanPath
from services.loans.api.loan.loans import SeesLoans, find_loan
from services.loans.domain.loan.books import far_fault
from services.loans.domain.loan.state import Loan
from services.loans.domain.standing.standing import figures_on, upcoming
from services.loans.tables.loan import LoanEntryRow
from shared.http.fields import Day
from shared.http.handlers import Page, Paging, Reading, Reads, same_fields
from shared.http.problems import Problem

router = APIRouter(prefix="/v1/loans", tags=["standing"])


class StandingView(BaseModel):
    loan: str
    on: date
    known_at: datetime | None  # None: by all that is known now
    figures: dict[str, Any]


class DueView(BaseModel):
    due: date
    principal_minor: int
    interest_minor: int
    fees_minor: int
    balance_minor: int


class LoanEntryView(BaseModel):
    version: int
    kind: str
    on: date  # that it counts for
    recorded_on: date
    recorded_at: datetime
    amount_minor: int | None
    change: dict[str, int] | None
    text: str | None
    place: str


@router.get("/{loan}/standing")
async def show_standing(
    loan: LoanPath,
    caller: SeesLoans,
    reads: Reading,
    on: Annotated[Day | None, Query(description="the day that is asked about; left out: today")] = None,
    known_at: Annotated[AwareDatetime | None, Query(description="only what was recorded by then; left out: all that is known")] = None,
) -> StandingView:
    """Both times at once: how it stood on 6 January, as was known on the 20th."""
    async with reads.session() as session:
        await find_loan(session, loan, caller)
        version = None
        if known_at is not None:
            known = select(func.max(LoanEntryRow.version)).where(LoanEntryRow.loan == loan, LoanEntryRow.recorded_at <= known_at)
            version = (await session.exec(known)).one() or 0
    state = await loan_as_known(reads, loan, version)
    day = on or reads.today
    if state.account is None:
        raise Problem("loan_status", "nothing was committed by then", field="query:known_at", accepted="a later time")
    if (fault := far_fault(state.account, day, reads.today, "query:on")) is not None:
        raise Problem(fault.code, fault.detail, field=fault.field, accepted=fault.accepted)
    return StandingView(loan=loan, on=day, known_at=known_at, figures=msgspec.to_builtins(figures_on(state.account, day)))


async def loan_as_known(reads: Reads, loan: str, version: int | None) -> Loan:
    """The loan after so many of its events; None: after all of them."""
    stream = f"loan/{loan}"
    state: Any = Loan()
    if version is None:
        state, _ = await reads.state(stream)
    else:
        evolve = reads.kernel.writer.decider_of(stream).evolve  # commands that wait for a signature are in the stream, too
        async for at, event in reads.kernel.journal.read_stream(stream):
            if at > version:
                break
            state = evolve(state, event)
    assert isinstance(state, Loan)
    return state


@router.get("/{loan}/schedule")
async def show_schedule(loan: LoanPath, caller: SeesLoans, reads: Reading) -> list[DueView]:
    """What falls due from today on, if nothing more is advanced and all is paid when it is due."""
    async with reads.session() as session:
        await find_loan(session, loan, caller)
    state = await loan_as_known(reads, loan, None)
    if state.account is None:
        raise Problem("loan_status", "the loan is not committed", field="path:loan", accepted="a committed loan")
    return [DueView.model_validate(row, from_attributes=True) for row in upcoming(state.account, reads.today)]


@router.get("/{loan}/entries")
async def list_entries(loan: LoanPath, caller: SeesLoans, pages: Paging) -> Page[LoanEntryView]:
    """All that ever happened to it, in the order in which it became known."""
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(
            select(LoanEntryRow).where(LoanEntryRow.loan == loan), LoanEntryRow.version, same_fields(LoanEntryView), session=session
        )
