"""Postings: what an event does to the accounts. Pure. On each side, and of each asset, its postings sum to zero."""

from collections.abc import Callable, Mapping
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

# By type, since most events post nothing: to ask of each class in turn whether it is an event's costs more than to record it.
_OF: Mapping[type[Any], Callable[[Any], list[Posting]]] = {
    kind: of
    for union, of in (
        (inventory.Event.__value__, of_stockpile),
        (LoanEvent, of_loan),
        (EquityEvent, of_holding),
        (MaterialEvent, of_material_loan),
    )
    for kind in get_args(union)
}


def postings(event: Any) -> list[Posting]:
    """What the event posts: nothing, if it moves nothing, or is of a type that this build does not know (None)."""
    of = _OF.get(type(event))
    return [] if of is None else of(event)
