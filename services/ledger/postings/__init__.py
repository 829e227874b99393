"""Postings: what an event does to the accounts. Pure. On each side, and of each asset, its postings sum to zero."""

from typing import Any, get_args

from services.inventory import events as inventory
from services.ledger.accounts import Posting
from services.ledger.postings.equity import of_holding
from services.ledger.postings.loans import of_loan
from services.ledger.postings.material import of_material_loan
from services.ledger.postings.stock import of_stockpile
from services.loans.events.equity import EquityEvent
from services.loans.events.loan import LoanEvent
from services.loans.events.material import MaterialEvent

_OF_A_STOCKPILE = get_args(inventory.Event.__value__)
_OF_A_LOAN = get_args(LoanEvent)
_OF_A_HOLDING = get_args(EquityEvent)
_OF_A_MATERIAL_LOAN = get_args(MaterialEvent)


def postings(event: Any) -> list[Posting]:
    """What the event posts: nothing, if it moves nothing, or is of a type that this build does not know (None)."""
    if isinstance(event, _OF_A_STOCKPILE):
        return of_stockpile(event)
    if isinstance(event, _OF_A_LOAN):
        return of_loan(event)
    if isinstance(event, _OF_A_HOLDING):
        return of_holding(event)
    return of_material_loan(event) if isinstance(event, _OF_A_MATERIAL_LOAN) else []
