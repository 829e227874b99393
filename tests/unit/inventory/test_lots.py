"""Products, lots, assays, stock-takes."""

from datetime import date

import msgspec
import pytest

from services.inventory.domain.lots import AdjustStock, RecordAssay
from services.inventory.domain.products import StandingHold
from services.inventory.domain.reasons import Reason
from services.inventory.domain.state import held_g, in_stock_g, short_g
from services.inventory.domain.stockpile import DECIDER, timers
from services.inventory.events import (
    AssayRecorded,
    AuthorityCited,
    HoldId,
    HoldPutOn,
    LotId,
    LotTakenIn,
    ProductRegistered,
    ProtectedStockSet,
    StockAdjusted,
)
from shared.journal.record import MAX_INTEGER
from tests.stories.given import Given
from tests.stories.stockpile import (
    ANTIMONY,
    FAILED,
    LAST_DAY,
    PASSED,
    TODAY,
    UNIT_G,
    a_round,
    a_stockpile,
    award,
    draw,
    lot,
    protect,
    register,
    reserved_g,
)


def record(assay=PASSED, name="lot_1"):
    return RecordAssay(lot=LotId(name), assay=assay)


def adjust(change_units, name="lot_1"):
    return AdjustStock(lot=LotId(name), change_units=change_units, cause="stock_take", reason="count of 6 January")


def test_a_product_is_registered():
    [event] = Given(DECIDER).when(register()).events
    assert isinstance(event, ProductRegistered)
    assert (event.product, event.nominal_unit_g) == (ANTIMONY, UNIT_G)


def test_a_product_is_registered_with_the_holds_that_were_there_before_it():
    told = {"target": "JP", "reason": "court order", "authority": "Minister", "expires_on": TODAY}
    standing = StandingHold(hold=HoldId("hld_1"), scope="partner", **told)
    story = Given(DECIDER)
    story = story.when(msgspec.structs.replace(register(), holds=(standing,)))
    _, held = story.events
    assert isinstance(held, HoldPutOn) and (held.product, held.hold, held.target) == (ANTIMONY, "hld_1", "JP")
    assert dict(story.state.stops) == {"partner/JP": ("hld_1",)}
    assert timers(held)


def test_a_product_is_registered_once():
    a_stockpile().when(register()).refused(Reason.PRODUCT_REGISTERED)


def test_a_lot_in_specification_is_available():
    story = a_stockpile()
    story = story.when(lot(units=10))
    [event] = story.events
    assert isinstance(event, LotTakenIn)
    assert (event.status, event.mass_g, event.depot) == ("available", 10 * UNIT_G, "Fremantle")
    assert in_stock_g(story.state) == 10 * UNIT_G


def test_a_lot_out_of_specification_is_quarantined():
    story = a_stockpile()
    story = story.when(lot(assay=FAILED))
    [event] = story.events
    assert isinstance(event, LotTakenIn)
    assert event.status == "quarantined"
    assert (in_stock_g(story.state), story.state.quarantined_g) == (0, 10 * UNIT_G)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"units": 0}, Reason.QUANTITY_INVALID),
        ({"units": -1}, Reason.QUANTITY_INVALID),
        ({"nominal_unit_g": 0}, Reason.QUANTITY_INVALID),
        ({"units": MAX_INTEGER}, Reason.QUANTITY_TOO_LARGE),
        ({"units": 2, "serials": ("A",)}, Reason.SERIALS_MISMATCH),
        ({"units": 2, "serials": ("A", "A")}, Reason.SERIALS_MISMATCH),
        ({"expires_on": date(2026, 1, 5)}, Reason.DATE_IN_PAST),
    ],
)
def test_a_lot_that_cannot_be_is_refused(changes, reason):
    a_stockpile().when(lot(**changes)).refused(reason)


def test_a_lot_of_an_unregistered_product_is_refused():
    Given(DECIDER).when(lot()).refused(Reason.PRODUCT_NOT_FOUND)


def test_a_lot_is_taken_in_once():
    a_stockpile(lot()).when(lot()).refused(Reason.ID_TAKEN)


