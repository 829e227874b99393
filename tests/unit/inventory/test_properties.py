"""Whatever is asked of a stockpile, in whatever order: the grams add up, and nobody gets what another was promised."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings

from services.inventory import events as happened
from services.inventory.domain.holds import ExpireHold
from services.inventory.domain.lots import RecordAssay
from services.inventory.domain.releases import LapseRelease, ReleaseRound
from services.inventory.domain.state import free_rights_g, in_stock_g, short_g, usable_units
from services.inventory.domain.stockpile import DECIDER
from services.inventory.events import LotId
from shared.journal.decider import Refused
from tests.stories.given import Given
from tests.stories.stockpile import reserved_g
from tests.stories.stockpile_by_chance import histories, stories


def post(books: Counter[Any], event: Any) -> None:
    """Double entry from the events alone, as a ledger would: what leaves one account comes into another."""

    def move(mass_g: int, source: Any, target: Any) -> None:
        books[source] -= mass_g
        books[target] += mass_g

    match event:
        case happened.LotTakenIn():
            move(event.mass_g, "outside", event.status)
        case happened.AssayRecorded():
            move(event.mass_g, event.from_status, event.to_status)
        case happened.StockAdjusted():
            move(event.change_g, "adjusted", event.status)
        case happened.StockDrawn():
            move(event.mass_g, "available", "drawn")
            books["released", event.release] -= event.mass_g
        case happened.DrawDispatched():
            move(event.mass_g, "drawn", "dispatched")
        case happened.DrawReturned():
            move(sum(parcel.mass_g for parcel in event.available), "drawn", "available")
            move(sum(parcel.mass_g for parcel in event.quarantined), "drawn", "quarantined")
        case happened.StockReleased():
            books["released", event.release] += event.mass_g
        case happened.ReleaseLapsed() | happened.ReleaseCancelled():
            books["released", event.release] -= event.mass_g
        case happened.RightAdded():
            move(event.mass_g, "claims", ("right", event.right))
        case happened.RightMatured():
            move(event.settled_g, ("right", event.right), "settled")
        case happened.RightAssigned():
            move(event.mass_g, ("right", event.right), "assigned")
            books["released", event.release] -= event.mass_g


@given(stories)
@settings(max_examples=100, deadline=None)
def test_grams_are_conserved_and_the_state_is_what_the_events_add_up_to(story):
    books: Counter[Any] = Counter()
    for _, _, events, state in histories(story):
        for event in events:
            post(books, event)
        assert (
            in_stock_g(state)
            == books["available"]
            == sum(it.units * it.nominal_unit_g for it in state.lots.values() if it.in_specification)
        )
        assert state.quarantined_g == books["quarantined"] >= 0
        assert state.drawn_g == books["drawn"] == sum(draw.mass_g for draw in state.draws.values())
        for release_id, release in state.releases.items():
            assert release.mass_g == books["released", release_id] > 0
            assert release.mass_g == sum(count.units * count.nominal_unit_g for count in release.units) + release.rights_g
        assert sum(value for key, value in books.items() if key[0] == "released") == sum(it.mass_g for it in state.releases.values())
        assert reserved_g(state) + state.reserved_rights_g == sum(it.mass_g for it in state.releases.values())
        for right_id, claim in state.rights.items():
            assert claim.mass_g == books["right", right_id] > 0


@given(stories)
@settings(max_examples=100, deadline=None)
def test_what_is_kept_to_be_fast_agrees_with_what_it_stands_for(story):
    for _, _, _, state in histories(story):
        for unit_g, shelf in state.shelves.items():
            here = [it for it in state.lots.values() if it.nominal_unit_g == unit_g and it.in_specification and it.units]
            assert list(shelf.queue) == sorted(it.turn for it in here)
            assert shelf.units == sum(it.units for it in here)
            counts = [count.units for it in state.releases.values() for count in it.units if count.nominal_unit_g == unit_g]
            assert shelf.reserved_units == sum(counts)
            astray = [it for it in state.lots.values() if it.nominal_unit_g == unit_g and not it.in_specification]
            assert shelf.failed_units == sum(state.pinned.get(it.turn[2], 0) for it in astray)
        assert all(it.units >= 0 and it.drawn_units >= 0 and it.units + it.drawn_units > 0 for it in state.lots.values())
        assert {name for names in state.stops.values() for name in names} == set(state.holds)


@given(stories)
@settings(max_examples=100, deadline=None)
def test_pins_are_of_whole_releases_and_within_their_lots(story):
    for _, _, _, state in histories(story):
        pins = [pin for it in state.releases.values() for pin in it.pins]
        by_lot: Counter[str] = Counter()
        for pin in pins:
            assert pin.units > 0 and pin.nominal_unit_g == state.lots[pin.lot].nominal_unit_g
            by_lot[pin.lot] += pin.units
        assert dict(state.pinned) == dict(by_lot)
        assert all(units <= state.lots[LotId(name)].units for name, units in by_lot.items())
        for it in state.releases.values():
            if it.pins:
                sizes: Counter[int] = Counter()
                for pin in it.pins:
                    sizes[pin.nominal_unit_g] += pin.units
                assert dict(sizes) == {count.nominal_unit_g: count.units for count in it.units}


@given(stories)
@settings(max_examples=100, deadline=None)
def test_a_draw_is_of_its_releases_own_lots_and_of_no_others(story):
    for _, before, events, _ in histories(story):
        for event in events:
            if isinstance(event, happened.StockDrawn):
                own = {pin.lot: pin.units for pin in before.releases[event.release].pins}
                for parcel in event.parcels:
                    others = before.pinned.get(parcel.lot, 0) - own.get(parcel.lot, 0)
                    assert parcel.units <= before.lots[parcel.lot].units - others
                    assert not own or parcel.units <= own[parcel.lot]


@given(stories)
@settings(max_examples=100, deadline=None)
def test_a_round_never_takes_protected_held_or_promised_stock(story):
    for command, before, events, state in histories(story):
        if not isinstance(command, ReleaseRound) or isinstance(events[-1], happened.RoundReleaseRefused):
            continue
        usable_g = sum(unit_g * units for unit_g, units in usable_units(before, command.on).items())
        taken_g = reserved_g(state) - reserved_g(before)
        assert taken_g == 0 or usable_g - taken_g >= before.protected_g
        assert short_g(state) == short_g(before)
        on_rights_g = state.reserved_rights_g - before.reserved_rights_g
        assert on_rights_g == 0 or on_rights_g <= free_rights_g(before, command.on)


@given(stories)
@settings(max_examples=100, deadline=None)
def test_only_a_failed_assay_leaves_a_release_short(story):
    for command, before, events, state in histories(story):
        if isinstance(command, RecordAssay):
            [assayed] = events
            assert isinstance(assayed, happened.AssayRecorded) and assayed.short_g == short_g(state)
        else:
            assert short_g(state) <= short_g(before)


@given(stories)
@settings(max_examples=100, deadline=None)
def test_a_release_gives_what_it_was_of_and_ends_once(story):
    left: dict[str, int] = {}
    ended: Counter[str] = Counter()
    for _, _, events, _ in histories(story):
        for event in events:
            match event:
                case happened.StockReleased():
                    assert left.get(event.release, 0) == 0
                    left[event.release] = event.mass_g
                    ended[event.release] = 0
                case happened.StockDrawn() | happened.RightAssigned():
                    left[event.release] -= event.mass_g
                    assert event.remaining_g == left[event.release] >= 0
                case happened.ReleaseLapsed() | happened.ReleaseCancelled():
                    ended[event.release] += 1
                    assert ended[event.release] == 1
                    assert event.mass_g == left[event.release] > 0
                    left[event.release] = 0


@given(stories)
@settings(max_examples=50, deadline=None)
def test_commands_that_nobody_waits_for_are_never_refused(story):
    told = Given(DECIDER)
    for command in story:
        told = told.when(command)
        assert not (isinstance(told.answer, Refused) and isinstance(command, ReleaseRound | LapseRelease | ExpireHold))


@given(stories)
@settings(max_examples=50, deadline=None)
def test_commands_come_back_from_their_json(story):
    for command in story:
        assert msgspec.json.decode(msgspec.json.encode(command), type=DECIDER.commands) == command


@given(stories)
@settings(max_examples=50, deadline=None)
def test_events_come_back_from_their_json(story):
    for _, _, events, _ in histories(story):
        for event in events:
            assert msgspec.json.decode(msgspec.json.encode(event), type=happened.Event) == event
