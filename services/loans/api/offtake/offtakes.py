"""Repayment in kind: agreements that what is delivered under a right repays a loan, and the deliveries that came."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import col, or_, select

from services.loans.api.fields import Code, Element, LoanPath, OfftakePath, PositiveNumber
from services.loans.api.loan.loans import Operates, SeesLoans, find_loan
from services.loans.api.standing.standing import loan_as_known
from services.loans.domain.controls import CONTROLS
from services.loans.domain.offtake.offtake import AgreeOfftake, EndOfftake
from services.loans.events.loan import LoanId, Prepays
from services.loans.events.offtake import OfftakeId
from services.loans.tables.loan import LoanRow
from services.loans.tables.offtake import DeliveryRow, OfftakeRow
from shared.http.fields import TYPEID, Body, Day, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/loans", tags=["offtakes"])


class DeliveryStatus(StrEnum):
    QUARANTINED = "quarantined"  # out of specification: it waits for an assay that finds it fit
    ACCEPTED = "accepted"  # by such an assay, when no agreement stood
    VALUED = "valued"
    NOT_VALUED = "not_valued"


class OfftakeBody(Body):
    right: Annotated[str, StringConstraints(pattern=f"^rgt_{TYPEID}$")]
    product: Code
    element: Element
    price: PositiveNumber = Field(description="in minor units of the loan's currency, for a contained gram of the element")
    share: PositiveNumber = Field(default="1", description="of each delivery that repays the loan")
    prepays: Prepays = Field(default="nothing", description="what a delivery is worth beyond what is due")
    since: Day
    until: Day = Field(description="the last day of a delivery that counts")
    authority: Text


class OfftakeView(BaseModel):
    offtake: str
    loan: str
    right: str
    product: str
    element: str
    price: str
    currency: str
    share: str
    prepays: Prepays
    since: date
    until: date
    authority: str
    agreed_by: str
    ended_on: date | None
    ended_because: str | None


class DeliveryView(BaseModel):
    """`amount_minor` was credited to the loan as `payment`: mass x content x price x share, rounded half-even."""

    lot: str
    right: str
    status: DeliveryStatus
    offtake: str | None
    mass_g: int
    contained_g: int | None
    amount_minor: int | None
    received_on: date
    payment: str | None
    reason: str | None


@router.post("/{loan}/offtakes", status_code=202)
async def agree_offtake(loan: LoanPath, body: OfftakeBody, caller: Operates, post: Posting, reads: Reading) -> ProposalView:
    """Once it is signed, each lot that is taken in under the right, in specification, is credited to the loan."""
    state = await loan_as_known(reads, loan, None)
    if state.terms is None:
        raise Problem("loan_not_found", f"there is no loan {loan}", field="path:loan")
    command = AgreeOfftake(
        offtake=OfftakeId(post.new_id("oft")),
        right=body.right,
        loan=LoanId(loan),
        loan_status=state.status,
        product=body.product,
        element=body.element,
        price=body.price,
        currency=state.terms.currency,
        share=body.share,
        prepays=body.prepays,
        since=body.since,
        until=body.until,
        authority=body.authority,
        by=caller.subject,
        companies=(state.terms.borrower, state.terms.project),
    )
    return await propose(post, CONTROLS, f"offtake/{body.right}", command)


@router.post("/{loan}/offtakes/{offtake}/end", status_code=202)
async def end_offtake(
    loan: LoanPath, offtake: OfftakePath, body: ReasonBody, caller: Operates, post: Posting, reads: Reading
) -> ProposalView:
    """Once it is signed, what is delivered after that day repays nothing."""
    async with reads.session() as session:
        row, lent = await session.get(OfftakeRow, offtake), await session.get(LoanRow, loan)
    if row is None or lent is None or row.loan != loan:
        raise Problem("offtake_not_found", f"{loan} has no agreement {offtake}", field="path:offtake")
    companies = (lent.borrower, lent.project)
    command = EndOfftake(offtake=OfftakeId(offtake), loan=LoanId(loan), reason=post.text(body.reason), on=post.today, companies=companies)
    return await propose(post, CONTROLS, f"offtake/{row.right}", command)


@router.get("/{loan}/offtakes")
async def list_offtakes(loan: LoanPath, caller: SeesLoans, pages: Paging) -> Page[OfftakeView]:
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(
            select(OfftakeRow).where(OfftakeRow.loan == loan), OfftakeRow.offtake, same_fields(OfftakeView), session=session
        )


@router.get("/{loan}/deliveries")
async def list_deliveries(loan: LoanPath, caller: SeesLoans, pages: Paging) -> Page[DeliveryView]:
    """What was credited, what was not and why, and what waits for an assay under a right that repays this loan."""
    rights = select(OfftakeRow.right).where(OfftakeRow.loan == loan)
    waiting = col(DeliveryRow.loan).is_(None) & col(DeliveryRow.right).in_(rights)
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(
            select(DeliveryRow).where(or_(col(DeliveryRow.loan) == loan, waiting)),
            DeliveryRow.lot,
            same_fields(DeliveryView),
            session=session,
        )
