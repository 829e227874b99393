"""Turns: the order in which what waits for a shard is decided, and how much of it one client may have waiting."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.writer.commands import Overloaded, TooManyWaiting
from shared.writer.turns import Turns


def put(turns: Turns, client: str, *names: Any) -> None:
    turns.put(client, names, len(names))


def taken(turns: Turns) -> list[Any]:
    order: list[Any] = []
    while turns.commands:
        order += turns.take()[0]
    return order


def test_who_floods_waits_behind_itself() -> None:
    turns = Turns(10_000)
    for number in range(2_000):
        put(turns, "flood", f"flood {number}")
    put(turns, "other", "other")
    assert taken(turns).index("other") <= 1


def test_a_turn_of_many_commands_lets_the_others_have_as_many() -> None:
    turns = Turns(10_000)
    for number in range(3):
        put(turns, "bulk", *[f"bulk {number}"] * 100)
    for number in range(250):
        put(turns, "alone", f"alone {number}")
    order = taken(turns)
    assert [order.index(f"bulk {number}") for number in range(3)] == [0, 200, 400]
    assert len(order) == 550


def test_who_has_one_bulk_waiting_at_a_time_lets_the_others_have_as_many() -> None:
    turns = Turns(10_000)
    for number in range(250):
        put(turns, "alone", f"alone {number}")
    order: list[Any] = []
    put(turns, "bulk", *["bulk"] * 100)
    while len(order) < 252:
        order.append(turns.take()[0][0])
        if order[-1] == "bulk":
            put(turns, "bulk", *["bulk"] * 100)
    assert [place for place, name in enumerate(order) if name == "bulk"] == [1, 102, 203]


def test_who_owes_turns_and_has_none_waiting_keeps_nobody_waiting() -> None:
    turns = Turns(10_000)
    put(turns, "bulk", *["bulk"] * 100)
    turns.take()
    for number in range(3):
        put(turns, "alone", number)
        assert turns.take() == ((number,), 1)
    put(turns, "bulk", "bulk again")
    put(turns, "other", "other")
    assert taken(turns) == ["other", "bulk again"]


def test_a_turn_is_not_torn_apart() -> None:
    turns = Turns(1_000)
    put(turns, "one", *range(100))
    put(turns, "other", "alone")
    assert turns.take() == (tuple(range(100)), 100)


def test_one_client_may_fill_half_of_the_queue_and_the_next_a_quarter() -> None:
    turns = Turns(8)
    for number in range(4):
        put(turns, "one", number)
    with pytest.raises(TooManyWaiting):
        put(turns, "one", "too many")
    put(turns, "other", 1)
    put(turns, "other", 2)
    with pytest.raises(TooManyWaiting):
        put(turns, "other", "too many")
    put(turns, "third", 1)
    assert turns.commands == 7


def test_more_than_there_is_room_for_is_refused_whole() -> None:
    turns = Turns(8)
    with pytest.raises(Overloaded) as refused:
        put(turns, "one", *range(9))
    assert type(refused.value) is Overloaded
    assert turns.commands == 0
    put(turns, "one", *range(8))
    with pytest.raises(Overloaded):
        put(turns, "other", "one more")


def test_the_services_own_work_has_no_bound_but_that_of_all() -> None:
    turns = Turns(8)
    for number in range(8):
        put(turns, "", number)
    with pytest.raises(Overloaded) as refused:
        put(turns, "", "too many")
    assert not isinstance(refused.value, TooManyWaiting)


@given(st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), st.none()), max_size=80))
def test_each_clients_own_commands_keep_their_order_and_none_is_lost(steps: list[tuple[str, int] | None]) -> None:
    turns = Turns(60)
    sent: list[tuple[str, int]] = []
    got: list[tuple[str, int]] = []
    for step in steps:
        if step is None:
            got += turns.take()[0] if turns.commands else ()
            continue
        names = [(step[0], len(sent) + number) for number in range(step[1])]
        try:
            put(turns, step[0], *names)
        except Overloaded:
            continue
        sent += names
    got += taken(turns)
    for client in "abc":
        assert [each for each in got if each[0] == client] == [each for each in sent if each[0] == client]
