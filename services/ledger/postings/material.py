"""Material loans: what is lent and comes back, in grams of the element that the goods contain ("contained/Sb"), and what is paid instead.

The goods themselves are in the accounts of their product, by inventory's events: a release has them pending until they are drawn, so what
may still be drawn is not pending here again. A return is pending from its receipt until it is credited, rejected or turned back. What it
pays beyond what was lent is premium, so it is pending on accounts of its own, and not from what was lent.
"""

from typing import assert_never

from services.ledger.accounts import CASH, Posting, Side, Status
from services.ledger.postings.moves import pending
from services.loans.events.material import (
    ContainedChange,
    DeferralApproved,
    DeferralProposed,
    DrawingEnded,
    MaterialCashSettled,
    MaterialCommitmentRefused,
    MaterialDefaultConfirmed,
    MaterialDefaultCured,
    MaterialDefaulted,
    MaterialEvent,
    MaterialLent,
    MaterialLoanClosed,
    MaterialLoanCommitted,
    MaterialLoanOffered,
    MaterialLoanWithdrawn,
    MaterialOverdue,
    MaterialReplaced,
    MaterialTakenBack,
    MaterialTermsApproved,
    MaterialTermsProposed,
    ReturnAssayed,
    ReturnCredited,
    ReturnReceived,
    ReturnRejected,
    ReturnSettled,
    ReturnTurnedBack,
    SecurityMarked,
    SecurityToppedUp,
)

_PARTNERS = ("lent", "excess", "claim")  # what the partner owes, and is owed; the other accounts are the Reserve's


def of_material_loan(event: MaterialEvent) -> list[Posting]:
    match event:
        case MaterialLent() | MaterialTakenBack():
            return _booked(event, event.element, event.change)
        case ReturnReceived():
            return _returning(event, Status.PENDING)
        case ReturnRejected() | ReturnTurnedBack():
            return _returning(event, Status.VOIDED)
        case ReturnCredited():
            return [*_returning(event, Status.SETTLED), *_booked(event, event.element, event.change)]
        case MaterialCashSettled():
            paid = {CASH: event.amount_minor, f"lending/{event.loan}/paid": -event.amount_minor}
            return [*_booked(event, event.element, event.change), *_money(event.currency, paid)]
        case MaterialReplaced():
            return [*_booked(event, event.element, event.change), *_bought(event)]
        case (
            MaterialLoanOffered()
            | MaterialLoanWithdrawn()
            | MaterialTermsProposed()
            | MaterialTermsApproved()
            | MaterialLoanCommitted()
            | MaterialCommitmentRefused()
            | DrawingEnded()
            | DeferralProposed()
            | DeferralApproved()
            | ReturnAssayed()
            | ReturnSettled()
            | MaterialOverdue()
            | SecurityMarked()
            | SecurityToppedUp()
            | MaterialDefaulted()
            | MaterialDefaultConfirmed()
            | MaterialDefaultCured()
            | MaterialLoanClosed()
        ):
            return []
        case _:
            assert_never(event)


def _booked(event: MaterialEvent, element: str, change: ContainedChange) -> list[Posting]:
    posted = []
    for field in change.__struct_fields__:
        if grams := getattr(change, field):
            account = _account(event, field.removesuffix("_g"))
            posted.append(Posting(Side.TITLE, f"contained/{element}", account, grams, Status.POSTED))
    return posted


def _returning(event: ReturnReceived | ReturnRejected | ReturnTurnedBack | ReturnCredited, status: Status) -> list[Posting]:
    source, target = f"partner/{event.partner}/loan/{event.loan}/returning", f"lending/{event.loan}/stock"
    return pending(f"contained/{event.element}", source, target, event.pending_g, status)


def _bought(event: MaterialReplaced) -> list[Posting]:
    """The cost is taken from the security; what that does not cover is a claim."""
    owed = {f"lending/{event.loan}/security": event.from_security_minor, _account(event, "claim"): event.shortfall_minor}
    return _money(event.currency, {CASH: -event.cost_minor} | owed)


def _money(currency: str, amounts_minor: dict[str, int]) -> list[Posting]:
    return [Posting(Side.TITLE, currency, account, minor, Status.POSTED) for account, minor in amounts_minor.items() if minor]


def _account(event: MaterialEvent, name: str) -> str:
    return f"partner/{event.partner}/loan/{event.loan}/{name}" if name in _PARTNERS else f"lending/{event.loan}/{name}"
