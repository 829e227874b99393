"""Releases of a decision with pools: each is met from the lots that it was pinned to, and nobody else takes them."""

from datetime import date

import msgspec
import pytest

from services.inventory.domain.dispatch import ReturnDraw
from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.domain.pinning import MAX_PINNED_LOTS, ReleasePool
from services.inventory.domain.products import SetProtectedStock
from services.inventory.domain.reasons import Reason
from services.inventory.domain.releases import LapseRelease, ReleaseRound
from services.inventory.domain.state import short_g, usable_units
from services.inventory.events import DrawId, LotId, ReleaseId, RoundReleased, RoundReleaseRefused, StockDrawn, StockPinned, StockReleased
from tests.stories.given import Given
from tests.stories.stockpile import (
    DAY_AFTER,
    FAILED,
    LAST_DAY,
    PASSED,
    TODAY,
    TONNE,
    UNIT_G,
    a_round,
    a_stockpile,
    announce,
    award,
    draw,
    hold,
    lot,
    pool,
    right,
    take_back,
    taking,
)

AUSTRALIAN, CHINESE = "lot_au", "lot_cn"
POOLS = (pool("p1", AUSTRALIAN), pool("p2", CHINESE))
JAPAN = taking(award("a", "JP", 4), ("p1", UNIT_G, 4))
KOREA = taking(award("b", "KR", 3), ("p2", UNIT_G, 2), ("p1", UNIT_G, 1))


def stocked(*commands) -> Given:
    """The Chinese lot is the older one: what is pinned to none is drawn from it first."""
    return a_stockpile(lot(CHINESE, 6, origin="CN"), lot(AUSTRALIAN, 6), *commands)


def pinned(*commands) -> Given:
    """Japan has four Australian units, Korea two Chinese and one Australian; `commands` happened."""
    return stocked(a_round(JAPAN, KOREA, pools=POOLS), *commands)


def pins_of(story: Given, release: str) -> dict[str, int]:
    return {pin.lot: pin.units for pin in story.state.releases[ReleaseId(release)].pins}


def refusal_of(story: Given, command: ReleaseRound) -> str:
    after = story.when(command)
    [event] = after.events
    assert isinstance(event, RoundReleaseRefused)
    assert after.state == story.state
    return event.reason


def parcels(event) -> dict[str, int]:
    assert isinstance(event, StockDrawn)
    return {parcel.lot: parcel.units for parcel in event.parcels}


def test_a_release_is_told_with_the_lots_that_it_is_pinned_to():
    first, its_lots, second, others, summary = stocked().when(a_round(JAPAN, KOREA, pools=POOLS)).events
    assert isinstance(first, StockReleased) and isinstance(its_lots, StockPinned)
    assert isinstance(second, StockReleased) and isinstance(others, StockPinned)
    assert [(pin.lot, pin.units) for pin in its_lots.lots] == [(AUSTRALIAN, 4)]
    assert [(pin.lot, pin.units) for pin in others.lots] == [(CHINESE, 2), (AUSTRALIAN, 1)]
    assert isinstance(summary, RoundReleased)


def test_a_pinned_release_is_drawn_from_its_lots_though_others_are_older():
    story = pinned()
    story = story.when(draw(units=3))
    [drawn] = story.events
    assert parcels(drawn) == {AUSTRALIAN: 3}
    assert pins_of(story, "rel_a") == {AUSTRALIAN: 1}


def test_a_draw_of_all_that_is_pinned_takes_each_lot_by_its_units():
    story = pinned()
    story = story.when(draw("drw_1", "rel_b", 3, partner="KR"))
    [drawn] = story.events
    assert parcels(drawn) == {CHINESE: 2, AUSTRALIAN: 1}
    assert dict(story.state.pinned) == {AUSTRALIAN: 4}


def test_a_release_that_is_pinned_to_none_leaves_pinned_units_alone():
    story = stocked(a_round(taking(award("a", "JP", 5), ("p2", UNIT_G, 5)), pools=POOLS), a_round(award("c", "US", 3)))
    [drawn] = story.when(draw("drw_1", "rel_c", 3, partner="US")).events
    assert parcels(drawn) == {CHINESE: 1, AUSTRALIAN: 2}


def test_naming_a_lot_that_is_anothers_does_not_help():
    story = stocked(a_round(taking(award("a", "JP", 6), ("p2", UNIT_G, 6)), pools=POOLS), a_round(award("c", "US", 3)))
    story.when(draw("drw_1", "rel_c", 1, partner="US", lots=(LotId(CHINESE),))).refused(Reason.STOCK_SHORT)


def test_a_pinned_release_is_not_drawn_from_a_lot_that_it_is_not_of():
    refused = pinned().when(draw(units=1, lots=(LotId(CHINESE),))).refused(Reason.LOT_UNAVAILABLE)
    assert refused.accepted == AUSTRALIAN


