"""Clock to delivery: from a request's submission to the day that the consignee has the whole of what was awarded.

Each milestone has a limit, counted in days from the submission by the request's class; a pause moves what is not reached yet. The clock
is told what happens, mostly by inventory and in whatever order news arrives, and says by itself that a limit is near or has passed.
A milestone is reached when the whole award got there: what lapsed, was cancelled or came back counts no longer.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, assert_never

import msgspec

from services.allocation.domain.clocks.state import MILESTONES, STEPS_OF_DRAWS, Clock, evolve, open_milestones, reached_g, says_on, standing
from services.allocation.events import DecisionHash, PartnerCode, ProductId, RequestId, SubjectId
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
    ClockStep,
    ClockWarned,
    EndCause,
    LossCause,
    Milestone,
    Progress,
    Standing,
)
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.texts import TypedText
from shared.terms.protecting import LAPSES_AFTER, ByOne, begins, day_of_lapse

_UNTOLD = Standing(next=None, limit_on=None, breached=False, check_on=None)


# Commands. All but the operator's three are total: what has happened cannot be refused.


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    request: RequestId
    product: ProductId
    partner: PartnerCode
    on: date  # the day that it counts for


class StartClock(_Told, frozen=True, kw_only=True, tag=True):
    """The request is accepted, on the day `on`."""

    clock: str
    submitted_on: date
    limits_days: dict[Milestone, int]
    warn_days: int
    loan: bool


class AdvanceClock(_Told, frozen=True, kw_only=True, tag=True):
    """`of`: the award or the draw that has come a step on. One more telling of a step brings nothing on."""

    step: ClockStep
    of: str
    decision: DecisionHash | None = None
    mass_g: int


class SetClockBack(_Told, frozen=True, kw_only=True, tag=True):
    cause: LossCause
    of: str
    mass_g: int  # of an award that is withdrawn: all of it, whatever this says


class EndClock(_Told, frozen=True, kw_only=True, tag=True):
    cause: EndCause


class CheckClock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the clock's timer. `on`: the day that the timer was due, so today or an earlier one."""

    on: date


class PauseClock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The reserve waits for someone else. `since`: the first day that does not count."""

    reason: TypedText
    since: date
    by: ByOne | None = None  # None: it does not lapse
    on: date


class ConfirmPause(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By a second person: it goes on until somebody resumes the clock."""

    by: SubjectId
    accounts: frozenset[str]


