"""Two processes of inventory on one stockpile: what one has decided the other knows, under its next command."""

import asyncio
import os
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from reserve.client import Client, ProblemAnswer
from tests.e2e.world import World
from tests.faults.load import (
    DRAWN,
    UNIT_G,
    Drawer,
    all_are_ready,
    assert_no_line_stands_still,
    assert_nothing_is_lost_or_doubled,
    drawers_of,
)
from tests.faults.second import client_at, second_of

UNITS = 300
CLIENTS = 16
WHY = {"reason": "inquiry", "authority": "Reserve Act s 12"}


class Pair(msgspec.Struct, frozen=True):
    """`callers`, `operators`: a client of Japan's and one of an operator's, at each of the two processes."""

    world: World
    callers: tuple[Client, Client]
    operators: tuple[Client, Client]

    async def draw(self, at: int, release: str, mass_g: int, key: str) -> str:
        """The draw's id and place, or the code of its refusal."""
        try:
            drawn = await self.callers[at].post(f"/v1/releases/{release}/draws", {"mass_g": mass_g}, key=key)
        except ProblemAnswer as problem:
            return problem.code
        return f"{drawn['draw']} {drawn['place']}"


@pytest.fixture
async def pair(shaken: World, tmp_path: Path) -> AsyncIterator[Pair]:
    await all_are_ready(shaken)
    async with second_of(shaken, "inventory", tmp_path) as second, AsyncExitStack() as stack:
        urls = (shaken.running.endpoints.services["inventory"], second.url)
        callers = [await stack.enter_async_context(client_at(shaken, url, "partner-jp")) for url in urls]
        operators = [await stack.enter_async_context(client_at(shaken, url, "operator-1")) for url in urls]
        yield Pair(shaken, (callers[0], callers[1]), (operators[0], operators[1]))


async def test_both_take_draws_and_neither_draws_more_than_there_is(pair: Pair) -> None:
    product, [drawer] = await a_release(pair.world)
    drawn: list[str] = []

    async def draw_all(number: int) -> None:
        while (answer := await pair.draw(number % 2, drawer.release, UNIT_G, secrets.token_hex(8))) != "release_exceeded":
            assert answer.startswith("drw_"), answer
            drawn.append(answer)

    await asyncio.gather(*(draw_all(number) for number in range(CLIENTS)))
    assert len(set(drawn)) == len(drawn) == UNITS
    records = await pair.world.events("inventory", f"stockpile/{product}")
    assert [record["version"] for record in records] == list(range(1, len(records) + 1))
    assert sum(record["type"] == DRAWN for record in records) == UNITS
    await assert_positions_are_gapless(pair.world)
    stock = (await pair.world.operator.get(f"/inventory/v1/products/{product}"))["balances"]
    assert (stock["drawn_g"], stock["released_g"]) == (UNITS * UNIT_G, 0)
    await assert_no_line_stands_still(pair.world)


async def test_both_give_the_same_answer_to_the_same_key(pair: Pair) -> None:
    product, [drawer] = await a_release(pair.world)
    keys = [secrets.token_hex(8) for _ in range(40)]
    calls = [pair.draw(at, drawer.release, UNIT_G, key) for key in keys for at in (0, 1, 1, 0)]
    answers = await asyncio.gather(*calls)
    of_each_key = [set(answers[start : start + 4]) for start in range(0, len(answers), 4)]
    assert [distinct for distinct in of_each_key if len(distinct) > 1] == []
    recorded = Counter(record["type"] for record in await pair.world.events("inventory", f"stockpile/{product}"))
    assert recorded[DRAWN] == len(keys)
    assert await pair.draw(1, drawer.release, 2 * UNIT_G, keys[0]) == "idempotency_key_reused"


async def test_what_one_refuses_or_allows_follows_from_what_the_other_just_did(pair: Pair) -> None:
    product, [drawer] = await a_release(pair.world)
    for turn in range(5):
        here, there = turn % 2, 1 - turn % 2
        assert (await pair.draw(there, drawer.release, UNIT_G, secrets.token_hex(8))).startswith("drw_")
        hold = await pair.operators[here].post("/v1/holds", {"scope": "product", "target": product, **WHY})
        assert await pair.draw(there, drawer.release, UNIT_G, secrets.token_hex(8)) == "on_hold"
        await pair.world.post(pair.world.payer, f"/inventory/v1/holds/{hold['hold']}/confirm")  # else nobody puts it on again so soon
        await pair.world.countersigned(f"holds/{hold['hold']}/lift", {"reason": "cleared"})


async def test_when_the_one_that_leads_dies_the_other_carries_on(pair: Pair) -> None:
    """Relay, inbox and timers are led by one process; with the first gone, events still reach the ledger and come back as receipts."""
    product, drawers = await a_release(pair.world)
    drawer = drawers[0]
    first = pair.world.running.endpoints.pids["inventory"]
    os.kill(first, signal.SIGKILL)
    drawn = await pair.callers[1].post(f"/v1/releases/{drawer.release}/draws", {"mass_g": UNIT_G}, key=drawer.key(0))
    drawer.answers[drawer.key(0)] = drawn
    assert await pair.world.receipt(pair.world.operator, drawn["place"])
    await all_are_ready(pair.world)
    await assert_nothing_is_lost_or_doubled(pair.world, product, UNITS * UNIT_G, drawers)


async def a_release(world: World) -> tuple[str, list[Drawer]]:
    product = await world.registered_product(unit_g=UNIT_G)
    await world.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
    return product, await drawers_of(world, ["JP"], product, UNITS)


async def assert_positions_are_gapless(world: World) -> None:
    for shard, head in (await world.auditor.get("/inventory/v1/journal/heads")).items():
        after, positions = 0, []
        while page := (await world.auditor.get("/inventory/v1/journal", shard=int(shard), after=after))["records"]:
            positions += [record["position"] for record in page]
            after = positions[-1]
        assert positions == list(range(1, head["position"] + 1))
