"""Loans: what a facility loan's events post, in minor units of its currency.

A commitment is a pending transfer, from its facility to its loan. It has an account of its own, so that an advance beyond it overdraws. An
advance settles its part, and is owed as principal; what is cancelled is voided. Beside that, an event that moves money says what it changes
in the loan's books, and that is posted as it is: so the loan's accounts are at every instant what the loan itself says.
"""

from services.ledger.accounts import CASH, GOODS, Posting, Side, Status
from services.ledger.postings.moves import pending
from services.loans.events.loan import (
    ActApproved,
    AdvancePaid,
    BalanceBroughtForward,
    BookChange,
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

_SHARED = {"cash": CASH, "goods": GOODS}  # the others are the loan's own


def of_loan(event: LoanEvent) -> list[Posting]:
    match event:
        case LoanCommitted():
            return _committed(event.loan, event.facility, event.currency, event.commitment_minor, Status.PENDING)
        case CommitmentCancelled():
            return _committed(event.loan, event.facility, event.currency, event.amount_minor, Status.VOIDED)
        case AdvancePaid():
            return [
                *_committed(event.loan, event.facility, event.currency, event.amount_minor, Status.SETTLED),
                *_booked(event.loan, event.currency, event.change),
            ]
        case BalanceBroughtForward():
            return [
                *_committed(event.loan, event.facility, event.currency, event.advanced_minor, Status.SETTLED),
                *_booked(event.loan, event.currency, event.change),
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
            return _booked(event.loan, event.currency, event.change)
        case _:
            return []


def _committed(loan: str, facility: str, currency: str, amount_minor: int, status: Status) -> list[Posting]:
    return pending(currency, f"facility/{facility}/committed", f"loan/{loan}/commitment", amount_minor, status)


def _booked(loan: str, currency: str, change: BookChange) -> list[Posting]:
    posted = []
    for field in change.__struct_fields__:
        if amount_minor := getattr(change, field):
            name = field.removesuffix("_minor")
            posted.append(Posting(Side.TITLE, currency, _SHARED.get(name, f"loan/{loan}/{name}"), amount_minor, Status.POSTED))
    return posted
