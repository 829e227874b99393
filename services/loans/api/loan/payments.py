"""Payments: recorded for the day that they were received, however late they are told, and reversed if they never were."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlmodel import select

from services.loans.api.fields import LoanField, LoanPath, PaymentPath, PositiveMinor
from services.loans.api.loan.loans import Operates, SeesLoans, find_loan
from services.loans.domain.controls import CONTROLS
from services.loans.domain.loan.payments import ReconcilePayment, RecordPayment, RecordRecovery, ReversePayment
from services.loans.events.loan import PaymentId, PaymentReconciled, Prepays
from services.loans.tables.loan import PaymentRow
from shared.http.bulk import Alone, BulkBody, BulkView, Keyed, bulk
from shared.http.fields import Body, Day, ReasonBody
from shared.http.handlers import Page, Paging, Post, Posting, Reading, same_fields
from shared.journal.record import Fact
from shared.terms.acting_api import accounts_of_caller
from shared.terms.countersigning_api import ProposalView, propose
from shared.terms.dating import Dated

router = APIRouter(prefix="/v1/loans", tags=["payments"])
bulk_router = APIRouter(prefix="/v1/payments", tags=["payments"])

type Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,98}[!-~])?$")]


class PaymentKind(StrEnum):
    PAYMENT = "payment"
    DELIVERY = "delivery"  # in kind
    RECOVERY = "recovery"  # of a loan in default


class RecoveryBody(Body):
    reference: Reference
    amount_minor: PositiveMinor
    received_on: Day
    dated_because: Dated | None = Field(default=None, description="needed where `received_on` is not today: why it is recorded later")


class PaymentBody(RecoveryBody):
    """`prepays`: what is paid beyond what is due is credit ("nothing"), or makes the instalments smaller, or fewer."""

    prepays: Prepays = "nothing"


class PaymentItem(Keyed, PaymentBody):
    loan: LoanField


class ReconciliationBody(Body):
    statement: Reference  # the number of the bank's statement that shows it


class PaymentReconciledView(BaseModel):
    payment: str
    loan: str
    statement: str


class PaymentView(BaseModel):
    payment: str
    loan: str
    kind: PaymentKind
    reference: str
    amount_minor: int
    received_on: date
    prepays: Prepays
    unreconciled: bool  # one person's word: another has not found it in the bank's statement yet
    reversed: bool
    reason: str | None


class PaymentRecordedView(BaseModel):
    """`change`: what it changes in the loan's books, also of what counts for later days. `figures`: the loan's figures after it."""

    payment: str
    loan: str
    kind: PaymentKind
    amount_minor: int
    change: dict[str, int]
    figures: dict[str, Any]
    place: str  # where the journal has it: its receipt proves it


@router.post("/{loan}/payments", status_code=201)
async def record_payment(loan: LoanPath, body: PaymentBody, caller: Operates, post: Posting) -> PaymentRecordedView:
    command = RecordPayment(
        payment=PaymentId(post.new_id("pay")),
        reference=body.reference,
        amount_minor=body.amount_minor,
        received_on=body.received_on,
        prepays=body.prepays,
        by=caller.subject,
        dated_because=body.dated_because,
        on=post.today,
    )
    return _recorded((await post.submit(f"loan/{loan}", command)).facts[0])


@bulk_router.post("/bulk")
async def record_in_bulk(body: BulkBody[PaymentItem], caller: Operates, post: Posting) -> BulkView[PaymentRecordedView]:
    """Up to 500 payments, as of a bank's statement, each as if it had been recorded alone. `atomic`: all of them or none, on one loan."""

    async def record(item: PaymentItem, own: Post) -> PaymentRecordedView:
        return await record_payment(item.loan, item, caller, own)

    return await bulk(post, body, Alone(route="/v1/loans/{loan}/payments", ids=("loan",), handle=record, view=PaymentRecordedView))


@router.post("/{loan}/payments/{payment}/reconcile")
async def reconcile_payment(
    loan: LoanPath, payment: PaymentPath, body: ReconciliationBody, caller: Operates, post: Posting, reads: Reading
) -> PaymentReconciledView:
    """Another person than has recorded it has found it in the bank's statement. Until then the loan is not closed, and nothing refunded."""
    accounts = await accounts_of_caller(reads, caller)
    command = ReconcilePayment(payment=PaymentId(payment), statement=body.statement, by=caller.subject, accounts=accounts, on=post.today)
    event = (await post.submit(f"loan/{loan}", command)).event(PaymentReconciled)
    return PaymentReconciledView(payment=event.payment, loan=event.loan, statement=event.statement)


@router.post("/{loan}/recoveries", status_code=202)
async def record_recovery(loan: LoanPath, body: RecoveryBody, caller: Operates, post: Posting) -> ProposalView:
    """What came of a loan in default: to what is owed, and then to what was written off."""
    command = RecordRecovery(
        payment=PaymentId(post.new_id("pay")),
        reference=body.reference,
        amount_minor=body.amount_minor,
        received_on=body.received_on,
        dated_because=body.dated_because,
        reported_on=post.today,
        on=post.today,
    )
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.post("/{loan}/payments/{payment}/reverse", status_code=202)
async def reverse_payment(loan: LoanPath, payment: PaymentPath, body: ReasonBody, caller: Operates, post: Posting) -> ProposalView:
    """Signed, it never counted: what came after it is worked out as if it had not been."""
    command = ReversePayment(payment=PaymentId(payment), reason=post.text(body.reason), on=post.today)
    return await propose(post, CONTROLS, f"loan/{loan}", command)


@router.get("/{loan}/payments")
async def list_payments(
    loan: LoanPath,
    caller: SeesLoans,
    pages: Paging,
    kind: Annotated[PaymentKind | None, Query()] = None,
    unreconciled: Annotated[bool | None, Query()] = None,
) -> Page[PaymentView]:
    async with pages.session() as session:
        await find_loan(session, loan, caller)
        return await pages.of(
            select(PaymentRow).where(PaymentRow.loan == loan),
            PaymentRow.payment,
            same_fields(PaymentView),
            only={PaymentRow.kind: kind, PaymentRow.unreconciled: unreconciled},
            session=session,
        )


def _recorded(fact: Fact) -> PaymentRecordedView:
    event = fact.event
    return PaymentRecordedView(
        payment=event.payment,
        loan=event.loan,
        kind=PaymentKind.PAYMENT,
        amount_minor=event.amount_minor,
        change=msgspec.to_builtins(event.change),
        figures=msgspec.to_builtins(event.after),
        place=fact.place,
    )
