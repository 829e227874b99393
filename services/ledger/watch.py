"""Watch: how far the log is signed, and whether an account stands below zero; looked at every few seconds beside the work itself."""

import asyncio

import structlog
from prometheus_client import Gauge

from services.ledger.log import Log
from shared.journal.connection import briefly
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel

log = structlog.get_logger()

LOOK_SECONDS = 5.0

leaves = Gauge("reserve_ledger_leaves", "Leaves recorded, signed or not")
checkpoint_time = Gauge("reserve_ledger_checkpoint_timestamp_seconds", "When the last checkpoint was signed")
unsigned_seconds = Gauge("reserve_ledger_unsigned_seconds", "How old the oldest event is that no checkpoint covers; 0: all are covered")
overdrawn_accounts = Gauge("reserve_ledger_overdrawn_accounts", "Accounts that stand below zero now")

_LOG = """
    WITH last AS (SELECT size, signed_at FROM checkpoints ORDER BY size DESC LIMIT 1)
    SELECT log_head.size AS leaves, signed_at, recorded_at AS unsigned_since
    FROM log_head LEFT JOIN last ON true LEFT JOIN entries ON leaf_index = coalesce(last.size, 0)"""
_OVERDRAWN = """
    SELECT count(*) FROM balances WHERE posted_g + least(0, pending_g) < 0
    AND id IN (SELECT side || '/' || asset || '/' || account FROM flags)"""  # whatever goes below zero is flagged first


async def watch_log(kernel: Kernel) -> None:
    """Looks for as long as the ledger serves."""
    while True:
        try:
            await _look(kernel)
        except Unreachable as error:
            log.info("log_not_looked_at", error=repr(error))
        await asyncio.sleep(LOOK_SECONDS)


async def _look(kernel: Kernel) -> None:
    async with briefly(kernel.pool, LOOK_SECONDS) as connection:
        row = await connection.fetchrow(_LOG)
        overdrawn_accounts.set(await connection.fetchval(_OVERDRAWN))
    assert row is not None, "the log has a head"
    leaves.set(row["leaves"] - (await kernel.part(Log).logs()).shift)
    if row["signed_at"] is not None:
        checkpoint_time.set(row["signed_at"].timestamp())
    since = row["unsigned_since"]
    unsigned_seconds.set(0 if since is None else max(0.0, (kernel.clock.now() - since).total_seconds()))
