"""Servicing: rates, fees, ratios, grades, and the ends that a loan can come to."""

from datetime import date
from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, select

from services.loans.api.fields import LoanPath, Number, PositiveMinor, PositiveNumber, WholeMinor
from services.loans.api.loan.loans import LoanChange, Operates, SeesLoans, find_loan
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, DeclareDefault, Regrade, ReportRatio, ResetRate
from services.loans.domain.loan.state import LoanStatus
from services.loans.events.terms import CovenantKind, Grade, Stage
from services.loans.tables.loan import RatioRow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Posting, Reading

router = APIRouter(prefix="/v1/loans", tags=["servicing"])


class RateResetBody(Body):
    """The base rate from a day on; the margin stays."""

    base_pct: Number
    source: Text
    from_on: Day


class FeeBody(Body):
    text: Text
    amount_minor: PositiveMinor
    due_on: Day


class RatioBody(Body):
    kind: CovenantKind
    ratio: PositiveNumber
    for_on: Day
    source: Text


class GradeBody(Body):
    grade: Grade
    stage: Stage
    provision_minor: WholeMinor
    reason: Text


class ServicedView(BaseModel):
    """`change`: what it changes in the loan's books; `figures`: the loan's figures after it."""

    loan: str
    change: dict[str, int]
    figures: dict[str, Any]


class FeeView(ServicedView):
    fee: str


class RatioView(BaseModel):
    loan: str
    kind: CovenantKind
    ratio: str
    minimum: str
    for_on: date
    source: str
    standing: str  # kept, breached, cured or waived


class GradeView(BaseModel):
    loan: str
    grade: Grade
    stage: int
    provision_minor: int
    reason: str


@router.post("/{loan}/rates", status_code=201)
async def reset_rate(loan: LoanPath, body: RateResetBody, caller: Operates, post: Posting) -> ServicedView:
    command = ResetRate(base_pct=body.base_pct, source=body.source, from_on=body.from_on, on=post.today)
    event = (await post.submit(f"loan/{loan}", command)).facts[0].event
    return ServicedView(loan=loan, change=msgspec.to_builtins(event.change), figures=msgspec.to_builtins(event.after))


@router.post("/{loan}/fees", status_code=201)
async def charge_fee(loan: LoanPath, body: FeeBody, caller: Operates, post: Posting) -> FeeView:
    command = ChargeFee(fee=post.new_id("fee"), text=body.text, amount_minor=body.amount_minor, due_on=body.due_on, on=post.today)
    event = (await post.submit(f"loan/{loan}", command)).facts[0].event
    change, figures = msgspec.to_builtins(event.change), msgspec.to_builtins(event.after)
    return FeeView(loan=loan, fee=event.fee, change=change, figures=figures)


@router.post("/{loan}/ratios", status_code=201)
async def report_ratio(loan: LoanPath, body: RatioBody, caller: Operates, post: Posting) -> RatioView:
    """A covenant's figure, as the borrower reports it. One below the minimum is a breach until another cures it, or it is waived."""
    command = ReportRatio(kind=body.kind, ratio=body.ratio, for_on=body.for_on, source=body.source, on=post.today)
    event = (await post.submit(f"loan/{loan}", command)).facts[0].event
    return RatioView.model_validate(event, from_attributes=True)


@router.get("/{loan}/ratios")
async def list_ratios(loan: LoanPath, caller: SeesLoans, reads: Reading) -> list[RatioView]:
    async with reads.session() as session:
        await find_loan(session, loan, caller)
        query = select(RatioRow).where(RatioRow.loan == loan).order_by(col(RatioRow.for_on), col(RatioRow.kind))
        return [RatioView.model_validate(row, from_attributes=True) for row in (await session.exec(query)).all()]


@router.post("/{loan}/grade")
async def regrade(loan: LoanPath, body: GradeBody, caller: Operates, post: Posting) -> GradeView:
    command = Regrade(grade=body.grade, stage=body.stage, provision_minor=body.provision_minor, reason=body.reason)
    event = (await post.submit(f"loan/{loan}", command)).facts[0].event
    return GradeView.model_validate(event, from_attributes=True)


@router.post("/{loan}/default")
async def declare_default(loan: LoanPath, body: ReasonBody, caller: Operates, post: Posting) -> LoanChange:
    await post.submit(f"loan/{loan}", DeclareDefault(reason=body.reason, on=post.today))
    return LoanChange(loan=loan, status=LoanStatus.DEFAULTED, reason=body.reason)


@router.post("/{loan}/close")
async def close_loan(loan: LoanPath, body: ReasonBody, caller: Operates, post: Posting) -> LoanChange:
    """Only one that nothing is owed of, and nothing may still be advanced of. Its headroom is free again."""
    await post.submit(f"loan/{loan}", CloseLoan(reason=body.reason, on=post.today))
    return LoanChange(loan=loan, status=LoanStatus.CLOSED, reason=body.reason)
