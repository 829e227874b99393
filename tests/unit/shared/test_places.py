"""Places: each is written in one way, and a history's number keeps what was lost apart from what is there now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.journal.places import Began, Histories, Place, history_of_origin, parse_place

places = st.builds(
    Place,
    service=st.sampled_from(["inventory", "allocation", "ledger"]),
    shard=st.integers(0, 1023),
    position=st.integers(0, 2**53 - 1),
    history=st.integers(1, 9999),
)


@given(places)
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    assert parse_place(str(place)) == place


def test_the_first_history_is_written_as_before_there_was_another() -> None:
    assert str(Place("inventory", 0, 123)) == "inventory/0/123"
    assert str(Place("inventory", 0, 123, 2)) == "inventory~2/0/123"


@pytest.mark.parametrize(
    "text",
    ["", "inventory/0", "inventory/00/1", "inventory/0/01", "inventory~1/0/1", "inventory~02/0/1", "inventory~/0/1", "~2/0/1", "a/0/1 "],
)
def test_nothing_else_is_a_place(text: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        parse_place(text)


def test_a_line_has_one_event_at_a_position_of_the_history_that_began_there() -> None:
    histories = Histories([Began(4, "inventory", 0, 20), Began(2, "inventory", 0, 10), Began(2, "loans", 0, 1)])
    assert histories.current == 4
    assert [histories.at("inventory", 0, position) for position in (9, 10, 19, 20, 900)] == [1, 2, 2, 4, 4]
    assert histories.at("inventory", 1, 900) == 1
    assert str(histories.place("loans", 0, 5)) == "loans~2/0/5"
    lost = [Place("inventory", 0, 10), Place("inventory", 0, 9, 2), Place("inventory", 0, 20, 3)]
    assert all(map(histories.lost, lost)) and not histories.lost(Place("inventory", 0, 9))


def test_a_history_in_which_a_line_recorded_nothing_has_no_place_there() -> None:
    histories = Histories([Began(2, "inventory", 0, 10), Began(3, "inventory", 0, 10)])
    assert [histories.at("inventory", 0, position) for position in (9, 10)] == [1, 3]


@pytest.mark.parametrize(
    ("origin", "history"),
    [
        ("reserve.example/ledger/0123456789abcdef", 1),
        ("reserve.example/ledger~2/0123456789abcdef", 2),
        ("ledger~12/0123456789abcdef", 12),
        ("reserve.example/ledger~1/0123456789abcdef", 1),
        ("elsewhere.example/log", 1),
    ],
)
def test_an_origin_says_which_historys_log_it_is(origin: str, history: int) -> None:
    assert history_of_origin(origin) == history
