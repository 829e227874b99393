"""State of a clock to delivery: what is reached, what is left to reach, and by when."""

from datetime import date, timedelta
from typing import assert_never, get_args

import immutables
import msgspec

from services.allocation.events import DecisionHash, PartnerCode, ProductId, RequestId
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
    Milestone,
    Standing,
)
from shared.terms.protecting import Word, alone, confirmed, said

MILESTONES: tuple[Milestone, ...] = get_args(Milestone.__value__)
STEPS_OF_DRAWS: dict[str, int] = {"weighed": 1, "dispatched": 2, "delivered": 3}  # each is reached by what came so far or further
_BY_DRAWS: dict[Milestone, int] = {"cleared": 1, "dispatched": 2, "delivered": 3}


class Draw(msgspec.Struct, frozen=True):
    mass_g: int
    step: int  # as `STEPS_OF_DRAWS`


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    request: RequestId | None = None  # None: nothing was told yet
    product: ProductId = ProductId("")
    partner: PartnerCode = PartnerCode("")
    clock: str | None = None  # None: news of the award came before that of the acceptance, or there was no clock then
    submitted_on: date = date.min
    limits: immutables.Map[Milestone, date] = immutables.Map()
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
    pause: Word | None = None  # whose it is, as long as nobody else has confirmed it
    words: tuple[Word, ...] = ()  # all of late that nobody else has confirmed
    resumed_on: date = date.min
    paused_days: int = 0  # before the pause that goes on
    ended: bool = False

    @property
    def of_g(self) -> int:
        return self.award_g - self.lost_g

    @property
    def running(self) -> bool:
        return self.clock is not None and not self.ended and "delivered" not in self.reached


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
                limits=immutables.Map(event.limits),
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
            word = alone(event.paused_by, event.lapses_at)
            return replace(clock, paused_since=event.on, pause=word, words=said(clock.words, word))
        case ClockPauseConfirmed():
            return replace(clock, pause=None, words=confirmed(clock.words, clock.pause))
        case ClockResumed():
            again = {milestone for milestone, limit_on in event.limits.items() if limit_on >= event.on}
            return replace(
                clock,
                paused_since=None,
                pause=None,
                resumed_on=event.on,
                checked_on=max(clock.checked_on, event.on),
                paused_days=clock.paused_days + event.days,
                limits=clock.limits.update(event.limits),
                warned=clock.warned - again,  # of another limit it is warned once more
                breached=clock.breached - again,
            )
        case ClockEnded():
            return replace(clock, ended=True)
        case _:
            assert_never(event)


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
    """The earliest day on which a milestone that is not reached is warned of, or breached. A day that was looked at is over."""
    days = [says_on(clock, milestone) for milestone in open_milestones(clock) if milestone not in clock.breached]
    if not days:
        return None
    return min(days) if clock.checked_on < min(days) else clock.checked_on + timedelta(days=1)


def says_on(clock: Clock, milestone: Milestone) -> date:
    limit_on = clock.limits[milestone]
    return limit_on + timedelta(days=1) if milestone in clock.warned else limit_on - timedelta(days=clock.warn_days)


def open_milestones(clock: Clock) -> list[Milestone]:
    return [milestone for milestone in MILESTONES if milestone not in clock.reached]


def _is_late(clock: Clock, milestone: Milestone) -> bool:
    """By the day that it counts for, not by when that was told."""
    reached_on, limit_on = clock.reached.get(milestone), clock.limits.get(milestone)
    if reached_on is None or limit_on is None:
        return milestone in clock.breached and not clock.ended
    return reached_on > limit_on


def _advanced(clock: Clock, event: ClockAdvanced) -> Clock:
    replace = msgspec.structs.replace
    match event.step:
        case "awarded" | "released":
            return replace(clock, award_g=event.mass_g, decision=event.decision, released=event.step == "released")
        case "gate_opened":
            return replace(clock, gate_opened_for=event.decision)
        case _:
            return replace(clock, draws=clock.draws.set(event.of, Draw(event.mass_g, STEPS_OF_DRAWS[event.step])))


def _lost(clock: Clock, event: ClockSetBack) -> Clock:
    if event.cause == "award_withdrawn":
        return msgspec.structs.replace(clock, award_g=0, decision=None)
    draws = clock.draws.delete(event.of) if event.of in clock.draws else clock.draws
    return msgspec.structs.replace(clock, lost_g=clock.lost_g + event.mass_g, draws=draws)


def _with_reached(clock: Clock, on: date) -> Clock:
    """The milestones that the whole award has reached, each with the day on which it did. While the clock is paused, days do not count."""
    reached, limits = clock.reached, clock.limits
    for milestone in MILESTONES[1:]:
        whole = 0 < clock.of_g <= reached_g(clock, milestone)
        if whole and milestone not in reached:
            reached = reached.set(milestone, on)
            if clock.paused_since is not None and milestone in limits and on > clock.paused_since:
                limits = limits.set(milestone, limits[milestone] + (on - clock.paused_since))
        elif not whole and milestone in reached:
            reached = reached.delete(milestone)
    return msgspec.structs.replace(clock, reached=reached, limits=limits)


def reached_g(clock: Clock, milestone: Milestone) -> int:
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
