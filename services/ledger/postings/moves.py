"""Moves: pairs of postings from one account to another, which sum to zero."""

from collections.abc import Iterable
from itertools import chain

from services.ledger.accounts import Posting, Side, Status


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


def all_of(moves: Iterable[list[Posting]]) -> list[Posting]:
    return list(chain.from_iterable(moves))
