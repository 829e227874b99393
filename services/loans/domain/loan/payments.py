"""Payments of a loan: recorded, credited for goods, recovered after a default, and reversed.

A payment may be told late, and counts for its own day: what came after it is put right by the difference that it makes to the books.
"""

from datetime import date
from typing import assert_never

import msgspec

from services.loans.domain.loan.books import NO_CHANGE, NO_FIGURES, arrears, consequences, cured, day_fault, entered, owed_again, too_much
from services.loans.domain.loan.state import IN_DEFAULT, OPEN, Decided, Loan, Reason, fault_of_unconfirmed, not_found, wrong_status
from services.loans.domain.standing.standing import figures_on
from services.loans.events.loan import (
    DeliveryCredited,
    LoanEvent,
    PaymentId,
    PaymentReconciled,
    PaymentRecorded,
    PaymentReversed,
    Prepays,
    RecoveryRecorded,
)
from shared.journal.decider import Refused
from shared.journal.texts import TypedText
from shared.terms.dating import Dated, undated


class RecordPayment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    payment: PaymentId
    reference: str
    amount_minor: int
    received_on: date
    prepays: Prepays
    by: str
    dated_because: Dated | None = None  # needed where it was not received today
    on: date


class ReconcilePayment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`by`: who has found it in the bank's statement; `accounts`: all of theirs."""

    payment: PaymentId
    statement: str
    by: str
    accounts: frozenset[str]
    on: date


