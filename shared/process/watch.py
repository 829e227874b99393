"""Watch: how a service stands, looked at every few seconds from outside the parts that do the work: a relay that hangs cannot say so."""

import asyncio
import shutil
from contextlib import suppress

from shared.clock import day_of
from shared.delivery.broker import BrokerUnreachable
from shared.journal.connection import briefly
from shared.journal.messages import topic_of
from shared.journal.protocol import Unreachable
from shared.observe import metrics
from shared.process.service import Kernel
from shared.writer.commands import CommandFailed, CommandTooLarge, Refusal

LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 5.0  # an engine that says nothing for so long is away

_SHARDS = "SELECT shard, heads.position, heads.position - relay_cursors.position AS lag FROM heads JOIN relay_cursors USING (shard)"
_LINES = "SELECT source, shard, position FROM inbox_cursors"
_PARKED = "SELECT source, count(*) AS events FROM parked GROUP BY source"
_OVERDUE = "SELECT count(*) FROM timers WHERE due <= $1 AND (at IS NULL OR at <= $2)"


async def watch(kernel: Kernel) -> None:
    """Looks for as long as the service serves."""
    _begin_counters(kernel)
    while True:
        look_at_process(kernel)
        await asyncio.gather(look_at_database(kernel), look_at_kafka(kernel))
        await asyncio.sleep(LOOK_SECONDS)


def _begin_counters(kernel: Kernel) -> None:
    """At zero: of a counter that begins with 1 no increase is seen."""
    for source in kernel.inbox.subscriptions:
        metrics.set_aside.labels(kernel.service.name, source)
    for failure in (CommandFailed, CommandTooLarge):
        metrics.commands.labels(kernel.service.name, failure.__name__)
    metrics.timers_fired.labels(kernel.service.name)


def look_at_process(kernel: Kernel) -> None:
    """What is in memory, and the disk below the data folder."""
    name, writer, inbox = kernel.service.name, kernel.writer, kernel.inbox
    for shard, (waiting, oldest_seconds) in writer.waiting().items():
        metrics.queued_commands.labels(name, shard).set(waiting)
        metrics.oldest_command_seconds.labels(name, shard).set(oldest_seconds)
    for reason in Refusal:
        metrics.writes_refused.labels(name, reason).set(reason in writer.refusals)
    metrics.leading.labels(name, "relay").set(kernel.relay.leading)
    if inbox.subscriptions:
        metrics.leading.labels(name, "inbox").set(inbox.leading)
    for line in inbox.lines.values():
        labels = (name, line.source, line.shard)
        stopped = inbox.leading and line.stopped is not None
        metrics.inbox_stopped.labels(*labels).set(stopped)
        metrics.fork_detected.labels(*labels).set(stopped and line.forked)
        metrics.inbox_heard.labels(*labels).set(line.heard_at)
    with suppress(OSError):
        disk = shutil.disk_usage(kernel.settings.data_dir)
        metrics.data_free_bytes.labels(name).set(disk.free)
        metrics.data_size_bytes.labels(name).set(disk.total)


async def look_at_database(kernel: Kernel) -> None:
    """What the tables say, whichever process wrote them."""
    name = kernel.service.name
    now = kernel.clock.now()
    today = day_of(now, kernel.settings.zone)
    try:
        async with briefly(kernel.pool, PATIENCE_SECONDS) as connection:
            shards = await connection.fetch(_SHARDS)
            lines = await connection.fetch(_LINES)
            parked = await connection.fetch(_PARKED)
            overdue = await connection.fetchval(_OVERDUE, today, now)
    except Unreachable:
        metrics.database_up.labels(name).set(0)
        return
    metrics.database_up.labels(name).set(1)
    for shard, position, lag in shards:
        metrics.journal_position.labels(name, shard).set(position)
        metrics.relay_lag.labels(name, shard).set(lag)
    for source, shard, position in lines:
        metrics.inbox_position.labels(name, source, shard).set(position)
    events = {row["source"]: row["events"] for row in parked}
    for source in kernel.inbox.subscriptions:
        metrics.parked.labels(name, source).set(events.get(source, 0))
    metrics.timers_overdue.labels(name).set(overdue)


async def look_at_kafka(kernel: Kernel) -> None:
    name = kernel.service.name
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await kernel.broker.partitions(topic_of(name))
    except (BrokerUnreachable, TimeoutError):
        metrics.kafka_up.labels(name).set(0)
    else:
        metrics.kafka_up.labels(name).set(1)
