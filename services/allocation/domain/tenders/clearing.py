"""Clearing: sealed bids against what a tender offers, exact, in whole units.

The highest price is served first, until the offer is used up; the price at which that happens is the cut-off. Who wants more there than is
left shares it by the tie rule: `pro_rata` gives each the whole units of its share and the units that remain to the largest remainders,
`lot` serves one after the other. What still ties goes by lot. The lot is drawn from the salts of all bids together, so that nobody knew it
who sealed a bid, and everybody can draw it again.

With `uniform` pricing all pay the lowest accepted price. (The highest rejected one is the other that would let nobody pay more than it
bid. This one is said by a bid that was accepted, so there is always one, and a bidder that lost has no part in it.)
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import sha256

import msgspec

from services.allocation.events import Pricing, TieRule

GRAMS_A_KILOGRAM = 1000


class PriceStep(msgspec.Struct, frozen=True):
    """So many units more at this price."""

    price: Fraction
    units: int


class RevealedBid(msgspec.Struct, frozen=True):
    id: str
    salt: str  # hex: it takes part in drawing the lot
    steps: tuple[PriceStep, ...]  # the highest price first


class TenderOffer(msgspec.Struct, frozen=True, kw_only=True):
    units: int
    reserve_price: Fraction
    cap_units: int
    pricing: Pricing
    tie_rule: TieRule


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """The lowest price that was accepted."""

    price: Fraction
    wanted_units: int  # at that price, by all
    units: int  # that were left for it
    spare_units: int  # of those, what remains when each has the whole units of its share; none by `lot`


class AtCutOff(msgspec.Struct, frozen=True, kw_only=True):
    """What one bidder wanted at the cut-off, and its place among those who did."""

    wanted_units: int
    place: int  # 0 is served first: by `pro_rata` with the units that remain, by `lot` with all that it wants
    before_units: int  # wanted by those before it


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """What one bid gets."""

    bid: str
    accepted: tuple[PriceStep, ...]
    at_cut_off: AtCutOff | None  # None: it wanted nothing there

    @property
    def units(self) -> int:
        return sum(step.units for step in self.accepted)


class Clearing(msgspec.Struct, frozen=True, kw_only=True):
    cut_off: CutOff | None  # None: nothing is sold
    lot: str  # SHA-256 of the bids' salts, sorted, one after the other; hex
    fills: tuple[Fill, ...]  # by bid
    left_units: int


def clear(offer: TenderOffer, bids: Sequence[RevealedBid]) -> Clearing:
    """What each bid gets. The order of the bids does not count."""
    bids = sorted(bids, key=lambda bid: bid.id)
    lot = draw_lot(bids)
    counted = {bid.id: counted_steps(bid.steps, offer) for bid in bids}
    prices = sorted({step.price for steps in counted.values() for step in steps}, reverse=True)
    left = offer.units
    cut_off: CutOff | None = None
    for price in prices:
        cut_off = _cut_off(offer.tie_rule, price, [units_at(steps, price) for steps in counted.values()], left)
        left -= cut_off.units
        if not left:
            break
    places = {} if cut_off is None else _places(offer.tie_rule, lot, cut_off, counted)
    return Clearing(
        cut_off=cut_off,
        lot=lot,
        fills=tuple(fill(offer, cut_off, bid.id, counted[bid.id], places.get(bid.id)) for bid in bids),
        left_units=left,
    )


def fill(offer: TenderOffer, cut_off: CutOff | None, bid: str, steps: Sequence[PriceStep], at: AtCutOff | None) -> Fill:
    """What a bid's counted steps get, from what is published and its own place: a bidder works it out without the others' bids."""
    if cut_off is None:
        return Fill(bid=bid, accepted=(), at_cut_off=None)
    accepted = [step for step in steps if step.price > cut_off.price]
    if at is not None and (units := _shared(offer.tie_rule, cut_off, at)):
        accepted.append(PriceStep(cut_off.price, units))
    return Fill(bid=bid, accepted=tuple(accepted), at_cut_off=at)


def counted_steps(steps: Sequence[PriceStep], offer: TenderOffer) -> tuple[PriceStep, ...]:
    """What counts of a bid: from the reserve price up, the highest price first, and no more than one bidder may have."""
    counted, room = [], min(offer.cap_units, offer.units)
    for step in sorted(steps, key=lambda step: -step.price):
        units = min(step.units, room)
        if step.price >= offer.reserve_price and units:
            counted.append(PriceStep(step.price, units))
            room -= units
    return tuple(counted)


def amount_of(fill: Fill, cut_off: CutOff | None, pricing: Pricing) -> Fraction:
    """What is due for a fill, in the price's unit times units of the tender."""
    if cut_off is None:
        return Fraction(0)
    return sum(((cut_off.price if pricing == "uniform" else step.price) * step.units for step in fill.accepted), Fraction(0))


def minor_a_unit(price: Fraction, unit_g: int) -> Fraction:
    """Minor units for one unit, at a price for a kilogram."""
    return price * unit_g / GRAMS_A_KILOGRAM


def draw_lot(bids: Sequence[RevealedBid]) -> str:
    return sha256(b"".join(sorted(bytes.fromhex(bid.salt) for bid in bids))).hexdigest()


def lot_of(lot: str, bid: str) -> bytes:
    """The lower is served first."""
    return sha256(bytes.fromhex(lot) + bid.encode()).digest()


def units_at(steps: Sequence[PriceStep], price: Fraction) -> int:
    return sum(step.units for step in steps if step.price == price)


def _cut_off(rule: TieRule, price: Fraction, wanted: Sequence[int], left: int) -> CutOff:
    total = sum(wanted)
    units = min(left, total)
    whole = sum(each * units // total for each in wanted)
    return CutOff(price=price, wanted_units=total, units=units, spare_units=units - whole if rule == "pro_rata" else 0)


def _places(rule: TieRule, lot: str, cut_off: CutOff, counted: Mapping[str, Sequence[PriceStep]]) -> dict[str, AtCutOff]:
    wanted = {bid: units for bid, steps in counted.items() if (units := units_at(steps, cut_off.price))}

    def order(bid: str) -> tuple[int, bytes]:
        remainder = wanted[bid] * cut_off.units % cut_off.wanted_units if rule == "pro_rata" else 0
        return -remainder, lot_of(lot, bid)

    places, before = {}, 0
    for place, bid in enumerate(sorted(wanted, key=order)):
        places[bid] = AtCutOff(wanted_units=wanted[bid], place=place, before_units=before)
        before += wanted[bid]
    return places


def _shared(rule: TieRule, cut_off: CutOff, at: AtCutOff) -> int:
    """By `pro_rata` fewer units are spare than bidders have a remainder, so none gets more than it wants."""
    if rule == "lot":
        return max(0, min(at.wanted_units, cut_off.units - at.before_units))
    return at.wanted_units * cut_off.units // cut_off.wanted_units + (at.place < cut_off.spare_units)
