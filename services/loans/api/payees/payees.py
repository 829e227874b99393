"""Payees: the bank accounts that borrowers are paid on. Two people register one; one person ends it, at once."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, StringConstraints
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.loans.api.fields import READERS, Code, Currency, PayeePath, limited_to
from services.loans.api.lookups import words_of_loans
from services.loans.domain.controls import CONTROLS
from services.loans.domain.payees.payees import ConfirmPayeeEnd, EndPayee, Payee, RegisterPayee
from services.loans.events.payees import PayeeEndConfirmed, PayeeEnded, PayeeId
from services.loans.events.terms import BorrowerCode
from services.loans.tables.payees import PayeeRow
from shared.http.auth import Caller, allow
from shared.http.fields import Body, ReasonBody, Text
from shared.http.handlers import Page, Paging, Posting, Reading, same_fields
from shared.http.problems import Problem
from shared.terms.acting_api import accounts_of_caller, by_one_caller
from shared.terms.countersigning_api import ProposalView, propose

router = APIRouter(prefix="/v1/payees", tags=["payees"])

type AccountNumber = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]([A-Z0-9 -]{4,38})[A-Z0-9]$")]

SHOWN_DIGITS = 3  # of an account's number, to whoever needs no more
Sees = Annotated[Caller, allow(*READERS, "borrower")]


class PayeeBody(Body):
    borrower: Code
    currency: Currency = "AUD"
    holder: Text
    bank: Text  # its name, and its number: BSB or BIC
    account: AccountNumber


class PayeeSummary(BaseModel):
    """`masked`: the last digits of the account's number. `pays_from`: a later day than that of its registration where the borrower had
    another payee of the currency before."""

    payee: str
    borrower: str
    currency: str
    holder: str
    bank: str
    masked: str
    registered_on: date
    pays_from: date
    ended_on: date | None
    lapses_at: datetime | None  # its end, unless a second person confirms it


class PayeeView(PayeeSummary):
    """`account`: whole for operators, who pay on it, and for approvers."""

    account: str | None
    registered_by: list[str]
    reason: str | None  # why it ended


class PayeeEndedView(BaseModel):
    payee: str
    ended_on: date
    reason: str
    lapses_at: datetime


class PayeeEndConfirmedView(BaseModel):
    payee: str
    confirmed_by: str


@router.post("", status_code=202)
async def register_payee(body: PayeeBody, caller: Annotated[Caller, allow("operator")], post: Posting) -> ProposalView:
    """Neither who proposes it nor who signs it pays anything on it. Who signs it calls the borrower first, by a number that was known
    before."""
    command = RegisterPayee(
        payee=PayeeId(post.new_id("pye")),
        borrower=BorrowerCode(body.borrower),
        currency=body.currency,
        holder=post.text(body.holder),
        bank=post.text(body.bank),
        account=post.text(body.account),
        masked=post.text(f"***{body.account[-SHOWN_DIGITS:]}"),
        by=caller.subject,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"payees/{body.borrower}", command)


@router.post("/{payee}/end")
async def end_payee(
    payee: PayeePath, body: ReasonBody, caller: Annotated[Caller, allow("operator", "approver")], post: Posting, reads: Reading
) -> PayeeEndedView:
    """By one person, at once: nothing is paid on it from today on, for 72 hours; longer, if a second person confirms it."""
    async with reads.session() as session:
        row = await _find(session, payee, caller)
    by = await by_one_caller(reads, caller, post.now, await words_of_loans(reads, row.borrower))
    command = EndPayee(payee=PayeeId(payee), reason=post.text(body.reason), on=post.today, by=by)
    event = (await post.submit(f"payees/{row.borrower}", command)).event(PayeeEnded)
    assert event.lapses_at is not None, "an end without is of an earlier build"
    return PayeeEndedView(payee=event.payee, ended_on=event.ended_on, reason=event.reason, lapses_at=event.lapses_at)


@router.post("/{payee}/end/confirm")
async def confirm_payee_end(
    payee: PayeePath, caller: Annotated[Caller, allow("operator", "approver")], post: Posting, reads: Reading
) -> PayeeEndConfirmedView:
    """By a second person: it has ended for good."""
    async with reads.session() as session:
        row = await _find(session, payee, caller)
    command = ConfirmPayeeEnd(payee=PayeeId(payee), by=caller.subject, accounts=await accounts_of_caller(reads, caller))
    event = (await post.submit(f"payees/{row.borrower}", command)).event(PayeeEndConfirmed)
    return PayeeEndConfirmedView(payee=event.payee, confirmed_by=event.confirmed_by)


@router.get("")
async def list_payees(caller: Sees, pages: Paging, borrower: Annotated[Code | None, Query()] = None) -> Page[PayeeSummary]:
    query = select(PayeeRow)
    if (own := limited_to(caller)) is not None:
        query = query.where(PayeeRow.borrower == own)
    return await pages.of(query, PayeeRow.payee, same_fields(PayeeSummary), only={PayeeRow.borrower: borrower})


@router.get("/{payee}")
async def show_payee(payee: PayeePath, caller: Sees, reads: Reading, response: Response) -> PayeeView:
    async with reads.session() as session:
        row = await _find(session, payee, caller)
    reads.etag(response, caller, f"payees/{row.borrower}", row.version)
    view = PayeeView.model_validate(row, from_attributes=True)
    if caller.roles.isdisjoint({"operator", "approver"}):
        view.account = None
    return view


async def _find(session: AsyncSession, payee: str, caller: Caller) -> PayeeRow:
    """Raises Problem `payee_not_found`, also for another borrower's."""
    row = await session.get(PayeeRow, payee)
    if row is None or limited_to(caller) not in (None, row.borrower):
        raise payee_not_found(payee, "path:payee")
    return row


def payee_of(row: PayeeRow) -> Payee:
    """As a payment looks at it."""
    return Payee(
        id=PayeeId(row.payee),
        borrower=BorrowerCode(row.borrower),
        currency=row.currency,
        registered_by=frozenset(row.registered_by),
        pays_from=row.pays_from,
        ended_on=row.ended_on,
    )


def payee_not_found(payee: str, field: str) -> Problem:
    return Problem("payee_not_found", f"there is no payee {payee}", field=field, accepted="a payee that two people have registered")
