"""Clearing: what no tender may ever do, whatever is bid; and the same by an implementation that shares nothing with it."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from reserve.audit.clearing import Offered, Sealed, buy
from services.allocation.domain.tenders.clearing import (
    Clearing,
    Fill,
    PriceStep,
    RevealedBid,
    TenderOffer,
    amount_of,
    clear,
    counted_steps,
    fill,
    lot_of,
)

PRICES = st.integers(0, 6).map(lambda halves: Fraction(halves, 2))


@st.composite
def a_bid(draw: st.DrawFn, name: str) -> RevealedBid:
    prices = sorted(draw(st.sets(PRICES, min_size=1, max_size=4)), reverse=True)
    return RevealedBid(
        name, draw(st.binary(min_size=16, max_size=16)).hex(), tuple(PriceStep(price, draw(st.integers(1, 9))) for price in prices)
    )


@st.composite
def tenders(draw: st.DrawFn) -> tuple[TenderOffer, list[RevealedBid]]:
    units = draw(st.integers(1, 25))
    offer = TenderOffer(
        units=units,
        reserve_price=draw(PRICES),
        cap_units=draw(st.integers(1, units)),
        pricing=draw(st.sampled_from(("pay_as_bid", "uniform"))),
        tie_rule=draw(st.sampled_from(("pro_rata", "lot"))),
    )
    return offer, [draw(a_bid(f"bid_{number}")) for number in range(draw(st.integers(0, 6)))]


def offer(units: int, **changes: object) -> TenderOffer:
    told = {"units": units, "reserve_price": Fraction(1), "cap_units": units, "pricing": "uniform", "tie_rule": "pro_rata"} | changes
    return TenderOffer(**told)  # type: ignore[arg-type]


def bid(name: str, *steps: tuple[int, int]) -> RevealedBid:
    return RevealedBid(name, name.encode().hex().rjust(32, "0"), tuple(PriceStep(Fraction(price), units) for price, units in steps))


def units_of(cleared: Clearing) -> dict[str, int]:
    return {each.bid: each.units for each in cleared.fills}


def test_the_highest_prices_are_served_first_and_all_pay_the_lowest_that_was_accepted():
    cleared = clear(offer(10), [bid("a", (9, 4), (5, 4)), bid("b", (7, 4)), bid("c", (4, 10))])
    assert units_of(cleared) == {"a": 6, "b": 4, "c": 0}
    assert cleared.cut_off is not None and cleared.cut_off.price == 5
    assert [amount_of(each, cleared.cut_off, "uniform") for each in cleared.fills] == [30, 20, 0]
    assert [amount_of(each, cleared.cut_off, "pay_as_bid") for each in cleared.fills] == [4 * 9 + 2 * 5, 28, 0]


def test_those_who_tie_share_by_what_they_want_and_the_units_that_remain_go_to_the_largest_remainders():
    cleared = clear(offer(10), [bid("a", (5, 6)), bid("b", (5, 6)), bid("c", (5, 9))])  # 2 6/7, 2 6/7, 4 2/7
    assert units_of(cleared) == {"a": 3, "b": 3, "c": 4}


def test_equal_remainders_go_by_a_lot_that_every_salt_has_a_part_in():
    bids = [bid("a", (5, 1)), bid("b", (5, 1)), bid("c", (5, 1))]
    cleared = clear(offer(1), bids)
    first = min("abc", key=lambda name: lot_of(cleared.lot, name))
    assert units_of(cleared) == {name: int(name == first) for name in "abc"}
    lots = {clear(offer(1), [*bids[:2], RevealedBid("c", salt * 16, bids[2].steps)]).lot for salt in ("00", "01", "02")}
    assert len(lots) == 3


def test_by_lot_the_first_is_served_with_all_that_it_wants():
    cleared = clear(offer(7, tie_rule="lot"), [bid("a", (5, 5)), bid("b", (5, 5))])
    assert sorted(units_of(cleared).values()) == [2, 5]


def test_a_bid_below_the_reserve_price_gets_nothing_and_the_offer_is_left():
    cleared = clear(offer(10, reserve_price=Fraction(5)), [bid("a", (6, 2), (4, 8))])
    assert (units_of(cleared), cleared.left_units) == ({"a": 2}, 8)


def test_where_nobody_bids_nothing_is_sold():
    cleared = clear(offer(10), [])
    assert (cleared.cut_off, cleared.fills, cleared.left_units) == (None, (), 10)


def accepted_and_not(offer: TenderOffer, bid: RevealedBid, found: Fill) -> tuple[list[Fraction], list[Fraction]]:
    """The prices at which units were accepted, and those at which units that count were not."""
    given = {step.price: step.units for step in found.accepted}
    wanted = {step.price: step.units for step in counted_steps(bid.steps, offer)}
    return list(given), [price for price, units in wanted.items() if given.get(price, 0) < units]


@given(tenders())
def test_never_more_than_is_offered_nor_than_one_may_have_nor_than_was_bid(tender: tuple[TenderOffer, list[RevealedBid]]):
    offer, bids = tender
    cleared = clear(offer, bids)
    assert sum(units_of(cleared).values()) + cleared.left_units == offer.units
    assert cleared.left_units >= 0
    for each, found in zip(sorted(bids, key=lambda bid: bid.id), cleared.fills, strict=True):
        assert found.units <= offer.cap_units
        wanted = {step.price: step.units for step in each.steps}
        assert all(0 < step.units <= wanted[step.price] for step in found.accepted)


@given(tenders())
def test_no_unit_is_sold_below_the_reserve_price_or_below_one_that_was_turned_down(tender: tuple[TenderOffer, list[RevealedBid]]):
    offer, bids = tender
    cleared = clear(offer, bids)
    found = {
        each.bid: accepted_and_not(offer, bid, each) for bid, each in zip(sorted(bids, key=lambda b: b.id), cleared.fills, strict=True)
    }
    accepted = [price for given, _ in found.values() for price in given]
    turned_down = [price for _, missed in found.values() for price in missed]
    assert all(price >= offer.reserve_price for price in accepted)
    assert not accepted or not turned_down or min(accepted) >= max(turned_down)
    assert not turned_down or cleared.left_units == 0


@given(tenders())
def test_nobody_pays_more_than_it_bid_and_a_uniform_price_is_the_lowest_accepted(tender: tuple[TenderOffer, list[RevealedBid]]):
    offer, bids = tender
    cleared = clear(offer, bids)
    accepted = [step.price for each in cleared.fills for step in each.accepted]
    assert (cleared.cut_off is None) == (not accepted)
    if cleared.cut_off is not None:
        assert cleared.cut_off.price == min(accepted)
    for each in cleared.fills:
        bid_for = sum(step.price * step.units for step in each.accepted)
        assert amount_of(each, cleared.cut_off, "pay_as_bid") == bid_for >= amount_of(each, cleared.cut_off, "uniform")


@given(tenders(), st.randoms())
def test_the_order_of_the_bids_does_not_count(tender: tuple[TenderOffer, list[RevealedBid]], dice: object):
    offer, bids = tender
    shuffled = list(bids)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert clear(offer, shuffled) == clear(offer, bids)


@given(tenders())
def test_a_bidder_works_its_own_award_out_from_what_is_published_and_its_place(tender: tuple[TenderOffer, list[RevealedBid]]):
    offer, bids = tender
    cleared = clear(offer, bids)
    for each, found in zip(sorted(bids, key=lambda b: b.id), cleared.fills, strict=True):
        assert fill(offer, cleared.cut_off, each.id, counted_steps(each.steps, offer), found.at_cut_off) == found


@given(tenders())
def test_the_audit_clears_to_the_same(tender: tuple[TenderOffer, list[RevealedBid]]):
    offer, bids = tender
    cleared = clear(offer, bids)
    offered = Offered(
        units=offer.units,
        reserve_price=offer.reserve_price,
        cap_units=offer.cap_units,
        uniform=offer.pricing == "uniform",
        tie_rule=offer.tie_rule,
    )
    cut_off, bought = buy(offered, [Sealed(each.id, each.salt, [(step.price, step.units) for step in each.steps]) for each in bids])
    assert cut_off == (None if cleared.cut_off is None else cleared.cut_off.price)
    assert {each.bid: (each.units, amount_of(each, cleared.cut_off, offer.pricing)) for each in cleared.fills} == {
        name: (each.units, each.worth) for name, each in bought.items()
    }
