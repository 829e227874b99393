"""SIGSTOP: a process that is there and does nothing is killed and started again by the supervisor; a leader that wakes up does no harm."""

import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from reserve.client import Client, ProblemAnswer
from services.registry import PROCESSES
from tests.faults.ground import MORE, Ground
from tests.faults.load import PAUSE_S, all_are_ready
from tests.faults.second import client_at, second_of, sessions_of, suspended
from tests.waiting import until

pytestmark = pytest.mark.long


@pytest.mark.parametrize("victim", [*PROCESSES, "postgres", "kafka"])
async def test_what_hangs_is_started_again(ground: Ground, victim: str) -> None:
    world = ground.world
    async with ground.under_load(f"SIGSTOP of {victim}") as load:
        hung = world.running.endpoints.pids[victim]
        stop_all_of(hung)
        load.pauses()

        async def runs_again() -> bool:
            return world.running.endpoints.pids.get(victim, hung) != hung

        await until(runs_again)


def stop_all_of(pid: int) -> None:
    """A process and what it has started: PostgreSQL is many."""
    process = psutil.Process(pid)
    for each in (process, *process.children(recursive=True)):
        os.kill(each.pid, signal.SIGSTOP)


LEADS_OF_A_SERVICE = 3  # relay, inbox, timers; the ledger's log besides


@pytest.mark.parametrize("name", ["inventory", "loans", "ledger"])
async def test_a_leader_that_wakes_up_when_another_leads_does_no_harm(ground: Ground, tmp_path: Path, name: str) -> None:
    """It is stopped in mid-work, loses its locks, and does not know it. Here nobody kills it: the supervisor is stopped as well."""
    world = ground.world
    await all_are_ready(world)
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(second_of(world, name, tmp_path))
        urls = {**world.running.endpoints.services, name: second.url}
        ledger = await stack.enter_async_context(client_at(world, urls["ledger"], "operator-1"))
        sessions = await stack.enter_async_context(sessions_of(world))
        drawer = ground.drawers[0]
        drawer.at = await stack.enter_async_context(client_at(world, urls["inventory"], f"partner-{drawer.partner.lower()}"))
        stack.callback(setattr, drawer, "at", None)
        first = world.running.endpoints.pids[name]

        async def all_is_led() -> bool:
            """By the two together: on a machine that is short of processors, either may lose a lead to the other at any time."""
            return await sessions.leads(first) + await sessions.leads(second.pid) >= LEADS_OF_A_SERVICE

        async def another_leads() -> bool:
            return await sessions.leads(first) == 0 and await sessions.leads(second.pid) >= LEADS_OF_A_SERVICE

        await until(all_is_led)
        async with ground.under_load(f"SIGSTOP of a leading {name}, SIGCONT when another leads") as load:
            with suspended(world.running.pid), suspended(first):
                load.pauses()
                await until(another_leads)
                load.pauses(PAUSE_S)
                await drawer.has(len(drawer.answers) + MORE)
            await drawer.has(len(drawer.answers) + MORE)
            place = list(drawer.answers.values())[-1]["place"]
            # Only now: a ledger that is stopped while it writes a tile keeps others from the tiles until it goes on, or is killed.
            await until(partial(has_a_receipt, ledger, place))
            await until(all_is_led)


async def has_a_receipt(ledger: Client, place: str) -> bool:
    try:
        return bool((await ledger.request("GET", f"/v1/receipts/{place}", query={"wait": 10})).text)
    except ProblemAnswer as problem:
        assert problem.code == "receipt_not_ready"
        return False
