"""Timers: commands that events have set for a later day, or instant. One process fires them; a timer's command id makes a repeat harmless.

Once a day the same process forgets the refusals of old.
"""

import asyncio
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog

from shared.clock import Clock, day_of, written
from shared.journal.decider import Refused
from shared.journal.protocol import Journal, TimerRow, TimersLead, Unreachable
from shared.observe import metrics
from shared.writer.commands import CommandFailed, Context, Overloaded, Unavailable
from shared.writer.writer import Writer

log = structlog.get_logger()

POLL_SECONDS = 1.0
REFUSALS_KEPT = timedelta(days=90)  # accepted outcomes are kept for ever


class Timers:
    def __init__(self, journal: Journal, writer: Writer, clock: Clock, zone: ZoneInfo) -> None:
        self.journal = journal
        self.writer = writer
        self.clock = clock
        self.zone = zone

    async def run(self) -> None:
        while True:
            try:
                async with self.journal.lead("timers") as lead:
                    if lead is not None:
                        await self._fire_for_ever(lead)
            except (Unavailable, Overloaded, Unreachable) as error:
                log.warning("timers_restart", error=repr(error))
            await asyncio.sleep(POLL_SECONDS)

    async def _fire_for_ever(self, lead: TimersLead) -> None:
        tidied: date | None = None
        while True:
            now = self.clock.now()
            today = day_of(now, self.zone)
            if today != tidied:
                await lead.forget_refusals(now - REFUSALS_KEPT)
                tidied = today
            due = await lead.due(today, now)
            for timer in due:
                await self.fire(lead, timer)
            if not due:
                await asyncio.sleep(POLL_SECONDS)

    async def fire(self, lead: TimersLead, timer: TimerRow) -> None:
        """Submits the timer's command, and forgets the timer once it is settled."""
        name = f"timer/{timer.stream}/{timer.name}/{timer.due}"
        if timer.version is not None:  # one that has fired may be set to the same day again: it is another command
            name += f"/{timer.version}"
        elif timer.at is not None:
            name += f"/{written(timer.at)}"
        try:
            command: Any = msgspec.json.decode(timer.command, type=self.writer.decider_of(timer.stream).commands)
        except (msgspec.DecodeError, KeyError):
            log.exception("timer_unreadable", timer=name)  # another build set it: it stays due for one that knows its command
            await asyncio.sleep(POLL_SECONDS)
            return
        command_id = sha256(name.encode()).digest()
        context = Context(
            command_id=command_id,
            actor=f"service:{self.journal.service}",
            correlation_id=command_id[:16].hex(),
            causation_id=name,
            effective_on=(timer.due if timer.at is None else day_of(timer.at, self.zone)).isoformat(),
        )
        try:
            answer = await self.writer.submit(timer.stream, command, context)
        except CommandFailed:
            log.exception("timer_failed", timer=name)  # stays due, and is tried again; the log and the metric tell
            await asyncio.sleep(POLL_SECONDS)
            return
        if isinstance(answer, Refused):
            log.error("timer_refused", timer=name, code=answer.code)  # a bug: such commands are total
            await asyncio.sleep(POLL_SECONDS)
            return
        await lead.forget(timer)
        metrics.timers_fired.labels(self.journal.service).inc()
