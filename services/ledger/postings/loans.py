"""Loans: what a facility loan's events post, in minor units of its currency.

A commitment is a pending transfer, from its facility to its loan. An advance settles its part, and is owed as principal; what is cancelled
is voided. Beside that, an event that moves money says what it changes in the loan's books, and that is posted as it is: so the loan's
accounts are at every instant what the loan itself says.
"""

from services.ledger.accounts import Posting, Status
from services.ledger.postings.moves import booked, committed
from services.loans.events.loan import (
    ActApproved,
    AdvancePaid,
    BalanceBroughtForward,
    CommitmentCancelled,
    DeliveryCredited,
    FeeCharged,
    LoanCommitted,
    LoanEvent,
    PaymentRecorded,
    PaymentReversed,
    PeriodClosed,
    RateReset,
    RecoveryRecorded,
)


def of_loan(event: LoanEvent) -> list[Posting]:
    match event:
        case LoanCommitted():
            return committed(f"loan/{event.loan}", event.facility, event.currency, event.commitment_minor, Status.PENDING)
        case CommitmentCancelled():
            return committed(f"loan/{event.loan}", event.facility, event.currency, event.amount_minor, Status.VOIDED)
        case AdvancePaid():
            return [
                *committed(f"loan/{event.loan}", event.facility, event.currency, event.amount_minor, Status.SETTLED),
                *booked(f"loan/{event.loan}", event.currency, event.change),
            ]
        case BalanceBroughtForward():
            return [
                *committed(f"loan/{event.loan}", event.facility, event.currency, event.advanced_minor, Status.SETTLED),
                *booked(f"loan/{event.loan}", event.currency, event.change),
            ]
        case (
            PaymentRecorded()
            | DeliveryCredited()
            | PaymentReversed()
            | RecoveryRecorded()
            | RateReset()
            | FeeCharged()
            | PeriodClosed()
            | ActApproved()
        ):
            return booked(f"loan/{event.loan}", event.currency, event.change)
        case _:
            return []
