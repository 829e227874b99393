"""Watch: what one person, or two, have done at once, and nobody has signed or ratified in time; looked at every few seconds."""

import asyncio

import structlog
from prometheus_client import Gauge

from shared.clock import day_of
from shared.journal.connection import briefly
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel

log = structlog.get_logger()

LOOK_SECONDS = 5.0

overdue = Gauge("reserve_inventory_unsigned_overdue", "Differences that are not signed for, and moves not ratified, in time", ["kind"])

_OVERDUE = """
    SELECT 'difference' AS kind, count(*) AS overdue FROM differences WHERE settled_on IS NULL AND sign_by < $1
    UNION ALL SELECT 'move', count(*) FROM moves WHERE ratified_by IS NULL AND ratify_by < $2"""


async def watch_unsigned(kernel: Kernel) -> None:
    """Looks for as long as inventory serves."""
    while True:
        try:
            await _look(kernel)
        except Unreachable as error:
            log.info("unsigned_not_looked_at", error=repr(error))
        await asyncio.sleep(LOOK_SECONDS)


async def _look(kernel: Kernel) -> None:
    now = kernel.clock.now()
    async with briefly(kernel.pool, LOOK_SECONDS) as connection:
        rows = await connection.fetch(_OVERDUE, day_of(now, kernel.settings.zone), now)
    for row in rows:
        overdue.labels(row["kind"]).set(row["overdue"])
