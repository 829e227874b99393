"""SIGSTOP: a process that is there and does nothing. The supervisor notices, kills it and starts it again; a leader that wakes up does no harm."""

import os
import signal

import psutil
import pytest
from ground import Ground
from running import eventually

UP_AGAIN_WITHIN_S = 180.0
PAUSE_S = 0.05  # of each client: draws that a hang does not touch go on for as long as the supervisor takes to notice it

pytestmark = pytest.mark.long


@pytest.mark.parametrize("victim", ["inventory", "allocation", "ledger", "gateway", "identity", "postgres", "kafka"])
async def test_what_hangs_is_started_again(ground: Ground, victim: str) -> None:
    world = ground.world
    async with ground.under_load(f"SIGSTOP of {victim}", PAUSE_S):
        hung = world.running.endpoints.pids[victim]
        stop_all_of(hung)

        async def runs_again() -> bool:
            return world.running.endpoints.pids.get(victim, hung) != hung

        await eventually(runs_again, UP_AGAIN_WITHIN_S)


def stop_all_of(pid: int) -> None:
    """A process and what it has started: PostgreSQL is many."""
    process = psutil.Process(pid)
    for each in (process, *process.children(recursive=True)):
        os.kill(each.pid, signal.SIGSTOP)
