"""Pace, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.delivery.pace import Pace
from tests.simulation.loop import run


def turns(between: Callable[[Pace, int], Awaitable[None]], count: int) -> list[float]:
    """When each turn of a pace of 1 s begins, with this between it and the next."""

    async def main() -> list[float]:
        pace, began = Pace(1.0), []
        for number in range(count):
            await pace.turn()
            began.append(asyncio.get_running_loop().time())
            await between(pace, number)
        return began

    return run(main)


def test_whoever_is_busy_has_a_turn_in_each_time_and_whoever_was_idle_begins_at_once() -> None:
    async def work(_pace: Pace, number: int) -> None:
        await asyncio.sleep((0.2, 0.2, 7.0, 0.2)[number])

    assert turns(work, 4) == [0.0, 1.0, 2.0, 9.0]


def test_one_turn_that_found_much_is_followed_by_a_longer_time() -> None:
    async def work(pace: Pace, number: int) -> None:
        await asyncio.sleep(0.5)
        if number == 1:
            pace.slow_down(3.0)

    assert turns(work, 4) == [0.0, 1.0, 4.5, 5.5]


def test_to_slow_down_to_less_than_the_pace_changes_nothing() -> None:
    async def work(pace: Pace, _number: int) -> None:
        pace.slow_down(0.1)

    assert turns(work, 3) == [0.0, 1.0, 2.0]
