"""The audit follows pins in its own way: it finds nothing in what a stockpile does, and says what is wrong with what none would."""

from collections.abc import Sequence

from hypothesis import given, settings
from msgspec.structs import replace

from reserve.audit.checkpoints import Checkpoints
from reserve.audit.pins import Pins
from reserve.audit.report import Findings
from reserve.audit.stock import Stock
from services.inventory.events import Event, LotId, Parcel, StockAdjusted, StockDrawn, StockPinned
from tests.stories.stockpile import TODAY, UNIT_G, a_round, a_stockpile, award, draw, lot, pool, register, taking
from tests.stories.stockpile_by_chance import histories, stories

POOLS = (pool("p1", "lot_1"), pool("p2", "lot_2"))


def faults(*events: Event) -> list[str]:
    pins = Pins()
    return [fault for event in events if (fault := pins.fault(event)) is not None]


def pinned() -> list[Event]:
    """Japan has four of the ten units of lot_1, and the United States three of the six of lot_2."""
    told = a_stockpile()
    awards = (taking(award("a", "JP", 4), ("p1", UNIT_G, 4)), taking(award("b", "US", 3), ("p2", UNIT_G, 3)))
    commands = (lot("lot_1", 10), lot("lot_2", 6), a_round(*awards, pools=POOLS))
    events: list[Event] = []
    for command in commands:
        told = told.when(command)
        events += told.events
    return events


def drawn(units: int, name: str, release: str = "rel_a") -> StockDrawn:
    parcel = Parcel(lot=LotId(name), depot="Fremantle", nominal_unit_g=UNIT_G, units=units, mass_g=units * UNIT_G)
    [event] = (
        a_stockpile(lot(units=9), a_round(award(release.removeprefix("rel_"), "JP", 9))).when(draw(release=release, units=units)).events
    )
    assert isinstance(event, StockDrawn)
    return replace(event, parcels=(parcel,))


def with_pins(events: Sequence[Event], **changes) -> list[Event]:
    return [replace(event, **changes) if isinstance(event, StockPinned) and event.release == "rel_a" else event for event in events]


@given(stories)
@settings(max_examples=60, deadline=None)
def test_whatever_a_stockpile_does_is_sound(story):
    assert faults(*(event for _, _, events, _ in histories(story) for event in events)) == []


def test_a_draw_of_its_own_lots_is_sound():
    assert faults(*pinned(), drawn(4, "lot_1")) == []


def test_a_draw_of_other_lots_than_its_own_is_found():
    assert faults(*pinned(), drawn(2, "lot_2")) == ["rel_a is pinned to other lots than those that are drawn"]


def test_a_draw_of_what_is_pinned_for_another_is_found():
    told = [*pinned(), drawn(3, "lot_2", "rel_c")]
    assert faults(*told) == []
    assert faults(*told, drawn(1, "lot_2", "rel_c")) == ["what is drawn of lot_2 is pinned for another"]


def test_pins_that_are_not_the_release_are_found():
    events = pinned()
    [own] = [event for event in events if isinstance(event, StockPinned) and event.release == "rel_a"]
    fewer = tuple(replace(pin, units=3) for pin in own.lots)
    assert faults(*with_pins(events, lots=fewer)) == [f"rel_a is pinned to other than the {4 * UNIT_G} g that it has of lots"]


def test_more_pins_than_a_lot_has_are_found():
    events = pinned()
    [own] = [event for event in events if isinstance(event, StockPinned) and event.release == "rel_b"]
    both = with_pins(events, lots=tuple(replace(pin, units=4) for pin in own.lots))
    assert faults(*both) == ["more of lot_2 is pinned than it has"]


def test_a_count_that_takes_pinned_units_away_is_found():
    lost = StockAdjusted(
        product=register().product,
        lot=LotId("lot_1"),
        depot="Fremantle",
        status="available",
        nominal_unit_g=UNIT_G,
        change_units=-7,
        change_g=-7 * UNIT_G,
        cause="stock_take",
        reason="count",
    )
    assert faults(*pinned(), lost) == ["fewer units of lot_1 are left than releases are pinned to"]


def test_the_audit_of_stock_tells_of_it():
    findings = Findings()
    audit = Stock(findings, Checkpoints(findings, []))
    for event in (*pinned(), replace(drawn(2, "lot_2"), remaining_g=2 * UNIT_G)):
        audit.see("inventory/0/1", TODAY.isoformat(), event)
    assert findings.failed.total() == 1
