"""Clearing, written down a second time and another way: by what each bidder wants at a price or above, and at the cut-off one by one."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256

import msgspec

type Steps = Sequence[tuple[Fraction, int]]  # a price, and so many units more at it


class UnknownTieRule(Exception):
    """This auditor does not know it."""


class Sealed(msgspec.Struct, frozen=True):
    id: str
    salt: str  # hex
    steps: Steps


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    units: int
    reserve_price: Fraction
    cap_units: int
    uniform: bool
    tie_rule: str


class Bought(msgspec.Struct, frozen=True):
    units: int
    worth: Fraction  # what is due, in the price's unit times units


def buy(offered: Offered, bids: Sequence[Sealed]) -> tuple[Fraction | None, dict[str, Bought]]:
    """The lowest price that was accepted, and what each bid buys."""
    asked = sorted({price for bid in bids for price, _ in bid.steps if price >= offered.reserve_price})
    prices = [price for price in asked if any(_wanted(offered, bid, price) > _wanted(offered, bid, price, above=True) for bid in bids)]
    if not prices:
        return None, {bid.id: Bought(0, Fraction(0)) for bid in bids}
    enough = [price for price in prices if sum(_wanted(offered, bid, price) for bid in bids) >= offered.units]
    cut_off = enough[-1] if enough else prices[0]
    above = {bid.id: _wanted(offered, bid, cut_off, above=True) for bid in bids}
    wanted = {bid.id: _wanted(offered, bid, cut_off) - above[bid.id] for bid in bids}
    shared = _share(offered, offered.units - sum(above.values()), wanted, sha256(_salts(bids)).digest())
    return cut_off, {bid.id: _bought(offered, cut_off, bid, above[bid.id] + shared[bid.id]) for bid in bids}


def _wanted(offered: Offered, bid: Sealed, price: Fraction, *, above: bool = False) -> int:
    units = sum(more for at, more in bid.steps if at > price or (at == price and not above))
    return min(units, offered.cap_units, offered.units)


def _share(offered: Offered, units: int, wanted: Mapping[str, int], lot: bytes) -> dict[str, int]:
    by_lot = sorted(wanted, key=lambda bid: sha256(lot + bid.encode()).digest())
    total = sum(wanted.values())
    units = min(units, total)
    given = dict.fromkeys(wanted, 0)
    if offered.tie_rule == "lot":
        for bid in by_lot:
            given[bid] = min(wanted[bid], units - sum(given.values()))
        return given
    if offered.tie_rule != "pro_rata":
        raise UnknownTieRule(offered.tie_rule)
    share = {bid: Fraction(wanted[bid] * units, total) if total else Fraction(0) for bid in wanted}
    given = {bid: int(share[bid]) for bid in wanted}
    while sum(given.values()) < units:
        most = max(share[bid] - given[bid] for bid in by_lot)
        given[next(bid for bid in by_lot if share[bid] - given[bid] == most)] += 1
    return given


def _bought(offered: Offered, cut_off: Fraction, bid: Sealed, units: int) -> Bought:
    if offered.uniform:
        return Bought(units, cut_off * units)
    worth, left = Fraction(0), units
    for price, more in sorted(bid.steps, reverse=True):
        taken = min(more, left)
        worth += price * taken
        left -= taken
    return Bought(units, worth)


def _salts(bids: Sequence[Sealed]) -> bytes:
    return b"".join(sorted(bytes.fromhex(bid.salt) for bid in bids))
