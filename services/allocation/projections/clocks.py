"""Read tables of clocks, from all of a commit's events at once: a round's awards are thousands of clocks."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, assert_never

import msgspec

from services.allocation.events import (
    RequestAccepted,
    RequestDeclined,
    RequestDeclineLapsed,
    RequestExpired,
    RequestScreeningDue,
    RequestScreeningLate,
    RequestWithdrawn,
)
from services.allocation.events.clocks import (
    ClockAdvanced,
    ClockBreached,
    ClockEnded,
    ClockEvent,
    ClockPauseConfirmed,
    ClockPaused,
    ClockResumed,
    ClockSetBack,
    ClockStarted,
    ClockWarned,
    Progress,
)
from services.allocation.projections.tasks import Task, end_tasks, raise_tasks
from services.allocation.tables.clocks import NOBODY
from shared.journal.connection import Connection, as_json
from shared.journal.record import Fact

KEEP = """
    INSERT INTO clocks (request, product, partner, clock, submitted_on, limits, reached, warned, breaches, status, next, limit_on, breached,
                        paused_since, pause_reason, pause_lapses_at, pause_confirmed_by, ended)
    SELECT request, product, partner, clock, submitted_on, limits, reached, warned, breaches, coalesce(status, 'running'), next, limit_on,
           breached, paused_since, pause_reason, pause_lapses_at, pause_confirmed_by, ended
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[], $6::jsonb[], $7::jsonb[], $8::jsonb[], $9::jsonb[], $10::text[],
                $11::text[], $12::date[], $13::boolean[], $14::date[], $15::text[], $16::timestamptz[], $17::text[], $18::text[])
        AS new(request, product, partner, clock, submitted_on, limits, reached, warned, breaches, status, next, limit_on, breached,
               paused_since, pause_reason, pause_lapses_at, pause_confirmed_by, ended)
    ON CONFLICT (request) DO UPDATE SET
        clock = coalesce(excluded.clock, clocks.clock),
        submitted_on = coalesce(excluded.submitted_on, clocks.submitted_on),
        limits = clocks.limits || excluded.limits,
        reached = clocks.reached || excluded.reached,
        warned = clocks.warned || excluded.warned,
        breaches = clocks.breaches || excluded.breaches,
        next = excluded.next,
        limit_on = excluded.limit_on,
        breached = excluded.breached,
        paused_since = coalesce(excluded.paused_since, clocks.paused_since),
        pause_reason = coalesce(excluded.pause_reason, clocks.pause_reason),
        pause_lapses_at = coalesce(excluded.pause_lapses_at, clocks.pause_lapses_at),
        pause_confirmed_by = coalesce(excluded.pause_confirmed_by, clocks.pause_confirmed_by),
        ended = coalesce(excluded.ended, clocks.ended)"""
STAND = """
    UPDATE clocks SET status = new.status FROM unnest($1::text[], $2::text[]) AS new(request, status) WHERE clocks.request = new.request"""


class _Clock(msgspec.Struct):
    """What a commit changes in a clock's row. None: nothing."""

    request: str
    product: str
    partner: str
    clock: str | None = None
    submitted_on: date | None = None
    limits: dict[str, Any] = msgspec.field(default_factory=dict)
    reached: dict[str, Any] = msgspec.field(default_factory=dict)
    warned: dict[str, Any] = msgspec.field(default_factory=dict)
    breaches: dict[str, Any] = msgspec.field(default_factory=dict)
    status: str | None = None
    next: str | None = None
    limit_on: date | None = None
    breached: bool = False
    paused_since: date | None = None
    pause_reason: str | None = None
    pause_lapses_at: datetime | None = None
    pause_confirmed_by: str | None = None
    ended: str | None = None

    def take(self, event: ClockEvent) -> None:
        self.next, self.limit_on, self.breached = event.now.next, event.now.limit_on, event.now.breached
        match event:
            case ClockStarted():
                self.clock, self.submitted_on = event.clock, event.submitted_on
                self.limits.update(dict(event.limits.items()))
                self.reached["screened"] = {"on": event.screened_on, "reached_g": 0, "of_g": 0}
            case ClockAdvanced() | ClockSetBack():
                self._progress(event.progress)
            case ClockWarned():
                self.warned[event.milestone] = event.on
            case ClockBreached():
                self.breaches[event.milestone] = event.on
            case ClockPaused():
                self.status, self.paused_since, self.pause_reason = "paused", event.on, event.reason
                self.pause_lapses_at, self.pause_confirmed_by = event.lapses_at, NOBODY
            case ClockPauseConfirmed():
                self.pause_confirmed_by = event.confirmed_by
            case ClockResumed():
                self.status = "running" if event.now.next is not None else None  # all may be delivered
                self.limits.update(dict(event.limits.items()))
            case ClockEnded():
                self.status, self.ended = "ended", event.cause
            case _:
                assert_never(event)

    def _progress(self, progress: Sequence[Progress]) -> None:
        for each in progress:
            self.reached[each.milestone] = {"on": each.reached_on, "reached_g": each.reached_g, "of_g": each.of_g}
            if each.limit_on is not None:
                self.limits[each.milestone] = each.limit_on
            if each.milestone == "delivered" and each.reached_on is not None:
                self.status = "delivered"