class CreditDelivery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Goods were taken into stock, worth so much at the agreed basis. Total."""

    payment: PaymentId
    right: str
    lot: str
    amount_minor: int
    received_on: date
    prepays: Prepays = "nothing"
    on: date


class ReversePayment(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    payment: PaymentId
    reason: TypedText
    on: date


class RecordRecovery(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    payment: PaymentId
    reference: str
    amount_minor: int
    received_on: date
    dated_because: Dated | None = None  # needed where it was not received on the day on which it is proposed
    reported_on: date | None = None  # that day; None: an earlier build did not say, and it is that of the signature
    on: date


type PaymentCommand = RecordPayment | ReconcilePayment | CreditDelivery | ReversePayment | RecordRecovery


def decide_payment(command: PaymentCommand, loan: Loan) -> Decided:
    if isinstance(command, CreditDelivery):
        return _credit(command, loan)
    if loan.id is None or loan.terms is None:
        return not_found()
    if loan.status not in OPEN or loan.account is None:
        return wrong_status(loan, "committed, in default or repaid")
    match command:
        case RecordPayment():
            return _pay(command, loan)
        case ReconcilePayment():
            return _reconcile(command, loan)
        case ReversePayment():
            return _reverse(command, loan)
        case RecordRecovery():
            return _recover(command, loan)
        case _:
            assert_never(command)


def _pay(command: RecordPayment, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    if (fault := _payment_fault(loan, command.reference, command.amount_minor, command.received_on, command.on)) is not None:
        return fault
    if (late := undated(command.received_on, command.on, command.dated_because)) is not None:
        return late
    recorded = PaymentRecorded(
        loan=loan.id,
        payment=command.payment,
        reference=command.reference,
        currency=loan.terms.currency,
        amount_minor=command.amount_minor,
        received_on=command.received_on,
        prepays=command.prepays,
        change=NO_CHANGE,
        after=NO_FIGURES,
        due_first=True,
        recorded_by=command.by,
        dated_because=command.dated_because,
    )
    recorded = entered(loan, recorded, command.on)
    return too_much(recorded, "/amount_minor") or [recorded, *consequences(loan, recorded.after, reconciled=False)]


def _reconcile(command: ReconcilePayment, loan: Loan) -> Decided:
    assert loan.id is not None
    payment = loan.payments.get(command.payment)
    if payment is None or payment.reversed:
        return Refused(Reason.PAYMENT_NOT_FOUND, f"no payment {command.payment} counts", "path:payment")
    if payment.recorded_by is None or payment.reconciled:
        return Refused(Reason.NOT_TO_RECONCILE, f"{command.payment} is no one person's word", "path:payment")
    if payment.recorded_by in command.accounts:
        detail = f"{command.payment} was recorded by who would reconcile it"
        return Refused(Reason.RECONCILED_BY_SAME, detail, accepted="another person, who finds it in the bank's statement")
    reconciled = PaymentReconciled(loan=loan.id, payment=command.payment, statement=command.statement, reconciled_by=command.by)
    rest = msgspec.structs.replace(loan, payments=loan.payments.set(command.payment, msgspec.structs.replace(payment, reconciled=True)))
    assert loan.account is not None
    figures = figures_on(loan.account, max(loan.booked_through, command.on))
    return [reconciled, *([] if figures.due_minor else cured(rest, "payment", "paid", command.on))]


def _credit(command: CreditDelivery, loan: Loan) -> list[LoanEvent]:
    """A delivery is worth what it is worth, also to a loan that nothing is owed of any more: it is credit then. What the
    books cannot hold stays out of them: the delivery itself is told by its offtake."""
    if loan.id is None or loan.terms is None or loan.account is None or command.payment in loan.payments or command.amount_minor <= 0:
        return []
    credited = DeliveryCredited(
        loan=loan.id,
        payment=command.payment,
        right=command.right,
        lot=command.lot,
        currency=loan.terms.currency,
        amount_minor=command.amount_minor,
        received_on=max(command.received_on, loan.account.contract.committed_on),
        prepays=command.prepays,
        change=NO_CHANGE,
        after=NO_FIGURES,
        due_first=True,
    )
    credited = entered(loan, credited, command.on)
    return [] if too_much(credited, "") else [credited, *consequences(loan, credited.after)]


def _reverse(command: ReversePayment, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    payment = loan.payments.get(command.payment)
    if payment is None or payment.reversed:
        return Refused(Reason.PAYMENT_NOT_FOUND, f"no payment {command.payment} counts", "path:payment")
    reversed = PaymentReversed(
        loan=loan.id,
        payment=command.payment,
        currency=loan.terms.currency,
        amount_minor=payment.amount_minor,
        reason=command.reason,
        change=NO_CHANGE,
        after=NO_FIGURES,
    )
    reversed = entered(loan, reversed, command.on)
    return [reversed, *arrears(loan, reversed.after), *owed_again(loan, reversed.after, command.on)]


def _recover(command: RecordRecovery, loan: Loan) -> Decided:
    assert loan.id is not None
    assert loan.terms is not None
    assert loan.account is not None
    if loan.status not in IN_DEFAULT:
        return wrong_status(loan, "in default")
    if (unconfirmed := fault_of_unconfirmed(loan)) is not None:
        return unconfirmed
    if (fault := _payment_fault(loan, command.reference, command.amount_minor, command.received_on, command.on)) is not None:
        return fault
    if (late := undated(command.received_on, command.reported_on or command.on, command.dated_because)) is not None:
        return late
    recovered = RecoveryRecorded(
        loan=loan.id,
        payment=command.payment,
        reference=command.reference,
        currency=loan.terms.currency,
        amount_minor=command.amount_minor,
        received_on=command.received_on,
        change=NO_CHANGE,
        after=NO_FIGURES,
        due_first=True,
        dated_because=command.dated_because,
    )
    recovered = entered(loan, recovered, command.on)
    return too_much(recovered, "/amount_minor") or [recovered, *consequences(loan, recovered.after)]


def _payment_fault(loan: Loan, reference: str, amount_minor: int, received_on: date, on: date) -> Refused[Reason] | None:
    if amount_minor <= 0:
        return Refused(Reason.AMOUNT_INVALID, "a payment is above zero", "/amount_minor", "1 or more")
    if (known := loan.references.get(reference)) is not None:
        return Refused(Reason.REFERENCE_USED, f"{reference} is {known} already", "/reference", "each reference once")
    return day_fault(loan, received_on, on, "/received_on")
