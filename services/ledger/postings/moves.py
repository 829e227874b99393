"""Moves: postings that sum to zero: pairs from one account to another, and what an event itself says of an owner's books."""

from collections.abc import Iterable
from itertools import chain

from services.ledger.accounts import CASH, GOODS, Posting, Side, Status
from services.loans.events.equity import HoldingChange
from services.loans.events.loan import BookChange

_SHARED = {"cash": CASH, "goods": GOODS}


def pending(asset: str, source: str, target: str, amount: int, status: Status) -> list[Posting]:
    """A pending transfer begins or, settled or voided, ends."""
    return move(Side.TITLE, asset, source, target, amount if status is Status.PENDING else -amount, status)


def title(asset: str, source: str, target: str, amount: int) -> list[Posting]:
    return move(Side.TITLE, asset, source, target, amount, Status.POSTED)


def custody(asset: str, source: str, target: str, amount: int) -> list[Posting]:
    return move(Side.CUSTODY, asset, source, target, amount, Status.POSTED)


def move(side: Side, asset: str, source: str, target: str, amount: int, status: Status) -> list[Posting]:
    if not amount:
        return []
    return [Posting(side, asset, source, -amount, status), Posting(side, asset, target, amount, status)]


def committed(owner: str, facility: str, currency: str, amount_minor: int, status: Status) -> list[Posting]:
    """A facility's commitment, pending to its loan or holding. It has an account of its own, so that what is paid beyond it overdraws."""
    return pending(currency, f"facility/{facility}/committed", f"{owner}/commitment", amount_minor, status)


def booked(owner: str, currency: str, change: BookChange | HoldingChange) -> list[Posting]:
    """Cash and goods are the lender's; the other accounts are the owner's own."""
    posted = []
    for field in change.__struct_fields__:
        if amount_minor := getattr(change, field):
            name = field.removesuffix("_minor")
            posted.append(Posting(Side.TITLE, currency, _SHARED.get(name, f"{owner}/{name}"), amount_minor, Status.POSTED))
    return posted


def all_of(moves: Iterable[list[Posting]]) -> list[Posting]:
    return list(chain.from_iterable(moves))
