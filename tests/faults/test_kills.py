"""kill -9 of each process and each engine under load: the system goes on by itself, and nothing is lost or doubled."""

import os
import signal

import pytest

from reserve.client import Client
from services.registry import PROCESSES
from tests.e2e.running import start
from tests.faults.ground import MORE, Ground
from tests.faults.load import UNIT_G, assert_the_ledger_has_each_once
from tests.waiting import until

PAUSE_S = 0.02  # of each client: some draw is under way whenever something is killed, and what starts again has a processor too


@pytest.mark.parametrize("victim", [*PROCESSES, "postgres", "kafka"])
async def test_what_was_acknowledged_is_there_once_after_a_kill_of(ground: Ground, victim: str) -> None:
    world = ground.world
    async with ground.under_load(f"kill -9 of {victim}", PAUSE_S) as load:
        killed = world.running.endpoints.pids[victim]
        os.kill(killed, signal.SIGKILL)
        load.pauses()

        async def runs_again() -> bool:
            return world.running.endpoints.pids.get(victim, killed) != killed

        await until(runs_again)
    await a_newcomer_is_served(ground)


async def a_newcomer_is_served(ground: Ground) -> None:
    """One without a token yet asks again for what was drawn before, by its key: it is given the same answer."""
    drawer = ground.drawers[0]
    key, first = next(iter(drawer.answers.items()))
    async with Client.of(ground.world.running.endpoints, f"partner-{drawer.partner.lower()}") as newcomer:
        again = await newcomer.post(f"/inventory/v1/releases/{drawer.release}/draws", {"mass_g": UNIT_G}, key=key)
    assert again == first


async def test_a_start_on_what_a_killed_supervisor_left_goes_on_with_it(ground: Ground) -> None:
    world = ground.world
    left = world.running.endpoints.pids
    async with ground.under_load("kill -9 of the supervisor, and a new one started", PAUSE_S) as load:
        await world.running.kill()
        await load.goes_on(MORE)  # the services go on without it
        load.pauses()
        world.running = await start(world.running.folder)
        assert world.running.endpoints.pids == left


async def test_everything_killed_at_once_comes_back(ground: Ground) -> None:
    """As when the machine loses its power, but for the disk."""
    world = ground.world
    async with ground.under_load("kill -9 of everything at once, and a new supervisor started", PAUSE_S) as load:
        pids = world.running.endpoints.pids
        await world.running.kill()
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        load.pauses()
        world.running = await start(world.running.folder)


async def test_after_all_of_it_the_ledger_has_each_draw_once(ground: Ground) -> None:
    await assert_the_ledger_has_each_once(ground.world, ground.drawers)
