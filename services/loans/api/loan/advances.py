"""Advances, and the conditions that they wait for."""

from datetime import date
from enum import StrEnum
from typing import Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlmodel import select

from services.loans.api.fields import AdvancePath, LoanPath, PayeeName, PositiveMinor
from services.loans.api.loan.loans import Operates, SeesLoans, concerns_of, find_loan
from services.loans.api.payees.payees import payee_not_found, payee_of
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.advances import PayAdvance, RequestAdvance, WithdrawAdvance
from services.loans.domain.loan.state import Loan, seen_precedents, seen_subsequents
from services.loans.events.loan import AdvanceCleared, AdvanceId, AdvanceRequested, Seen
from services.loans.tables.loan import AdvanceRow
from services.loans.tables.payees import PayeeRow
from shared.http.fields import Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading
from shared.http.problems import Problem
from shared.terms.acting_api import barred
from shared.terms.authority_tables import accounts_of
from shared.terms.countersigning_api import OR_PROPOSED, ProposalView, withdrawn_or_proposed
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/loans", tags=["advances"])


class AdvanceStatus(StrEnum):
    REQUESTED = "requested"  # it waits for conditions precedent
    CLEARED = "cleared"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


class AdvanceBody(Body):
    amount_minor: PositiveMinor
    purpose: Text


class PayBody(Body):
    payee: PayeeName
    paid_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `paid_on` is not today: why it is recorded later")


class SeenView(BaseModel):
    """What a condition came to. Only `met` and `waived` let an advance through; `not_evaluated` is neither."""

    name: str
    status: str
    found: str
    needed: str
    evidence: list[str]
    until: date | None


class AdvanceView(BaseModel):
    """`seen`: every condition precedent as it was when the advance was cleared, or paid."""

    advance: str
    loan: str
    status: AdvanceStatus
    amount_minor: int
    purpose: str
    paid_on: date | None
    payee: str | None  # that it was paid on
    seen: list[SeenView]


class RequestedView(BaseModel):
    advance: str
    loan: str
    status: AdvanceStatus
    amount_minor: int
    purpose: str


class PaidView(BaseModel):
    advance: str
    loan: str
    status: AdvanceStatus
    amount_minor: int
    paid_on: date
    payee: str
    undrawn_minor: int  # of the commitment
    seen: list[SeenView]
    figures: dict[str, Any]
    place: str  # where the journal has it: its receipt proves it


class AdvanceChange(BaseModel):
    advance: str
    loan: str
    status: AdvanceStatus
    reason: str


class ConditionView(SeenView):
    text: str
    subsequent: bool
    due: date | None  # of a condition subsequent


@router.post("/{loan}/advances", status_code=201)
async def request_advance(loan: LoanPath, body: AdvanceBody, caller: Operates, post: Posting) -> RequestedView:
    """It is cleared at once where all conditions precedent are met or waived, and otherwise when they are."""
    advance = AdvanceId(post.new_id("adv"))
    command = RequestAdvance(
        advance=advance, amount_minor=body.amount_minor, purpose=post.text(body.purpose), by=caller.subject, on=post.today
    )
    accepted = await post.submit(f"loan/{loan}", command)
    event = accepted.event(AdvanceRequested)
    cleared = any(isinstance(fact.event, AdvanceCleared) for fact in accepted.facts)
    return RequestedView(
        advance=advance,
        loan=loan,
        status=AdvanceStatus.CLEARED if cleared else AdvanceStatus.REQUESTED,
        amount_minor=event.amount_minor,
        purpose=event.purpose,
    )


@router.post("/{loan}/advances/{advance}/pay")
async def pay_advance(loan: LoanPath, advance: AdvancePath, body: PayBody, caller: Operates, post: Posting, reads: Reading) -> PaidView:
    """The conditions are looked at once more, as they are on the day of the payment; what was seen is kept with it. Another person pays
    than has asked for it, recorded the evidence, or registered the payee. It is paid on a payee of the borrower, in the loan's currency; on
    one that takes the place of another from the third business day on."""
    async with reads.session() as session:
        accounts = await accounts_of(session, caller.subject)
        row = await session.get(PayeeRow, body.payee)
    command: PayAdvance | Problem = payee_not_found(body.payee, "/payee")
    if row is not None:
        payee, by = payee_of(row), frozenset(accounts)
        command = PayAdvance(
            advance=AdvanceId(advance), payee=payee, paid_on=body.paid_on, by=by, dated_because=body.dated_because, on=post.today
        )

    bar = await barred(reads, caller.subject, lambda _: concerns_of(reads, loan))
    fact = (await post.submit(f"loan/{loan}", bar or command)).facts[0]
    event = fact.event
    return PaidView(
        advance=advance,
        loan=loan,
        status=AdvanceStatus.PAID,
        amount_minor=event.amount_minor,
        paid_on=event.paid_on,
        payee=event.payee,
        undrawn_minor=event.undrawn_minor,
        seen=[_view_seen(each) for each in event.seen],
        figures=msgspec.to_builtins(event.after),
        place=fact.place,
    )


@router.post("/{loan}/advances/{advance}/withdraw", responses=OR_PROPOSED)
async def withdraw_advance(
    loan: LoanPath, advance: AdvancePath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> AdvanceChange | ProposalView:
    """By who has asked for it; what somebody else has, two withdraw."""
    command = WithdrawAdvance(advance=AdvanceId(advance), reason=post.text(body.reason))
    done = await withdrawn_or_proposed(post, reads, CONTROLS, f"loan/{loan}", command)
    if isinstance(done, ProposalView):
        return done
    return AdvanceChange(advance=advance, loan=loan, status=AdvanceStatus.WITHDRAWN, reason=body.reason)


@router.get("/{loan}/advances")
async def list_advances(loan: LoanPath, caller: SeesLoans, pages: Paging) -> Page[AdvanceView]:
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(select(AdvanceRow).where(AdvanceRow.loan == loan), AdvanceRow.advance, _view, session=session)


@router.get("/{loan}/conditions")
async def list_conditions(loan: LoanPath, caller: SeesLoans, reads: Reading) -> list[ConditionView]:
    """Every condition as it is today, by what is established of the project."""
    async with reads.session() as session:
        await find_loan(session, loan, caller)
    state, _ = await reads.state(f"loan/{loan}")
    assert isinstance(state, Loan)
    assert state.terms is not None
    today = reads.today
    views = [
        ConditionView(text=each.text, subsequent=False, due=None, **_view_seen(seen).model_dump())
        for each, seen in zip(state.terms.precedents, seen_precedents(state, today), strict=True)
    ]
    evidence = tuple(state.evidence.values())
    return views + [
        ConditionView(text=each.text, subsequent=True, due=each.due, **_view_seen(seen).model_dump())
        for each, seen in zip(state.terms.subsequents, seen_subsequents(state, today, evidence), strict=True)
    ]


def _view(row: AdvanceRow) -> AdvanceView:
    seen = [_view_seen(msgspec.convert(each, Seen)) for each in row.seen]
    return AdvanceView.model_validate(row.model_dump() | {"seen": seen})


def _view_seen(seen: Seen) -> SeenView:
    return SeenView(name=seen.name, **msgspec.to_builtins(seen.evaluation))
