"""Statements: a loan in a period, with what was owed before, each line, and what is owed after; as JSON, or as a page for print."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Response
from pydantic import AwareDatetime, BaseModel
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.fields import LoanPath
from services.loans.api.loan.loans import SeesLoans, find_loan
from services.loans.api.standing.standing import loan_as_known
from services.loans.api.standing.statement_page import page_of
from services.loans.domain.standing.standing import books_on, figures_on, minus
from services.loans.domain.standing.statement import LineKind, StatementEntry, lines_of, told_in
from services.loans.tables.loan import LoanEntryRow
from shared.http.fields import Day
from shared.http.handlers import Reading, Reads
from shared.http.print_page import PAGE, PAGE_HEADERS, Format, wants_page
from shared.http.problems import Problem
from shared.http.shown_texts import shown_in

router = APIRouter(prefix="/v1/loans", tags=["statements"])


class StatementLine(BaseModel):
    """`recorded_on` None: a period's end, which nobody tells. `told_late`: after the statement's last day, so one of that day lacked it."""

    on: date
    kind: LineKind
    amount_minor: int | None
    owed_minor: int  # after it
    change: dict[str, int]
    recorded_on: date | None
    told_late: bool
    text: str | None
    place: str | None  # where the journal has it: its receipt proves it


class Correction(BaseModel):
    """Told in the period, of earlier days, or as never having been: an earlier statement was without it."""

    kind: str
    on: date
    recorded_on: date
    amount_minor: int | None
    text: str | None
    place: str


class StatementView(BaseModel):
    """`opening` and all `lines` together are `closing`; `sums`: the lines' changes, account by account."""

    loan: str
    facility: str
    borrower: str
    project: str
    currency: str
    since: date
    until: date
    known_at: datetime | None  # None: by all that is known now
    opening: dict[str, Any]
    lines: list[StatementLine]
    sums: dict[str, int]
    closing: dict[str, Any]
    corrections: list[Correction]


@router.get("/{loan}/statements", response_model=StatementView, responses=PAGE)
async def show_statement(
    loan: LoanPath,
    caller: SeesLoans,
    reads: Reading,
    response: Response,
    since: Annotated[Day, Query(alias="from", description="the first day")],
    until: Annotated[Day, Query(description="the last day: today, or before")],
    known_at: Annotated[AwareDatetime | None, Query(description="only what was recorded by then; left out: all that is known")] = None,
    format: Annotated[Format | None, Query(description="left out: as Accept says, and JSON if it says nothing")] = None,
    accept: Annotated[str | None, Header()] = None,
) -> StatementView | Response:
    """Of a facility loan. A borrower sees its own."""
    if until < since:
        raise Problem("statement_dates_reversed", "it would end before it begins", field="query:until", accepted=f"{since} or later")
    if until > reads.today:
        raise Problem("date_in_future", f"{until} has not come yet", field="query:until", accepted=f"{reads.today} or earlier")
    async with reads.session() as session:
        row = await find_loan(session, loan, caller)
        version = await _version_at(session, loan, known_at)
        state = await loan_as_known(reads, loan, version)
        if (account := state.account) is None:
            raise Problem("loan_status", "nothing was committed by then", field="path:loan", accepted="a committed loan")
        lines = tuple(lines_of(account, since, until))
        entries = await _entries(session, reads, loan, lines)
        corrections = await _corrections(session, loan, since, until, version)
    before = since - timedelta(days=1)
    statement = StatementView(
        loan=loan,
        facility=row.facility,
        borrower=row.borrower,
        project=row.project,
        currency=row.currency,
        since=since,
        until=until,
        known_at=known_at,
        opening=msgspec.to_builtins(figures_on(account, before)),
        lines=[_line(line, entries.get(line.fact or ""), until) for line in lines],
        sums=msgspec.to_builtins(minus(books_on(account, until), books_on(account, before))),
        closing=msgspec.to_builtins(figures_on(account, until)),
        corrections=corrections,
    )
    if wants_page(format, accept):
        return Response(page_of(await shown_in(reads.kernel.pool, statement.model_dump())), media_type="text/html", headers=PAGE_HEADERS)
    response.headers["Vary"] = "Accept"
    return statement


async def _version_at(session: AsyncSession, loan: str, known_at: datetime | None) -> int | None:
    if known_at is None:
        return None
    known = select(func.max(LoanEntryRow.version)).where(LoanEntryRow.loan == loan, LoanEntryRow.recorded_at <= known_at)
    return (await session.exec(known)).one() or 0


async def _entries(session: AsyncSession, reads: Reads, loan: str, lines: tuple[StatementEntry, ...]) -> dict[str, LoanEntryRow]:
    """What told of the lines, by the id of their facts."""
    wanted = {line.fact for line in lines if line.fact is not None}
    if not wanted:
        return {}
    told = told_in([each async for each in reads.kernel.journal.read_stream(f"loan/{loan}")])
    versions = {told[fact]: fact for fact in wanted}
    rows = await session.exec(select(LoanEntryRow).where(LoanEntryRow.loan == loan, col(LoanEntryRow.version).in_(versions)))
    return {versions[row.version]: row for row in rows}


async def _corrections(session: AsyncSession, loan: str, since: date, until: date, version: int | None) -> list[Correction]:
    query = select(LoanEntryRow).where(
        LoanEntryRow.loan == loan,
        col(LoanEntryRow.recorded_on).between(since, until),
        or_(LoanEntryRow.on < since, LoanEntryRow.kind == "payment_reversed"),
        LoanEntryRow.kind != "period_closed",
        col(LoanEntryRow.change).is_not(None),
    )
    if version is not None:
        query = query.where(LoanEntryRow.version <= version)
    rows = await session.exec(query.order_by(col(LoanEntryRow.version)))
    return [Correction.model_validate(row, from_attributes=True) for row in rows]


def _line(line: StatementEntry, entry: LoanEntryRow | None, until: date) -> StatementLine:
    return StatementLine(
        on=line.on,
        kind=line.kind,
        amount_minor=line.amount_minor,
        owed_minor=line.owed_minor,
        change=msgspec.to_builtins(line.change),
        recorded_on=None if entry is None else entry.recorded_on,
        told_late=entry is not None and entry.recorded_on > until,
        text=None if entry is None else entry.text,
        place=None if entry is None else entry.place,
    )