def test_a_lot_may_be_drawn_through_its_last_day():
    story = a_stockpile(lot(expires_on=LAST_DAY))
    story = story.given(a_round(award("a", "JP", 2), expires_on=date(2026, 2, 1)))
    story.when(draw(on=date(2026, 1, 21))).refused(Reason.STOCK_SHORT)
    story.given(draw(on=LAST_DAY))


def test_a_failed_assay_quarantines_what_is_in_stock_and_not_what_is_drawn():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 2)), draw(units=2))
    story = story.when(record(FAILED))
    [event] = story.events
    assert isinstance(event, AssayRecorded)
    assert (event.from_status, event.to_status, event.units, event.mass_g) == ("available", "quarantined", 8, 8 * UNIT_G)
    assert (in_stock_g(story.state), story.state.quarantined_g, story.state.drawn_g) == (0, 8 * UNIT_G, 2 * UNIT_G)


def test_a_passed_assay_ends_the_quarantine():
    story = a_stockpile(lot(assay=FAILED))
    story = story.when(record(PASSED))
    [event] = story.events
    assert isinstance(event, AssayRecorded)
    assert (event.from_status, event.to_status, event.units) == ("quarantined", "available", 10)
    assert (in_stock_g(story.state), story.state.quarantined_g) == (10 * UNIT_G, 0)


def test_an_assay_that_confirms_moves_nothing():
    [event] = a_stockpile(lot()).when(record(PASSED)).events
    assert isinstance(event, AssayRecorded)
    assert (event.units, event.mass_g) == (0, 0)


def test_an_assay_that_fails_reserved_stock_says_how_much_is_short():
    story = a_stockpile(lot(units=10), lot("lot_2", units=1), a_round(award("a", "JP", 4)))
    story = story.when(record(FAILED))
    [event] = story.events
    assert isinstance(event, AssayRecorded)
    assert event.short_g == short_g(story.state) == 3 * UNIT_G
    assert reserved_g(story.state) == 4 * UNIT_G
    story.when(draw(units=2)).refused(Reason.STOCK_SHORT)
    story.given(draw(units=1))


def test_an_assay_of_an_unknown_lot_is_refused():
    a_stockpile().when(record()).refused(Reason.LOT_NOT_FOUND)


def test_protected_stock_is_set():
    event, cited = a_stockpile().when(protect()).events
    assert isinstance(event, ProtectedStockSet) and isinstance(cited, AuthorityCited)
    assert cited.cited.mass_g == 0, "nothing is opened by more of it"
    a_stockpile().when(protect(-1)).refused(Reason.QUANTITY_INVALID)


@pytest.mark.parametrize("change", [3, -3])
def test_a_stock_take_changes_a_lot_by_whole_units(change):
    story = a_stockpile(lot(units=10))
    story = story.when(adjust(change))
    [event] = story.events
    assert isinstance(event, StockAdjusted)
    assert (event.status, event.change_units, event.change_g) == ("available", change, change * UNIT_G)
    assert held_g(story.state) == (10 + change) * UNIT_G


def test_a_stock_take_takes_only_free_stock_down():
    story = a_stockpile(lot(units=10), a_round(award("a", "JP", 4)))
    story.when(adjust(-7)).refused(Reason.STOCK_NOT_FREE)
    story.given(adjust(-6))


def test_quarantined_stock_can_be_taken_down():
    story = a_stockpile(lot(units=10, assay=FAILED))
    story = story.given(adjust(-10))
    assert held_g(story.state) == 0
    assert not story.state.lots


def test_an_adjustment_by_nothing_is_refused():
    a_stockpile(lot()).when(adjust(0)).refused(Reason.QUANTITY_INVALID)


def test_an_adjustment_of_an_unknown_lot_is_refused():
    a_stockpile().when(adjust(1)).refused(Reason.LOT_NOT_FOUND)


def test_an_adjustment_beyond_what_the_books_hold_is_refused():
    a_stockpile(lot()).when(adjust(MAX_INTEGER)).refused(Reason.QUANTITY_TOO_LARGE)


def test_taking_in_today_is_not_in_the_past():
    a_stockpile().given(lot(expires_on=TODAY))