class LapsePause(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time what was to lapse then. Total."""

    lapses_at: datetime


class ResumeClock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    on: date


type Command = StartClock | AdvanceClock | SetClockBack | EndClock | CheckClock | PauseClock | ConfirmPause | LapsePause | ResumeClock


class Reason(Reasons):
    """Why an operator cannot pause or resume a clock."""

    NOT_RUNNING = "clock_not_running", 409, "No clock of the request is running"
    PAUSED = "clock_paused", 409, "The clock is paused already"
    NOT_PAUSED = "clock_not_paused", 409, "The clock is not paused"
    CONFIRMED = "clock_pause_stands_already", 409, "The pause needs no confirmation"
    OWN = "clock_pause_confirmed_by_same_person", 403, "A pause is confirmed by a second person"
    RENEWED = "clock_pause_renewed_by_same_person", 403, "A pause that lapsed is not renewed by the same person"
    PAUSE_INVALID = "clock_pause_invalid", 422, "The clock was not running at that time"


def decide(command: Command, clock: Clock) -> list[ClockEvent] | Refused[Reason]:
    match command:
        case StartClock():
            return _start(command, clock)
        case AdvanceClock():
            return _advance(command, clock)
        case SetClockBack():
            return _set_back(command, clock)
        case EndClock():
            if clock.request is None or clock.ended or "delivered" in clock.reached:
                return []
            return [_stand(clock, ClockEnded(**_named(clock), cause=command.cause))]
        case CheckClock():
            return _check(clock, command.on)
        case PauseClock():
            return _pause(command, clock)
        case ConfirmPause():
            return _confirm(command, clock)
        case LapsePause():
            if clock.ended or clock.pause is None or clock.pause.lapses_at != command.lapses_at:
                return []
            return _resumed(clock, day_of_lapse(command.lapses_at))
        case ResumeClock():
            return _resume(command, clock)
        case _:
            assert_never(command)


def clock_timers(event: ClockEvent) -> Sequence[Timer | CancelTimer]:
    """When it next has something to say, and when a pause ends that nobody has confirmed."""
    due = event.now.check_on
    check = CancelTimer("check") if due is None else Timer("check", due, CheckClock(on=due))
    match event:
        case ClockPaused(lapses_at=datetime() as at):
            return [check, Timer.at_instant("pause", at, LapsePause(lapses_at=at))]
        case ClockPauseConfirmed() | ClockResumed():
            return [check, CancelTimer("pause")]
        case _:
            return [check]


def _start(command: StartClock, clock: Clock) -> list[ClockEvent]:
    if clock.ended or (clock.clock, clock.loan) == (command.clock, command.loan):
        return []  # accepted once more, and under the same clock
    paused = timedelta(days=clock.paused_days)
    started = ClockStarted(
        request=command.request,
        product=command.product,
        partner=command.partner,
        clock=command.clock,
        submitted_on=command.submitted_on,
        screened_on=clock.reached.get("screened", command.on),
        limits={each: command.submitted_on + timedelta(days=command.limits_days[each]) + paused for each in MILESTONES},
        warn_days=command.warn_days,
        loan=command.loan,
        now=_UNTOLD,
    )
    return [_stand(clock, started)]


def _advance(command: AdvanceClock, clock: Clock) -> list[ClockEvent]:
    match command.step:
        case "awarded":  # news of the release may have come before
            told = clock.released or (clock.award_g, clock.decision) == (command.mass_g, command.decision)
        case "released":
            told = clock.released
        case "gate_opened":
            told = clock.gate_opened_for == command.decision
        case _:  # a draw of what is no request's is nobody's here
            drawn = clock.draws.get(command.of)
            told = not clock.released or (drawn is not None and drawn.step >= STEPS_OF_DRAWS[command.step])
    if told or clock.ended:
        return []
    advanced = ClockAdvanced(
        request=command.request,
        product=command.product,
        partner=command.partner,
        step=command.step,
        of=command.of,
        decision=command.decision,
        mass_g=command.mass_g,
        on=command.on,
        progress=(),
        now=_UNTOLD,
    )
    return [_stand(clock, advanced)]


def _set_back(command: SetClockBack, clock: Clock) -> list[ClockEvent]:
    withdrawn = command.cause == "award_withdrawn"
    if clock.request is None or clock.ended or not clock.of_g or withdrawn == clock.released:
        return []
    set_back = ClockSetBack(
        **_named(clock),
        cause=command.cause,
        of=command.of,
        mass_g=clock.award_g if withdrawn else command.mass_g,
        on=command.on,
        progress=(),
    )
    after = evolve(clock, set_back)
    events: list[ClockEvent] = [_stand(clock, set_back)]
    if not withdrawn and not after.of_g:
        events.append(_stand(after, ClockEnded(**_named(clock), cause="nothing_left")))
    return events


def _check(clock: Clock, on: date) -> list[ClockEvent]:
    events: list[ClockEvent] = []
    if not clock.running or clock.paused_since is not None:
        return events
    for milestone in open_milestones(clock):
        if milestone in clock.breached or on < says_on(clock, milestone):
            continue
        limit_on = clock.limits[milestone]
        told = ClockBreached if on > limit_on else ClockWarned
        event = _stand(clock, told(**_named(clock), milestone=milestone, limit_on=limit_on, on=on))
        clock = evolve(clock, event)
        events.append(event)
    return events


def _pause(command: PauseClock, clock: Clock) -> list[ClockEvent] | Refused[Reason]:
    if not clock.running:
        return Refused(Reason.NOT_RUNNING, "the request has no clock that runs")
    if clock.paused_since is not None:
        return Refused(Reason.PAUSED, f"it is paused since {clock.paused_since}")
    lapses = begins(clock.words, command.by, Reason.RENEWED)
    if isinstance(lapses, Refused):
        return lapses
    earliest = max(clock.submitted_on, clock.resumed_on, command.on - LAPSES_AFTER)  # no more of the past than of what is to come
    if not earliest <= command.since <= command.on:
        return Refused(Reason.PAUSE_INVALID, "it was not running then", field="/since", accepted=f"{earliest} to {command.on}")
    by = None if command.by is None else SubjectId(command.by.by)
    return [_stand(clock, ClockPaused(**_named(clock), reason=command.reason, on=command.since, paused_by=by, lapses_at=lapses))]


def _confirm(command: ConfirmPause, clock: Clock) -> list[ClockEvent] | Refused[Reason]:
    if clock.ended or clock.paused_since is None:
        return Refused(Reason.NOT_PAUSED, "it is not paused")
    if clock.pause is None:
        return Refused(Reason.CONFIRMED, "the pause needs nobody's confirmation")
    if clock.pause.by in command.accounts:
        return Refused(Reason.OWN, "it is paused by the same person", accepted="a second person")
    return [_stand(clock, ClockPauseConfirmed(**_named(clock), confirmed_by=command.by))]


def _resume(command: ResumeClock, clock: Clock) -> list[ClockEvent] | Refused[Reason]:
    if not clock.running:
        return Refused(Reason.NOT_RUNNING, "the request has no clock that runs")
    if clock.paused_since is None:
        return Refused(Reason.NOT_PAUSED, "it is not paused")
    return _resumed(clock, command.on)


def _resumed(clock: Clock, on: date) -> list[ClockEvent]:
    since = clock.paused_since or on
    days = max((on - since).days, 0)
    limits = {milestone: clock.limits[milestone] + timedelta(days=days) for milestone in open_milestones(clock)}
    resumed: ClockEvent = _stand(clock, ClockResumed(**_named(clock), on=on, days=days, limits=limits))
    # A timer may have fired meanwhile, and said nothing.
    return [resumed, *_check(evolve(clock, resumed), on)]


def _stand[E: ClockEvent](clock: Clock, event: E) -> E:
    """The event with what it comes to."""
    after = evolve(clock, event)
    told: dict[str, Any] = {"now": standing(after)}
    if isinstance(event, ClockAdvanced | ClockSetBack):
        told["progress"] = tuple(
            Progress(
                milestone=milestone,
                reached_g=now_g,
                of_g=after.of_g,
                reached_on=after.reached.get(milestone),
                limit_on=after.limits.get(milestone),
            )
            for milestone in MILESTONES[1:]
            if (now_g := reached_g(after, milestone)) != reached_g(clock, milestone)
            or after.reached.get(milestone) != clock.reached.get(milestone)
            or isinstance(event, ClockSetBack)
        )
    return msgspec.structs.replace(event, **told)


def _named(clock: Clock) -> dict[str, Any]:
    assert clock.request is not None, "only a clock that was told of something gets here"
    return {"request": clock.request, "product": clock.product, "partner": clock.partner, "now": _UNTOLD}


DECIDER = Decider(kind="clock", initial=Clock(), commands=Command, decide=decide, evolve=evolve, timers=clock_timers)
