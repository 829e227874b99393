"""Parking: one parking after another, and who may confirm it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.inventory.events.parking import EVENTS
from services.registry import JOURNALED, service
from shared.journal.decider import CancelTimer, Refused
from shared.journal.snapshots import decoded, encoded
from shared.journal.texts import TypedText
from shared.terms.parking import (
    KIND,
    ConfirmParking,
    LapseParking,
    Parked,
    ParkingReason,
    ParkMessage,
    UnparkMessages,
    decider,
)
from shared.terms.protecting import ByOne

DECIDER = decider(EVENTS)
ABOUT: dict[str, Any] = {"line": "allocation/1", "stream": "book/antimony-metal"}
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


def park(position: int = 7, *accounts: str, hours: int = 0) -> ParkMessage:
    by = ByOne(by=(accounts or ("ann",))[0], accounts=frozenset(accounts or {"ann"}), at=NOON + timedelta(hours=hours))
    return ParkMessage(**ABOUT, place=f"allocation/1/{position}", event="allocation.round_certified.v3", reason=TypedText(""), by=by)


def confirm(*accounts: str) -> ConfirmParking:
    return ConfirmParking(**ABOUT, by=accounts[0], accounts=frozenset(accounts))


def lapse(position: int = 7) -> LapseParking:
    return LapseParking(**ABOUT, place=f"allocation/1/{position}")


def unpark(messages: int = 1) -> UnparkMessages:
    return UnparkMessages(**ABOUT, messages=messages, by="ann")


def told(*commands: Any) -> tuple[list[Any], Parked]:
    """What the last command gives, after those before it, and the state then."""
    state, answer = Parked(), []
    for command in commands:
        answer = DECIDER.decide(command, state)
        for event in () if isinstance(answer, Refused) else answer:
            state = DECIDER.evolve(state, event)
    return answer, state


@pytest.mark.parametrize("name", JOURNALED)
def test_a_service_that_passes_over_events_of_others_records_what_it_parks(name: str) -> None:
    parks = any(each.types is not None for each in service(name).subscriptions)
    assert parks == (KIND in {each.kind for each in service(name).deciders})


def test_the_same_message_is_parked_once_and_a_later_one_anew() -> None:
    assert told(park(), park())[0] == []
    [event] = told(park(), unpark(), park(9))[0]
    assert event.place == "allocation/1/9"


def test_another_account_of_the_same_person_confirms_nothing() -> None:
    assert told(park(), confirm("bob", "ann"))[0].code == ParkingReason.OWN
    [event] = told(park(), confirm("bob"))[0]
    assert event.by == "bob" and DECIDER.timers(event) == [CancelTimer("unconfirmed/allocation/1/book/antimony-metal")]
    assert told(park(), confirm("bob"), confirm("eve"))[0].code == ParkingReason.CONFIRMED
    assert told(park(), unpark(), confirm("bob"))[0].code == ParkingReason.NOT_FOUND


def test_it_lapses_once_unless_it_is_confirmed_and_only_the_one_that_the_timer_was_for() -> None:
    _, state = told(park(), lapse())
    assert state.parkings["allocation/1/book/antimony-metal"].due
    assert told(park(), lapse(), lapse())[0] == told(park(), confirm("bob"), lapse())[0] == told(park(9), lapse(7))[0] == []
    _, late = told(park(), lapse(), confirm("bob"))
    assert not late.parkings["allocation/1/book/antimony-metal"].due


def test_nobody_renews_their_own_by_the_next_message_of_the_stream() -> None:
    first = park(), park(9, hours=70)
    [event] = told(*first)[0]
    assert (event.lapses_at, event.alone_since) == (NOON + timedelta(hours=72), NOON), "with the first"
    [other] = told(park(), park(9, "bob", hours=70))[0]
    assert other.lapses_at == NOON + timedelta(hours=142)
    for before in ((park(), lapse()), (park(), lapse(), unpark()), (*first, lapse(9), unpark())):
        for accounts in (("ann",), ("ann-2", "ann")):
            assert told(*before, park(11, *accounts, hours=80))[0].code == ParkingReason.RENEWED
        assert told(*before, park(11, "bob", hours=80))[0]
        assert told(*before, park(11, hours=10 * 24))[0], "a week later"
    for done in (confirm("bob"), unpark()):
        [anew] = told(park(), done, park(11, hours=71))[0]
        assert anew.lapses_at == NOON + timedelta(hours=143), "it was nobody's word alone, or kept nothing from anybody"


def test_what_an_earlier_build_had_parked_is_unparked_with_a_word_too() -> None:
    assert [event.messages for event in told(unpark(2))[0]] == [2]
    assert told(unpark(0))[0] == []


def test_what_is_parked_comes_back_from_a_snapshot() -> None:
    for commands in ((park(),), (park(), confirm("bob")), (park(), lapse())):
        _, state = told(*commands)
        assert decoded(encoded(state), Parked) == state