def test_a_later_round_cannot_have_what_is_pinned():
    story = pinned()
    assert usable_units(story.state, TODAY) == {UNIT_G: 5}
    taken = taking(award("c", "US", 2), ("p1", UNIT_G, 2))
    assert refusal_of(story, a_round(taken, pools=POOLS)) == Reason.STOCK_SHORT
    story = story.given(a_round(taking(award("c", "US", 5), ("p2", UNIT_G, 4), ("p1", UNIT_G, 1)), pools=POOLS))
    assert usable_units(story.state, TODAY) == {UNIT_G: 0}


def test_what_others_were_released_before_is_not_pinned():
    story = stocked(a_round(award("c", "US", 8)))
    assert refusal_of(story, a_round(JAPAN, taking(award("b", "KR", 1), ("p2", UNIT_G, 1)), pools=POOLS)) == Reason.STOCK_SHORT


@pytest.mark.parametrize(
    "end",
    [
        take_back(),
        LapseRelease(release=ReleaseId("rel_a"), on=DAY_AFTER),
        draw(units=4),
    ],
    ids=["cancelled", "lapsed", "drawn"],
)
def test_pins_end_with_their_release(end):
    assert dict(pinned(end).state.pinned) == {CHINESE: 2, AUSTRALIAN: 1}


def test_what_comes_back_of_a_draw_is_anybodys():
    story = pinned(draw(units=4), ReturnDraw(draw=DrawId("drw_1"), reason="late"))
    assert dict(story.state.pinned) == {CHINESE: 2, AUSTRALIAN: 1}
    assert usable_units(story.state, TODAY) == {UNIT_G: 9}


def test_a_lot_that_fails_leaves_its_releases_short_and_no_others():
    story = pinned(a_round(award("c", "US", 5)))
    story = story.when(RecordAssay(lot=LotId(CHINESE), assay=FAILED))
    [assayed] = story.events
    short = story.state.shelves[UNIT_G]
    assert assayed.short_g == short_g(story.state) == 6 * UNIT_G  # two that are pinned, and four that were for anybody
    assert (short.free_units, short.failed_units) == (-4, 2)
    story.when(draw("drw_1", "rel_b", 3, partner="KR")).refused(Reason.STOCK_SHORT)
    story = story.when(draw("drw_1", "rel_b", 1, partner="KR"))
    [drawn] = story.events
    assert parcels(drawn) == {AUSTRALIAN: 1}
    story = story.when(RecordAssay(lot=LotId(CHINESE), assay=PASSED))
    [cured] = story.events
    assert cured.short_g == short_g(story.state) == 0


def test_rights_stand_in_for_a_lot_that_failed_and_unpin_it():
    story = pinned(right(units=4), RecordAssay(lot=LotId(CHINESE), assay=FAILED))
    story = story.when(draw("drw_1", "rel_b", 2, partner="KR", assign_rights=True))
    drawn, assigned, told = story.events
    assert parcels(drawn) == {AUSTRALIAN: 1}
    assert (assigned.source, assigned.mass_g) == ("lots", UNIT_G)
    assert isinstance(told, StockPinned)
    assert pins_of(story, "rel_b") == {CHINESE: 1}
    assert story.state.shelves[UNIT_G].failed_units == 1


def test_rights_stand_in_for_the_last_of_a_release_and_nothing_is_pinned():
    story = pinned(right(units=4), RecordAssay(lot=LotId(CHINESE), assay=FAILED))
    story = story.when(draw("drw_1", "rel_b", 3, partner="KR", assign_rights=True))
    _, last = story.events
    assert last.remaining_g == 0
    assert dict(story.state.pinned) == {AUSTRALIAN: 4}
    assert story.state.shelves[UNIT_G].failed_units == 0


def test_a_hold_on_a_pinned_lot_stops_its_draws():
    story = pinned(hold("lot", AUSTRALIAN))
    story.when(draw(units=1)).refused(Reason.ON_HOLD)


def test_a_count_never_takes_pinned_units_away():
    story = pinned()
    lost = AdjustStock(lot=LotId(AUSTRALIAN), change_units=-2, cause="stock_take", reason="count")
    assert "only 1 units" in story.when(lost).refused(Reason.STOCK_NOT_FREE).detail
    failed = pinned(RecordAssay(lot=LotId(AUSTRALIAN), assay=FAILED))
    failed.when(lost).refused(Reason.STOCK_NOT_FREE)


def test_an_award_takes_from_lots_and_from_rights_as_its_decision_says():
    pools = (*POOLS, pool("r1"))
    story = stocked(right(units=4))
    released, told, _ = story.when(a_round(taking(award("a", "JP", 5), ("p1", UNIT_G, 3), ("r1", UNIT_G, 2)), pools=pools)).events
    assert (released.rights_g, released.units[0].units) == (2 * UNIT_G, 3)
    assert [(pin.lot, pin.units) for pin in told.lots] == [(AUSTRALIAN, 3)]


def test_without_lots_named_nothing_is_pinned():
    everything = ReleasePool(pool="p1", source="lots")
    released, _ = stocked().when(a_round(JAPAN, pools=(everything,))).events
    assert isinstance(released, StockReleased)


