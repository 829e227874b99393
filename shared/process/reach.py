"""Reach: a service looks whether the log takes what it records, and says so in its journal where it does not."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
import structlog

from shared.clock import day_of
from shared.delivery.sources import Unanswered
from shared.journal.connection import reachable
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel
from shared.terms.reach import KIND, STREAM, ReportReach
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

LOOK_SECONDS = 5.0
LATE_SECONDS = 30.0  # half of what an audit allows clocks to differ by: it is said before an event is late


class _Recorded(msgspec.Struct, frozen=True):
    position: int


class Watched:
    """What is known of it. `taken`: of each shard, how far the log has it for sure."""

    def __init__(self, kernel: Kernel, taken: Mapping[int, int]) -> None:
        self.kernel = kernel
        self.taken = dict(taken)
        self.since: datetime | None = None  # as of the last look

    async def look(self, *, first: bool = False) -> None:
        """Says it where it has changed. Two looks in a row must find the same event: a clock that is put forward makes everything old."""
        answered = not first and await self._ask()
        kernel = self.kernel
        heads = {shard: head.position for shard, (head, _) in (await kernel.journal.heads()).items()}
        after = {shard: min(head, self.taken.get(shard, 0)) for shard, head in heads.items()}
        lacking = [shard for shard, head in heads.items() if after[shard] < head]
        since = min([await self._recorded_at(shard, after[shard] + 1) for shard in lacking], default=None)
        before, self.since = self.since, since
        late = since is not None and kernel.clock.now() - since > timedelta(seconds=LATE_SECONDS)
        if late and not first and since != before:
            return
        shown = {str(shard): position for shard, position in heads.items()}
        if late:
            said = ReportReach(reached=False, heads=shown, since=since, after={str(shard): position for shard, position in after.items()})
        else:
            said = ReportReach(reached=True, heads=shown)
        state, version = await kernel.writer.state(STREAM)
        if state.reached is None or (state.reached != said.reached and (late or answered)):
            await self._say(said, version)

    async def _ask(self) -> bool:
        """Whether the log answers how far it has each shard."""
        recorder = self.kernel.service.recorded_by
        assert recorder is not None, "asked only where there is one"
        try:
            answer = await self.kernel.sources.get(recorder, "/v1/sources")
        except Unanswered as error:
            log.info("log_not_asked", error=str(error))
            return False
        for line, recorded in msgspec.json.decode(answer or b"{}", type=dict[str, _Recorded]).items():
            source, _, shard = line.partition("/")
            if source == self.kernel.service.name:
                self.taken[int(shard)] = recorded.position
        return True

    async def _recorded_at(self, shard: int, position: int) -> datetime:
        [record] = await self.kernel.journal.read(shard, after=position - 1, limit=1)
        return datetime.fromisoformat(record.recorded_at)

    async def _say(self, said: ReportReach, version: int) -> None:
        kernel = self.kernel
        log.warning("log_reach_reported", reached=said.reached, since=said.since)
        context = Context(
            command_id=sha256(f"{STREAM}/{version}".encode()).digest(),  # of several processes one says it
            actor=f"service:{kernel.service.name}",
            correlation_id=secrets.token_hex(16),
            causation_id=STREAM,
            effective_on=day_of(kernel.clock.now(), kernel.settings.zone).isoformat(),
        )
        await kernel.writer.submit(STREAM, said, context)


def reports_reach(kernel: Kernel) -> bool:
    return kernel.settings.require_ledger_at_start and KIND in kernel.writer.deciders


async def say_what_was_not_sent(kernel: Kernel) -> Watched:
    """Before the relay sends anything: what a process that was killed had recorded and not sent."""
    with reachable():
        rows = await kernel.pool.fetch("SELECT shard, position FROM relay_cursors")
    watched = Watched(kernel, {row["shard"]: row["position"] for row in rows})
    await _unless_it_cannot(watched, first=True)
    return watched


async def watch_reach(watched: Watched) -> None:
    """For as long as the service serves."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await _unless_it_cannot(watched)


async def _unless_it_cannot(watched: Watched, *, first: bool = False) -> None:
    try:
        await watched.look(first=first)
    except (Unreachable, Unavailable, Overloaded, CommandFailed) as error:
        log.info("log_reach_not_looked_at", error=repr(error))
