"""Clock to delivery: from a request's submission to the day that the consignee has the whole of what was awarded.

Each milestone has a limit, counted in days from the submission by the request's class; a pause moves what is not reached yet. The clock
is told what happens, mostly by inventory and in whatever order news arrives, and says by itself that a limit is near or has passed.
A milestone is reached when the whole award got there: what lapsed, was cancelled or came back counts no longer.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, assert_never, get_args

import immutables
import msgspec

from services.allocation.events import DecisionHash, PartnerCode, ProductId, RequestId
from services.allocation.events.clocks import (
    ClockAdvanced,
    ClockBreached,
    ClockEnded,
    ClockEvent,
    ClockPaused,
    ClockResumed,
    ClockSetBack,
    ClockStarted,
    ClockWarned,
    EndCause,
    LossCause,
    Milestone,
    Progress,
    Standing,
    Step,
)
from shared.decider import CancelTimer, Decider, Refused, Timer

MILESTONES: tuple[Milestone, ...] = get_args(Milestone.__value__)
_OF_DRAWS: dict[str, int] = {"weighed": 1, "dispatched": 2, "delivered": 3}  # each is reached by what came so far or further
_BY_DRAWS: dict[Milestone, int] = {"cleared": 1, "dispatched": 2, "delivered": 3}
_UNTOLD = Standing(next=None, limit_on=None, breached=False, check_on=None)


# Commands. All but the operator's two are total: what has happened cannot be refused.


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

    step: Step
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

    reason: str
    since: date
    on: date


class ResumeClock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    on: date


type Command = StartClock | AdvanceClock | SetClockBack | EndClock | CheckClock | PauseClock | ResumeClock


class Reason(StrEnum):
    """Why an operator cannot pause or resume a clock."""

    NOT_RUNNING = "clock_not_running"
    PAUSED = "clock_paused"
    NOT_PAUSED = "clock_not_paused"
    PAUSE_INVALID = "clock_pause_invalid"


class Draw(msgspec.Struct, frozen=True):
    mass_g: int
    step: int  # as `_OF_DRAWS`


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    request: RequestId | None = None  # None: nothing was told yet
    product: ProductId = ProductId("")
    partner: PartnerCode = PartnerCode("")
    clock: str | None = None  # None: news of the award came before that of the acceptance, or there was no clock then
    submitted_on: date = date.min
    limits: Mapping[Milestone, date] = immutables.Map()
    warn_days: int = 0
    loan: bool = False
    decision: DecisionHash | None = None
    award_g: int = 0
    lost_g: int = 0  # of the award
    released: bool = False
    gate_opened_for: DecisionHash | None = None
    draws: immutables.Map[str, Draw] = immutables.Map()
    reached: immutables.Map[Milestone, date] = immutables.Map()
    warned: frozenset[Milestone] = frozenset()
    breached: frozenset[Milestone] = frozenset()
    checked_on: date = date.min  # the last day that it had something to say on
    paused_since: date | None = None
    resumed_on: date = date.min
    paused_days: int = 0  # before the pause that goes on
    ended: bool = False

    @property
    def of_g(self) -> int:
        return self.award_g - self.lost_g

    @property
    def running(self) -> bool:
        return self.clock is not None and not self.ended and "delivered" not in self.reached


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
        case ResumeClock():
            return _resume(command, clock)
        case _:
            assert_never(command)


def evolve(clock: Clock, event: ClockEvent) -> Clock:
    replace = msgspec.structs.replace
    if clock.request is None:
        clock = replace(clock, request=event.request, product=event.product, partner=event.partner)
    match event:
        case ClockStarted():
            started = replace(
                clock,
                clock=event.clock,
                submitted_on=event.submitted_on,
                limits=event.limits,
                warn_days=event.warn_days,
                loan=event.loan,
                reached=clock.reached.set("screened", event.screened_on),
                warned=frozenset(),
                breached=frozenset(),
            )
            return _with_reached(started, event.screened_on)
        case ClockAdvanced():
            return _with_reached(_advanced(clock, event), event.on)
        case ClockSetBack():
            return _with_reached(_lost(clock, event), event.on)
        case ClockWarned():
            return replace(clock, warned=clock.warned | {event.milestone}, checked_on=event.on)
        case ClockBreached():
            return replace(clock, breached=clock.breached | {event.milestone}, checked_on=event.on)
        case ClockPaused():
            return replace(clock, paused_since=event.on)
        case ClockResumed():
            again = {milestone for milestone, limit_on in event.limits.items() if limit_on >= event.on}
            return replace(
                clock,
                paused_since=None,
                resumed_on=event.on,
                paused_days=clock.paused_days + event.days,
                limits={**clock.limits, **event.limits},
                warned=clock.warned - again,  # of another limit it is warned once more
                breached=clock.breached - again,
            )
        case ClockEnded():
            return replace(clock, ended=True)
        case _:
            assert_never(event)


def clock_timers(event: ClockEvent) -> Sequence[Timer | CancelTimer]:
    """One timer a clock: when it next has something to say."""
    if (due := event.now.check_on) is None:
        return [CancelTimer("check")]
    return [Timer("check", due, CheckClock(on=due))]


def standing(clock: Clock) -> Standing:
    waits = clock.running and clock.paused_since is None
    following = next((milestone for milestone in MILESTONES if milestone not in clock.reached), None) if clock.running else None
    return Standing(
        next=following,
        limit_on=clock.limits.get(following) if waits and following is not None else None,
        breached=any(_is_late(clock, milestone) for milestone in MILESTONES),
        check_on=_check_on(clock) if waits else None,
    )


def _check_on(clock: Clock) -> date | None:
    """The earliest day on which a milestone that is not reached is warned of, or breached.

    A day that was looked at is over: a timer that has fired does not fire again for its day.
    """
    days = [_says_on(clock, milestone) for milestone in _open(clock) if milestone not in clock.breached]
    if not days:
        return None
    return min(days) if clock.checked_on < min(days) else clock.checked_on + timedelta(days=1)


def _says_on(clock: Clock, milestone: Milestone) -> date:
    limit_on = clock.limits[milestone]
    return limit_on + timedelta(days=1) if milestone in clock.warned else limit_on - timedelta(days=clock.warn_days)


def _open(clock: Clock) -> list[Milestone]:
    return [milestone for milestone in MILESTONES if milestone not in clock.reached]


def _is_late(clock: Clock, milestone: Milestone) -> bool:
    """By the day that it counts for, not by when that was told."""
    reached_on, limit_on = clock.reached.get(milestone), clock.limits.get(milestone)
    if reached_on is None or limit_on is None:
        return milestone in clock.breached and not clock.ended
    return reached_on > limit_on


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
            told = not clock.released or (drawn is not None and drawn.step >= _OF_DRAWS[command.step])
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
    for milestone in _open(clock):
        if milestone in clock.breached or on < _says_on(clock, milestone):
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
    earliest = max(clock.submitted_on, clock.resumed_on)
    if not earliest <= command.since <= command.on:
        return Refused(Reason.PAUSE_INVALID, "it was not running then", field="/since", accepted=f"{earliest} to {command.on}")
    return [_stand(clock, ClockPaused(**_named(clock), reason=command.reason, on=command.since))]


def _resume(command: ResumeClock, clock: Clock) -> list[ClockEvent] | Refused[Reason]:
    if not clock.running:
        return Refused(Reason.NOT_RUNNING, "the request has no clock that runs")
    if (since := clock.paused_since) is None:
        return Refused(Reason.NOT_PAUSED, "it is not paused")
    days = max((command.on - since).days, 0)
    limits = {milestone: clock.limits[milestone] + timedelta(days=days) for milestone in _open(clock)}
    return [_stand(clock, ClockResumed(**_named(clock), on=command.on, days=days, limits=limits))]


def _advanced(clock: Clock, event: ClockAdvanced) -> Clock:
    replace = msgspec.structs.replace
    match event.step:
        case "awarded" | "released":
            return replace(clock, award_g=event.mass_g, decision=event.decision, released=event.step == "released")
        case "gate_opened":
            return replace(clock, gate_opened_for=event.decision)
        case _:
            return replace(clock, draws=clock.draws.set(event.of, Draw(event.mass_g, _OF_DRAWS[event.step])))


def _lost(clock: Clock, event: ClockSetBack) -> Clock:
    if event.cause == "award_withdrawn":
        return msgspec.structs.replace(clock, award_g=0, decision=None)
    draws = clock.draws.delete(event.of) if event.of in clock.draws else clock.draws
    return msgspec.structs.replace(clock, lost_g=clock.lost_g + event.mass_g, draws=draws)


def _with_reached(clock: Clock, on: date) -> Clock:
    """The milestones that the whole award has reached, each with the day on which it did. While the clock is paused, days do not count."""
    reached, limits = clock.reached, dict(clock.limits)
    for milestone in MILESTONES[1:]:
        whole = 0 < clock.of_g <= _reached_g(clock, milestone)
        if whole and milestone not in reached:
            reached = reached.set(milestone, on)
            if clock.paused_since is not None and milestone in limits and on > clock.paused_since:
                limits[milestone] += on - clock.paused_since
        elif not whole and milestone in reached:
            reached = reached.delete(milestone)
    return msgspec.structs.replace(clock, reached=reached, limits=limits)


def _reached_g(clock: Clock, milestone: Milestone) -> int:
    match milestone:
        case "screened":
            return 0
        case "decided":
            return clock.of_g
        case "secured":
            open_gate = not clock.loan or (clock.gate_opened_for is not None and clock.gate_opened_for == clock.decision)
            return clock.of_g if clock.released and open_gate else 0
        case _:
            return sum(draw.mass_g for draw in clock.draws.values() if draw.step >= _BY_DRAWS[milestone])


def _stand[E: ClockEvent](clock: Clock, event: E) -> E:
    """The event with what it comes to."""
    after = evolve(clock, event)
    told: dict[str, Any] = {"now": standing(after)}
    if isinstance(event, ClockAdvanced | ClockSetBack):
        told["progress"] = tuple(
            Progress(
                milestone=milestone,
                reached_g=reached_g,
                of_g=after.of_g,
                reached_on=after.reached.get(milestone),
                limit_on=after.limits.get(milestone),
            )
            for milestone in MILESTONES[1:]
            if (reached_g := _reached_g(after, milestone)) != _reached_g(clock, milestone)
            or after.reached.get(milestone) != clock.reached.get(milestone)
            or isinstance(event, ClockSetBack)
        )
    return msgspec.structs.replace(event, **told)


def _named(clock: Clock) -> dict[str, Any]:
    assert clock.request is not None, "only a clock that was told of something gets here"
    return {"request": clock.request, "product": clock.product, "partner": clock.partner, "now": _UNTOLD}


DECIDER = Decider(kind="clock", initial=Clock(), commands=Command, decide=decide, evolve=evolve, timers=clock_timers)