def test_a_pool_that_names_no_lots_is_of_those_that_the_others_do_not_name():
    rest = ReleasePool(pool="p2", source="lots")
    _, its_lots, *_ = stocked().when(a_round(taking(award("a", "JP", 1), ("p2", UNIT_G, 1)), pools=(POOLS[0], rest))).events
    assert [pin.lot for pin in its_lots.lots] == [CHINESE]


def test_first_expiring_lots_of_a_pool_are_pinned_first():
    story = a_stockpile(lot("lot_1", 3), lot("lot_2", 3, expires_on=LAST_DAY), lot("lot_3", 3, expires_on=TODAY))
    story = story.given(a_round(taking(award("a", "JP", 7), ("p1", UNIT_G, 7)), pools=(pool("p1", "lot_1", "lot_2", "lot_3"),)))
    assert list(pins_of(story, "rel_a").items()) == [("lot_3", 3), ("lot_2", 3), ("lot_1", 1)]


def test_units_of_different_sizes_are_pinned_as_the_decision_says():
    story = a_stockpile(lot("lot_1", 3), lot("lot_2", 8, nominal_unit_g=TONNE))
    story = story.given(a_round(taking(award("a", "JP", 2), ("p1", UNIT_G, 1), ("p1", TONNE, 5)), pools=(pool("p1", "lot_1", "lot_2"),)))
    assert pins_of(story, "rel_a") == {"lot_1": 1, "lot_2": 5}


@pytest.mark.parametrize(
    ("awarded", "given", "reason"),
    [
        (taking(award("a", "JP", 4), ("p1", UNIT_G, 3)), (), Reason.QUANTITY_INVALID),
        (taking(award("a", "JP", 4), ("p9", UNIT_G, 4)), (), Reason.QUANTITY_INVALID),
        (taking(award("a", "JP", 7), ("p1", UNIT_G, 7)), (), Reason.STOCK_SHORT),
        (JAPAN, (hold("lot", AUSTRALIAN),), Reason.STOCK_SHORT),
        (JAPAN, (hold("partner", "JP"),), Reason.ON_HOLD),
        (JAPAN, (SetProtectedStock(mass_g=9 * UNIT_G, authority="Minister", reason="floor"),), Reason.STOCK_PROTECTED),
        (taking(award("a", "JP", 4), ("r1", UNIT_G, 4)), (right(units=3),), Reason.RIGHTS_SHORT),
        (taking(award("a", "JP", 1), ("r1", TONNE, 5)), (right(units=3),), None),
        (taking(award("a", "JP", 4), ("r1", UNIT_G, 4)), (right(units=4), announce()), Reason.LOAN_OF_GOODS),
    ],
)
def test_a_round_that_its_pools_cannot_give_is_refused_as_a_whole(awarded, given, reason):
    command = a_round(awarded, pools=(*POOLS, pool("r1")))
    if reason is None:
        assert isinstance(stocked(*given).when(command).events[-1], RoundReleased)
    else:
        assert refusal_of(stocked(*given), command) == reason


def test_a_release_is_not_of_more_lots_than_an_event_holds():
    lots = [f"lot_{number}" for number in range(MAX_PINNED_LOTS + 1)]
    story = a_stockpile(*(lot(name, 1) for name in lots))
    many = taking(award("a", "JP", len(lots)), ("p1", UNIT_G, len(lots)))
    assert refusal_of(story, a_round(many, pools=(pool("p1", *lots),))) == Reason.TOO_MANY_LOTS


def test_an_event_of_the_most_lots_fits_where_events_are_kept():
    lots = [f"lot_{number:026}" for number in range(MAX_PINNED_LOTS)]
    story = a_stockpile(*(lot(name, 1) for name in lots))
    _, told, _ = story.when(
        a_round(taking(award("a", "JP", len(lots)), ("p1", UNIT_G, len(lots))), pools=(pool("p1", *lots),), expires_on=date(2026, 2, 1))
    ).events
    assert len(msgspec.json.encode(told)) < 60_000


def test_a_round_of_ten_thousand_awards_is_planned_in_one_pass():
    """Ten thousand awards of three lots each in turn: what a scan of the lots for each award would make 30 million steps of."""
    story = a_stockpile(*(lot(f"lot_{number:05}", 1) for number in range(3_000)), lot("lot_all", 10_000))
    pools = (pool("p1", *(f"lot_{number:05}" for number in range(3_000))), pool("p2", "lot_all"))
    awards = [taking(award(f"{number:05}", "JP", 1), ("p2", UNIT_G, 1)) for number in range(9_000)]
    awards += [taking(award(f"x{number:05}", "KR", 3), ("p1", UNIT_G, 3)) for number in range(1_000)]
    story = story.when(a_round(*awards, pools=pools))
    *_, summary = story.events
    assert isinstance(summary, RoundReleased) and summary.releases == 10_000
    assert sum(story.state.pinned.values()) == 12_000
