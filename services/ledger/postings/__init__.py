"""Postings: what an event does to the accounts. Pure. On each side, and of each asset, its postings sum to zero."""

from typing import Any, get_args

from services.inventory import events as inventory
from services.ledger.accounts import Posting
from services.ledger.postings.stock import of_stockpile

_OF_A_STOCKPILE = get_args(inventory.Event.__value__)


def postings(event: Any) -> list[Posting]:
    """What the event posts: nothing, if it moves nothing, or is of a type that this build does not know (None)."""
    return of_stockpile(event) if isinstance(event, _OF_A_STOCKPILE) else []
