"""kill -9 of each process and each engine under load: the system goes on by itself, and nothing is lost or doubled."""

import os
import signal
from collections.abc import AsyncIterator

import msgspec
import pytest
from load import (
    UNIT_G,
    Drawer,
    Load,
    all_are_ready,
    assert_no_line_stands_still,
    assert_nothing_is_lost_or_doubled,
    assert_the_ledger_has_each_once,
    drawers_of,
)
from running import eventually, start
from world import World

from services.audit.history import audit
from services.audit.live import LiveEvidence
from services.audit.report import Report
from services.client import Client
from shared.signed_note import parse_verifier_key

UNITS = 400_000
UP_AGAIN_WITHIN_S = 120.0
MORE = 10  # draws of each client: before something is killed, and after it is back


class Ground(msgspec.Struct, frozen=True):
    product: str
    drawers: list[Drawer]


@pytest.fixture(scope="module")
async def ground(shaken: World) -> AsyncIterator[Ground]:
    product = await shaken.registered_product(unit_g=UNIT_G)
    await shaken.taken_in(product, UNITS, nominal_unit_g=UNIT_G)
    yield Ground(product, await drawers_of(shaken, ["JP", "US", "EU", "AU", "JP", "US"], product, UNITS // 8))


@pytest.mark.parametrize("victim", ["inventory", "allocation", "ledger", "gateway", "identity", "postgres", "kafka"])
async def test_what_was_acknowledged_is_there_once_after_a_kill_of(shaken: World, ground: Ground, victim: str) -> None:
    async with Load(ground.drawers) as load:
        await load.goes_on(MORE)
        killed = shaken.running.endpoints.pids[victim]
        os.kill(killed, signal.SIGKILL)

        async def runs_again() -> bool:
            return shaken.running.endpoints.pids.get(victim, killed) != killed

        await eventually(runs_again, UP_AGAIN_WITHIN_S)
        await all_are_ready(shaken)
        await load.goes_on(MORE)
    await a_newcomer_is_served(shaken, ground)
    await assert_nothing_is_lost_or_doubled(shaken, ground.product, UNITS * UNIT_G, ground.drawers)


async def a_newcomer_is_served(world: World, ground: Ground) -> None:
    """One without a token yet asks again for what was drawn before, by its key: it is given the same answer."""
    drawer = ground.drawers[0]
    key, first = next(iter(drawer.answers.items()))
    async with Client.of(world.running.endpoints, f"partner-{drawer.partner.lower()}") as newcomer:
        again = await newcomer.post(f"/inventory/v1/releases/{drawer.release}/draws", {"mass_g": UNIT_G}, key=key)
    assert again == first


async def test_a_start_on_what_a_killed_supervisor_left_goes_on(shaken: World, ground: Ground) -> None:
    left = shaken.running.endpoints.pids
    async with Load(ground.drawers) as load:
        await load.goes_on(MORE)
        await shaken.running.kill()
        await load.goes_on(MORE)  # the services go on without it
        shaken.running = await start(shaken.running.folder)
        assert not set(left.values()) & set(shaken.running.endpoints.pids.values())
        await load.goes_on(MORE)
    await assert_nothing_is_lost_or_doubled(shaken, ground.product, UNITS * UNIT_G, ground.drawers)


async def test_everything_killed_at_once_comes_back(shaken: World, ground: Ground) -> None:
    """As when the machine loses its power, but for the disk."""
    async with Load(ground.drawers) as load:
        await load.goes_on(MORE)
        pids = shaken.running.endpoints.pids
        await shaken.running.kill()
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        shaken.running = await start(shaken.running.folder)
        await load.goes_on(MORE)
    await assert_nothing_is_lost_or_doubled(shaken, ground.product, UNITS * UNIT_G, ground.drawers)


async def test_after_all_of_it_the_whole_history_holds(shaken: World, ground: Ground) -> None:
    await assert_the_ledger_has_each_once(shaken, ground.drawers)
    pinned = parse_verifier_key((shaken.running.folder / "keys" / "ledger.vkey").read_text().strip())

    async def of_everything() -> Report | None:
        report = await audit(LiveEvidence(shaken.auditor), [pinned])
        return report if report.beyond == 0 else None

    report = await eventually(of_everything)
    assert report is not None
    assert {result.check: result.failures for result in report.checks if result.failed} == {}
    assert report.ok
    await assert_no_line_stands_still(shaken)
