"""Watch: which clocks to delivery stand beyond a limit, and which tasks are overdue; looked at every few seconds."""

import asyncio

import structlog
from prometheus_client import Gauge

from services.allocation.domain.figures import CLOCKS
from shared.clock import day_of
from shared.journal.connection import briefly
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel

log = structlog.get_logger()

LOOK_SECONDS = 5.0

clocks_overdue = Gauge("reserve_allocation_clocks_overdue", "Running clocks whose next limit has passed", ["clock"])
tasks_overdue = Gauge("reserve_allocation_tasks_overdue", "Tasks that are not done, and whose day has passed", ["kind"])

_CLOCKS = "SELECT clock, count(*) AS overdue FROM clocks WHERE status = 'running' AND limit_on < $1 GROUP BY clock"
_TASKS = "SELECT kind, count(*) AS overdue FROM tasks WHERE done_on IS NULL AND due_on < $1 GROUP BY kind"


async def watch_clocks(kernel: Kernel) -> None:
    """Looks for as long as allocation serves."""
    known: tuple[set[str], set[str]] = set(CLOCKS), {"clock", "readiness"}
    while True:
        try:
            await _look(kernel, *known)
        except Unreachable as error:
            log.info("clocks_not_looked_at", error=repr(error))
        await asyncio.sleep(LOOK_SECONDS)


async def _look(kernel: Kernel, clocks: set[str], kinds: set[str]) -> None:
    """What was seen before and is not any more is told as 0."""
    today = day_of(kernel.clock.now(), kernel.settings.zone)
    async with briefly(kernel.pool, LOOK_SECONDS) as connection:
        overdue = {row["clock"]: row["overdue"] for row in await connection.fetch(_CLOCKS, today)}
        tasks = {row["kind"]: row["overdue"] for row in await connection.fetch(_TASKS, today)}
    clocks.update(overdue)
    kinds.update(tasks)
    for clock in clocks:
        clocks_overdue.labels(clock).set(overdue.get(clock, 0))
    for kind in kinds:
        tasks_overdue.labels(kind).set(tasks.get(kind, 0))
