"""Equity: what a holding's events post, in minor units of its currency. Its commitment is pending until shares are paid or it is cancelled;
what an event changes in the holding's books is posted as it is.
"""

from typing import assert_never

from services.ledger.accounts import Posting, Status
from services.ledger.postings.moves import booked, committed
from services.loans.events.equity import (
    DividendReceived,
    DividendReversed,
    EquityEvent,
    HoldingApproved,
    HoldingClosed,
    HoldingCommitted,
    HoldingProposed,
    HoldingRefused,
    HoldingValued,
    HoldingWithdrawn,
    HoldingWrittenDown,
    HoldingWrittenOff,
    SharesDivested,
    SharesSubscribed,
    UncalledCancelled,
    WriteDownProposed,
    WriteDownWithdrawn,
)


def of_holding(event: EquityEvent) -> list[Posting]:
    owner = f"holding/{event.holding}"
    match event:
        case HoldingCommitted():
            return committed(owner, event.facility, event.currency, event.commitment_minor, Status.PENDING)
        case UncalledCancelled():
            return committed(owner, event.facility, event.currency, event.amount_minor, Status.VOIDED)
        case HoldingClosed():
            return committed(owner, event.facility, event.currency, event.uncalled_minor, Status.VOIDED)
        case SharesSubscribed():
            return [
                *committed(owner, event.facility, event.currency, event.amount_minor, Status.SETTLED),
                *booked(owner, event.currency, event.change),
            ]
        case DividendReceived() | DividendReversed() | SharesDivested() | HoldingWrittenDown() | HoldingWrittenOff():
            return booked(owner, event.currency, event.change)
        case (
            HoldingProposed()
            | HoldingApproved()
            | HoldingWithdrawn()
            | HoldingRefused()
            | HoldingValued()
            | WriteDownProposed()
            | WriteDownWithdrawn()
        ):
            return []
        case _:
            assert_never(event)