async def project_clocks(connection: Connection, facts: Sequence[Fact]) -> None:
    clocks: dict[str, _Clock] = {}
    tasks: dict[str, Task] = {}
    done: dict[str, date | None] = {}
    for fact in facts:
        event = fact.event
        _tasks(event, date.fromisoformat(fact.record.effective_on), tasks, done)
        if not isinstance(event, ClockEvent):
            continue
        clock = clocks.setdefault(event.request, _Clock(request=event.request, product=event.product, partner=event.partner))
        clock.take(event)
    await _keep(connection, clocks)
    await raise_tasks(connection, tasks.values())
    await end_tasks(connection, done)


async def _keep(connection: Connection, clocks: dict[str, _Clock]) -> None:
    if not clocks:
        return
    rows = [msgspec.structs.astuple(clock) for clock in clocks.values()]
    columns = [[as_json(value) if isinstance(value, dict) else value for value in column] for column in zip(*rows, strict=True)]
    await connection.execute(KEEP, *columns)
    if standing := {clock.request: clock.status for clock in clocks.values() if clock.status is not None}:
        await connection.execute(STAND, list(standing), list(standing.values()))


def _tasks(event: Any, on: date, tasks: dict[str, Task], done: dict[str, date | None]) -> None:
    """What is warned of is to be done; a breach changes why. Screening is done with the acceptance, and not with the clock that it starts,
    which has a stream of its own: a rebuild may meet that before the book's. `requests.py` writes it where nothing else is in a commit."""
    match event:
        case RequestScreeningDue(request=request, screen_by=screen_by):
            tasks[screening_task(request)] = _task(event, "screened", screen_by, on, f"its limit is {screen_by}")
        case RequestScreeningLate(request=request, screen_by=screen_by):
            tasks[screening_task(request)] = _task(event, "screened", screen_by, on, f"its limit, {screen_by}, has passed")
        case RequestAccepted() | RequestDeclined() | RequestWithdrawn() | RequestExpired():
            done[screening_task(event.request)] = on
        case RequestDeclineLapsed(accepted_g=None):
            done[screening_task(event.request)] = None
        case ClockWarned(milestone=milestone, limit_on=limit_on):
            tasks[_name(event.request, milestone)] = _task(event, milestone, limit_on, on, f"its limit is {limit_on}")
        case ClockBreached(milestone=milestone, limit_on=limit_on):
            tasks[_name(event.request, milestone)] = _task(event, milestone, limit_on, on, f"its limit, {limit_on}, has passed")
        case ClockAdvanced(progress=progress) | ClockSetBack(progress=progress):
            done |= {_name(event.request, each.milestone): each.reached_on for each in progress}
        case ClockEnded():
            done |= {_name(event.request, milestone): on for milestone in ("decided", "secured", "cleared", "dispatched", "delivered")}
        case _:
            pass


def _task(
    event: RequestScreeningDue | RequestScreeningLate | ClockWarned | ClockBreached, milestone: str, limit_on: date, on: date, why: str
) -> Task:
    return Task(
        task=_name(event.request, milestone),
        kind="clock",
        about=event.request,
        partner=event.partner,
        product=event.product,
        what=f"{event.request} is to be {milestone}",
        why=why,
        due_on=limit_on,
        raised_on=on,
    )


def screening_task(request: str) -> str:
    return _name(request, "screened")


def _name(request: str, milestone: str) -> str:
    return f"clock/{request}/{milestone}"
