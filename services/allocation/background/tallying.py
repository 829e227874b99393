"""Tallying: at the end of each day of the Reserve's, what the ledger's log holds of each partner is recorded as an event of that partner's:
a leaf that opens to it alone, by which it knows that it has been sent all. Days that were missed are made up for, each of them.
"""

import asyncio
from datetime import date, datetime, timedelta
from hashlib import sha256

import msgspec
import structlog

from services.allocation.domain.partners.tally import STREAM, HeldInLog, TallyDays
from services.allocation.events import PartnerCode
from services.allocation.events.reach import LineTally
from shared.clock import day_of
from shared.delivery.sources import Unanswered
from shared.journal.connection import reachable
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

LOOK_SECONDS = 1.0
FAILED_SECONDS = 5.0
ENDED_FOR = timedelta(minutes=2)  # twice as long as an audit allows clocks to differ: what was signed on the day is in it
AT_ONCE = timedelta(days=31)

_PARTNERS = """
    SELECT partners.partner, events.recorded_at
    FROM partners JOIN events ON events.stream = 'partner/' || partners.partner AND events.version = 1"""


class _Answer(msgspec.Struct, frozen=True):
    size: int
    lines: dict[str, LineTally]


async def tally_days(kernel: Kernel) -> None:
    """The service's task, where there is a ledger. Several processes may do it at once: days that one has tallied, the others' commands
    tally no more."""
    if kernel.service.recorded_by not in kernel.sources.urls:
        return
    done: date | None = None  # up to this day, as far as it is known
    while True:
        try:
            ended = day_of(kernel.clock.now() - ENDED_FOR, kernel.settings.zone) - timedelta(days=1)
            if done is None or done < ended:
                done = await _tally(kernel, ended)
            await asyncio.sleep(LOOK_SECONDS)
        except (Unreachable, Unavailable, Overloaded, Unanswered) as error:
            log.info("tally_waits", error=repr(error))
            await asyncio.sleep(FAILED_SECONDS)
        except CommandFailed:
            log.exception("tally_failed")
            await asyncio.sleep(FAILED_SECONDS)


async def _tally(kernel: Kernel, ended: date) -> date:
    """The days up to this one that were not tallied yet, of those who were partners then; none before the first that was. Gives up to
    which day nothing is left to do."""
    last: date | None = (await kernel.writer.state(STREAM))[0].day
    if last is not None and ended <= last:
        return last
    with reachable():
        rows = await kernel.pool.fetch(_PARTNERS)
    held = {
        PartnerCode(row["partner"]): await _held(kernel, row["partner"], row["recorded_at"])
        for row in rows
        if day_of(row["recorded_at"], kernel.settings.zone) <= ended
    }
    until = ended if last is None else min(ended, last + AT_ONCE)
    if held:
        command_id = sha256(f"{STREAM}/{until}".encode()).digest()  # of several processes one says it
        context = Context(
            command_id=command_id,
            actor=f"service:{kernel.service.name}",
            correlation_id=command_id[:16].hex(),
            causation_id=STREAM,
            effective_on=until.isoformat(),
        )
        await kernel.writer.submit(STREAM, TallyDays(until=until, held=held), context)
    return until


async def _held(kernel: Kernel, partner: str, registered_at: datetime) -> HeldInLog:
    """Raises Unanswered."""
    recorder = kernel.service.recorded_by
    assert recorder is not None, "allocation's events are recorded by the ledger"
    content = await kernel.sources.get(recorder, "/v1/feed/tally", partner=partner)
    try:
        answer = msgspec.json.decode(content or b"", type=_Answer)
    except msgspec.DecodeError as error:
        raise Unanswered(f"{recorder} answers with no tally: {error!r}") from error
    return HeldInLog(since=day_of(registered_at, kernel.settings.zone), size=answer.size, lines=answer.lines)
