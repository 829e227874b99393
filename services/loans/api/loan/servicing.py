"""Servicing: rates, fees, ratios, grades, and the ends that a loan can come to."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import col, select

from services.loans.api.fields import LoanPath, Number, PositiveMinor, PositiveNumber, WholeMinor
from services.loans.api.loan.loans import LoanChange, Operates, SeesLoans, find_loan
from services.loans.api.lookups import words_of_payees
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.covenants import ConfirmBreach, ReportRatio
from services.loans.domain.loan.defaults import ConfirmDefault, DeclareDefault
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, Regrade, ResetRate
from services.loans.domain.loan.state import LoanStatus, fault_of_unconfirmed
from services.loans.events.defaults import BreachConfirmed, DefaultCause, DefaultConfirmed
from services.loans.events.loan import RatioReported
from services.loans.events.terms import CovenantKind, Grade, Stage
from services.loans.tables.loan import RatioRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Posting, Reading
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, done_or_proposed, propose
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/loans", tags=["servicing"])

Confirms = Annotated[Caller, allow("operator", "approver")]


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
    standing: str  # kept, breached, cured, waived; or lapsed: a breach that nobody has confirmed
    lapses_at: datetime | None  # of a breach that is one person's word, unless a second one confirms it


class BreachConfirmedView(BaseModel):
    loan: str
    kind: CovenantKind
    for_on: date
    confirmed_by: str


class DefaultConfirmedView(BaseModel):
    loan: str
    confirmed_by: str


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


@router.post("/{loan}/ratios", status_code=201, responses=OR_PROPOSED)
async def report_ratio(loan: LoanPath, body: RatioBody, caller: Operates, post: Posting, reads: Reading) -> RatioView | ProposalView:
    """A covenant's figure, as the borrower reports it. One below the minimum is a breach for 72 hours: longer, if a second person confirms
    it, until it is waived, or another figure cures it, which another person signs."""
    command = ReportRatio(kind=body.kind, ratio=body.ratio, for_on=body.for_on, source=post.text(body.source), on=post.today)
    by = await by_one_caller(reads, caller, post.now, await words_of_payees(reads, loan))
    by_one = msgspec.structs.replace(command, by=by)
    done = await done_or_proposed(post, CONTROLS, f"loan/{loan}", by_one, proposed=command)
    return done if isinstance(done, ProposalView) else RatioView.model_validate(done.event(RatioReported), from_attributes=True)


@router.post("/{loan}/ratios/{kind}/confirm")
async def confirm_breach(loan: LoanPath, kind: CovenantKind, caller: Confirms, post: Posting, reads: Reading) -> BreachConfirmedView:
    """That the covenant is breached, by a second person: it does not lapse any more."""
    command = ConfirmBreach(kind=kind, by=caller.subject, accounts=await accounts_of_caller(reads, caller))
    event = (await post.submit(f"loan/{loan}", command)).event(BreachConfirmed)
    return BreachConfirmedView.model_validate(event, from_attributes=True)


@router.get("/{loan}/ratios")
async def list_ratios(loan: LoanPath, caller: SeesLoans, reads: Reading) -> list[RatioView]:
    async with reads.session() as session:
        await find_loan(session, loan, caller)
        query = select(RatioRow).where(RatioRow.loan == loan).order_by(col(RatioRow.for_on), col(RatioRow.kind))
        return [RatioView.model_validate(row, from_attributes=True) for row in (await session.exec(query)).all()]


@router.post("/{loan}/grade", status_code=202)
async def regrade_loan(loan: LoanPath, body: GradeBody, caller: Operates, post: Posting) -> ProposalView:
    """It is proposed, and another person signs it, be the provision larger or smaller: it is in the books."""
    command = Regrade(grade=body.grade, stage=body.stage, provision_minor=body.provision_minor, reason=post.text(body.reason))
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.post("/{loan}/default")
async def declare_default(loan: LoanPath, body: DeclarationBody, caller: Operates, post: Posting, reads: Reading) -> LoanChange:
    """Nothing is advanced any more, for 72 hours: longer, if a second person confirms it. That all of it falls due is the act `accelerate`,
    which another person signs, once the default is confirmed."""
    by = await by_one_caller(reads, caller, post.now, await words_of_payees(reads, loan))
    await post.submit(f"loan/{loan}", DeclareDefault(reason=post.text(body.reason), on=post.today, cause=body.cause, by=by))
    return LoanChange(loan=loan, status=LoanStatus.DEFAULTED, reason=body.reason)


@router.post("/{loan}/default/confirm")
async def confirm_default(loan: LoanPath, caller: Confirms, post: Posting, reads: Reading) -> DefaultConfirmedView:
    """By a second person: it does not lapse any more. One for another loan's waits for that one's confirmation."""
    state, _ = await reads.state(f"loan/{loan}")
    others = {other: (await reads.state(f"loan/{other}"))[0] for other in state.cross_defaults}
    command = ConfirmDefault(
        by=caller.subject,
        accounts=await accounts_of_caller(reads, caller),
        on=post.today,
        unconfirmed=frozenset(other for other, its in others.items() if fault_of_unconfirmed(its) is not None),
    )
    event = (await post.submit(f"loan/{loan}", command)).event(DefaultConfirmed)
    return DefaultConfirmedView(loan=event.loan, confirmed_by=event.confirmed_by)


@router.post("/{loan}/close", responses=OR_PROPOSED)
async def close_loan(loan: LoanPath, body: ReasonBody, caller: Operates, post: Posting) -> LoanChange | ProposalView:
    """Only one that nothing is owed of, to either side, and nothing may still be advanced of. Its headroom is free again. One with a claim
    on what was written off is closed by two."""
    done = await done_or_proposed(post, CONTROLS, f"loan/{loan}", CloseLoan(reason=post.text(body.reason), on=post.today))
    return done if isinstance(done, ProposalView) else LoanChange(loan=loan, status=LoanStatus.CLOSED, reason=body.reason)
