"""Loans: what a facility loan's events post, in minor units of its currency.

A commitment is a pending transfer, from its facility to its loan. An advance settles its part, and is owed as principal; what is cancelled
is voided. Beside that, an event that moves money says what it changes in the loan's books, and that is posted as it is: so the loan's
accounts are at every instant what the loan itself says.
"""

from typing import assert_never

from services.ledger.accounts import Posting, Status
from services.ledger.postings.moves import booked, committed, title
from services.loans.events.defaults import (
    AccelerationNotified,
    BreachConfirmed,
    BreachLapsed,
    CrossDefaultNoted,
    DefaultConfirmed,
    DefaultCured,
    LoanAccelerated,
    LoanDefaulted,
    ShortfallClaimed,
)
from services.loans.events.loan import (
    ActApproved,
    ActProposed,
    ActWithdrawn,
    AdvanceCleared,
    AdvancePaid,
    AdvanceRequested,
    AdvanceWithdrawn,
    ArrearsChanged,
    BalanceBroughtForward,
    CommitmentCancelled,
    CommitmentRefused,
    ConditionsEvaluated,
    DeliveryCredited,
    FeeCharged,
    LoanApproved,
    LoanClosed,
    LoanCommitted,
    LoanEvent,
    LoanImported,
    LoanProposed,
    LoanRepaid,
    LoanWithdrawn,
    PaymentReconciled,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    RateReset,
    RatioReported,
    RecoveryRecorded,
    Regraded,
    SubsequentMissed,
)


def of_loan(event: LoanEvent) -> list[Posting]:
    owner = f"loan/{event.loan}"
    match event:
        case LoanCommitted():
            return committed(owner, event.facility, event.currency, event.commitment_minor, Status.PENDING)
        case CommitmentCancelled():
            return committed(owner, event.facility, event.currency, event.amount_minor, Status.VOIDED)
        case AdvancePaid():
            return [
                *committed(owner, event.facility, event.currency, event.amount_minor, Status.SETTLED),
                *booked(owner, event.currency, event.change),
            ]
        case BalanceBroughtForward():
            return [
                *committed(owner, event.facility, event.currency, event.advanced_minor, Status.SETTLED),
                *booked(owner, event.currency, event.change),
            ]
        case Regraded():
            return title(event.currency, f"loan/{event.loan}/provision", f"loan/{event.loan}/provided", event.change_minor)
        case (
            PaymentRecorded()
            | DeliveryCredited()
            | PaymentReversed()
            | RecoveryRecorded()
            | RateReset()
            | FeeCharged()
            | PeriodClosed()
            | LoanAccelerated()
            | ActApproved()
        ):
            return booked(owner, event.currency, event.change)
        case (
            LoanProposed()
            | LoanImported()
            | LoanApproved()
            | LoanWithdrawn()
            | CommitmentRefused()
            | ConditionsEvaluated()
            | SubsequentMissed()
            | ActProposed()
            | ActWithdrawn()
            | AdvanceRequested()
            | AdvanceCleared()
            | AdvanceWithdrawn()
            | PaymentReconciled()
            | ArrearsChanged()
            | RatioReported()
            | BreachConfirmed()
            | BreachLapsed()
            | LoanDefaulted()
            | DefaultConfirmed()
            | AccelerationNotified()
            | DefaultCured()
            | CrossDefaultNoted()
            | ShortfallClaimed()
            | LoanRepaid()
            | LoanClosed()
        ):
            return []
        case _:
            assert_never(event)
