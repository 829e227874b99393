"""Tallying: at the end of each day of the Reserve's, what the ledger's log holds of each partner is recorded as an event of that partner's:
a leaf that opens to it alone, by which it knows that it has been sent all. Days that were missed are made up for, one after the other.
"""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from hashlib import sha256

import msgspec
import structlog

from services.allocation.domain.partners.tally import STREAM, HeldInLog, TallyDay
from services.allocation.events import PartnerCode
from shared.clock import day_of
from shared.delivery.sources import Unanswered
from shared.journal.connection import reachable
from shared.journal.protocol import Unreachable
from shared.process.service import Kernel
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable

log = structlog.get_logger()

LOOK_SECONDS = 5.0
ENDED_FOR = timedelta(minutes=2)  # twice as long as an audit allows clocks to differ: what was signed on the day is in it

_PARTNERS = "SELECT partner, recorded_at FROM partners JOIN events ON stream = 'partner/' || partner AND events.version = 1"


async def tally_days(kernel: Kernel) -> None:
    """The service's task. Several processes may do it at once: a day that one has tallied, the others' commands tally no more."""
    while True:
        try:
            await _tally(kernel)
        except (Unreachable, Unavailable, Overloaded, Unanswered) as error:
            log.info("tally_waits", error=repr(error))
        except CommandFailed:
            log.exception("tally_failed")
        await asyncio.sleep(LOOK_SECONDS)


async def _tally(kernel: Kernel) -> None:
    """The days that have ended since the last one, of those who were partners then. The first is the day before this one."""
    zone = kernel.settings.zone
    ended = day_of(kernel.clock.now() - ENDED_FOR, zone) - timedelta(days=1)
    last: date | None = (await kernel.writer.state(STREAM))[0].day
    if last is not None and ended <= last:
        return
    with reachable():
        rows = await kernel.pool.fetch(_PARTNERS)
    since = {PartnerCode(row["partner"]): day_of(row["recorded_at"], zone) for row in rows}
    counted = {partner: await _counted(kernel, partner) for partner, day in since.items() if day <= ended}
    day = ended if last is None else last + timedelta(days=1)
    while counted and day <= ended:
        await _say(kernel, day, {partner: found for partner, found in counted.items() if since[partner] <= day})
        day += timedelta(days=1)


async def _counted(kernel: Kernel, partner: PartnerCode) -> HeldInLog:
    """Raises Unanswered."""
    recorder = kernel.service.recorded_by
    assert recorder is not None, "allocation's events are recorded by the ledger"
    answer = await kernel.sources.get(recorder, "/v1/feed/tally", partner=partner)
    try:
        return msgspec.json.decode(answer or b"", type=HeldInLog)
    except msgspec.DecodeError as error:
        raise Unanswered(f"{recorder} answers with no tally: {error!r}") from error


async def _say(kernel: Kernel, day: date, counted: Mapping[PartnerCode, HeldInLog]) -> None:
    command_id = sha256(f"{STREAM}/{day}".encode()).digest()  # of several processes one says it
    context = Context(
        command_id=command_id,
        actor=f"service:{kernel.service.name}",
        correlation_id=command_id[:16].hex(),
        causation_id=f"{STREAM}/{day}",
        effective_on=day.isoformat(),
    )
    await kernel.writer.submit(STREAM, TallyDay(day=day, counted=counted), context)
