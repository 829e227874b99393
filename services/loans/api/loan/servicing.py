"""Servicing: rates, fees, ratios, grades, and the ends that a loan can come to."""

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import col, select

from services.loans.api.fields import LoanPath, Number, PositiveMinor, PositiveNumber, WholeMinor
from services.loans.api.loan.loans import LoanChange, Operates, SeesLoans, find_loan
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, Regrade, ReportRatio, ResetRate
from services.loans.domain.loan.state import LoanStatus
from services.loans.events.defaults import DefaultCause
from services.loans.events.terms import CovenantKind, Grade, Stage
from services.loans.tables.loan import RatioRow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Posting, Reading
from shared.terms.countersigning_api import ProposalView, done_or_proposed, propose
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/loans", tags=["servicing"])


class RateResetBody(Body):
    """The base rate from a day on; the margin stays."""

    base_pct: Number
    source: Text
    from_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `from_on` is before today: why it is recorded later")


class FeeBody(Body):
    text: Text
    amount_minor: PositiveMinor
    due_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `due_on` is before today: why it is recorded later")


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


class DeclarationBody(ReasonBody):
    """`cause`: what the loan knows itself is looked up; paying all that is due cures one for want of payment."""

    cause: DefaultCause = "other"


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


@router.post("/{loan}/rates", status_code=202)
async def reset_rate(loan: LoanPath, body: RateResetBody, caller: Operates, post: Posting) -> ProposalView:
    command = ResetRate(
        base_pct=body.base_pct,
        source=post.text(body.source),
        from_on=body.from_on,
        dated_because=body.dated_because,
        reported_on=post.today,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.post("/{loan}/fees", status_code=202)
async def charge_fee(loan: LoanPath, body: FeeBody, caller: Operates, post: Posting) -> ProposalView:
    command = ChargeFee(
        fee=post.new_id("fee"),
        text=post.text(body.text),
        amount_minor=body.amount_minor,
        due_on=body.due_on,
        dated_because=body.dated_because,
        reported_on=post.today,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.post("/{loan}/ratios", status_code=201)
async def report_ratio(loan: LoanPath, body: RatioBody, caller: Operates, post: Posting) -> RatioView | ProposalView:
    """A covenant's figure, as the borrower reports it. One below the minimum is a breach until it is waived, or another cures it, which
    another person signs."""
    command = ReportRatio(kind=body.kind, ratio=body.ratio, for_on=body.for_on, source=post.text(body.source), on=post.today)
    done = await done_or_proposed(post, CONTROLS, f"loan/{loan}", command)
    return done if isinstance(done, ProposalView) else RatioView.model_validate(done.facts[0].event, from_attributes=True)


@router.get("/{loan}/ratios")
async def list_ratios(loan: LoanPath, caller: SeesLoans, reads: Reading) -> list[RatioView]:
    async with reads.session() as session:
        await find_loan(session, loan, caller)
        query = select(RatioRow).where(RatioRow.loan == loan).order_by(col(RatioRow.for_on), col(RatioRow.kind))
        return [RatioView.model_validate(row, from_attributes=True) for row in (await session.exec(query)).all()]


@router.post("/{loan}/grade")
async def regrade(loan: LoanPath, body: GradeBody, caller: Operates, post: Posting) -> GradeView | ProposalView:
    """What lowers the provision is proposed, and another person signs it."""
    command = Regrade(grade=body.grade, stage=body.stage, provision_minor=body.provision_minor, reason=post.text(body.reason))
    done = await done_or_proposed(post, CONTROLS, f"loan/{loan}", command)
    return done if isinstance(done, ProposalView) else GradeView.model_validate(done.facts[0].event, from_attributes=True)


@router.post("/{loan}/default")
async def declare_default(loan: LoanPath, body: DeclarationBody, caller: Operates, post: Posting) -> LoanChange:
    """Nothing is advanced any more. That all of it falls due is the act `accelerate`, which another person signs."""
    await post.submit(f"loan/{loan}", DeclareDefault(reason=post.text(body.reason), on=post.today, cause=body.cause))
    return LoanChange(loan=loan, status=LoanStatus.DEFAULTED, reason=body.reason)


@router.post("/{loan}/close")
async def close_loan(loan: LoanPath, body: ReasonBody, caller: Operates, post: Posting) -> LoanChange | ProposalView:
    """Only one that nothing is owed of, to either side, and nothing may still be advanced of. Its headroom is free again. One with a claim
    on what was written off is closed by two."""
    done = await done_or_proposed(post, CONTROLS, f"loan/{loan}", CloseLoan(reason=post.text(body.reason), on=post.today))
    return done if isinstance(done, ProposalView) else LoanChange(loan=loan, status=LoanStatus.CLOSED, reason=body.reason)
