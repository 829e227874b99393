"""Figures: what small events say that follows from those before them: arrears from what is due, a covenant from its ratio, a provision and
a carry from the one before, a clock's limits from when it was set, started and paused.
"""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.allocation.events.carries import CarryExpired, CarrySet
from services.allocation.events.clocks import (
    ClockAdvanced,
    ClockBreached,
    ClockEnded,
    ClockPaused,
    ClockResumed,
    ClockSet,
    ClockSetBack,
    ClockStarted,
    ClockWarned,
    Milestone,
)
from services.loans.events.books import Figures as Standing
from services.loans.events.loan import ActApproved, ArrearsChanged, LoanClosed, LoanImported, LoanProposed, RatioReported, Regraded
from services.loans.events.terms import WaiveCovenant

_BUCKETS = ((0, "current"), (30, "1-30"), (60, "31-60"), (90, "61-90"))  # up to so many days past due


type _GoesOn = ClockWarned | ClockBreached | ClockResumed | ClockAdvanced | ClockSetBack


class _Clock(msgspec.Struct):
    """`limits`: one that is missing is not known."""

    limits: dict[Milestone, date]
    warn_days: int
    paused_on: date | None = None
    paused_days: int = 0  # before that


class _Start(msgspec.Struct, frozen=True):
    place: str
    event: ClockStarted
    paused_days: int

    def is_by(self, given: ClockSet) -> bool:
        event, before = self.event, given.submitted_on + timedelta(days=self.paused_days)
        limits = {each: before + timedelta(days=days) for each, days in given.limits_days.items()}
        return (event.limits, event.clock, event.warn_days) == (limits, given.clock, given.warn_days)


class Figured:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._set: dict[str, list[ClockSet]] = {}  # by request, until its clock ends: each acceptance sets it
        self._unset: dict[str, list[_Start]] = {}  # by request: as no set that was seen says, whose streams stand in other shards
        self._clocks: dict[str, _Clock] = {}  # by request, until it ends
        self._carries: dict[tuple[str, str], Fraction] = {}  # (product, agreement) -> but 0
        self._provisions: dict[str, int] = {}  # by loan, until it is closed
        self._minimums: dict[tuple[str, str], str] = {}  # (loan, covenant)
        self._waived: dict[tuple[str, str], date] = {}  # likewise: until when
        self._stands: dict[str, Standing] = {}  # by loan, as the last event that moved money says

    def see(self, place: str, effective_on: str, event: Any) -> None:
        match event:
            case ClockSet():
                self._take_set(event)
            case ClockStarted():
                self._start(place, event)
            case ClockEnded():
                self._clocks.pop(event.request, None)
                if event.request not in self._unset:
                    self._set.pop(event.request, None)
            case ClockPaused() if (clock := self._clocks.get(event.request)) is not None:
                clock.paused_on = event.on
            case ClockWarned() | ClockBreached() | ClockResumed() | ClockAdvanced() | ClockSetBack():
                if (clock := self._clocks.get(event.request)) is not None:
                    self._go_on(place, event, clock)
            case CarrySet() | CarryExpired():
                self._carry(place, event)
            case LoanProposed() | LoanImported():
                self._minimums |= {(event.loan, covenant.kind): covenant.minimum for covenant in event.terms.covenants}
            case RatioReported():
                self._report(place, event)
            case Regraded():
                before = self._provisions.get(event.loan, 0)
                self._provisions[event.loan] = event.provision_minor
                fine = event.change_minor == event.provision_minor - before
                self._look(fine, place, f"the provision was {before}, and changes by {event.change_minor} to {event.provision_minor}")
            case ArrearsChanged():
                self._arrears(place, effective_on, event)
            case LoanClosed():
                self._provisions.pop(event.loan, None)
                self._stands.pop(event.loan, None)
            case _ if isinstance(after := getattr(event, "after", None), Standing):
                self._stands[event.loan] = after
                if isinstance(event, ActApproved) and isinstance(event.content, WaiveCovenant):
                    self._waived[event.loan, event.content.kind] = event.content.until

    @property
    def unsettled(self) -> bool:
        """Whether a clock has started as nothing that was seen has set it: that may stand in a shard that the ledger was slower to take."""
        return not self._set.keys().isdisjoint(self._unset)

    def finish(self) -> None:
        """Of builds that set none, nothing is known."""
        for request in self._set.keys() & self._unset.keys():
            given = "; ".join(f"{each.clock}, of {each.limits_days} days since {each.submitted_on}" for each in self._set[request])
            for start in self._unset[request]:
                self._look(False, start.place, f"{request} was set {given}")

    def _take_set(self, event: ClockSet) -> None:
        given = self._set.setdefault(event.request, [])
        if event in given:
            return
        given.append(event)
        if waiting := self._unset.pop(event.request, None):
            left = [start for start in waiting if not start.is_by(event)]
            self._findings.looked(Check.FIGURES, len(waiting) - len(left))
            if left:
                self._unset[event.request] = left

    def _start(self, place: str, event: ClockStarted) -> None:
        """Once more, under another clock: pauses before it count on. It may have been set more than once since, or in what comes yet."""
        before = self._clocks.get(event.request)
        paused_days = 0 if before is None else before.paused_days
        start = _Start(place, event, paused_days)
        if any(start.is_by(given) for given in self._set.get(event.request, ())):
            self._findings.looked(Check.FIGURES, 1)
        else:
            self._unset.setdefault(event.request, []).append(start)
        paused_on = None if before is None else before.paused_on
        # While it is paused, what it has reached already has other limits, and nothing says which.
        limits = dict(event.limits) if paused_on is None else {}
        self._clocks[event.request] = _Clock(limits, event.warn_days, paused_on, paused_days)

    def _go_on(self, place: str, event: _GoesOn, clock: _Clock) -> None:
        match event:
            case ClockWarned() | ClockBreached():
                first = event.limit_on - timedelta(days=clock.warn_days)
                due = event.on > event.limit_on if isinstance(event, ClockBreached) else first <= event.on <= event.limit_on
                fine = due and clock.limits.get(event.milestone, event.limit_on) == event.limit_on and clock.paused_on is None
                self._look(fine, place, f"{event.milestone} is due by {clock.limits.get(event.milestone)}, or the clock is paused")
            case ClockResumed():
                since, clock.paused_on = clock.paused_on or event.on, None
                days = max((event.on - since).days, 0)
                known = {each: clock.limits[each] + timedelta(days=days) for each in event.limits if each in clock.limits}
                later = event.limits | known
                fine = (event.days, event.limits) == (days, later)
                self._look(fine, place, f"it was paused for {days} days, and its limits are as much later: {later}")
                clock.paused_days += days
                clock.limits |= event.limits
            case _:  # what is reached in a pause was due as much later as that has gone on for
                pause = timedelta(0) if clock.paused_on is None else max(event.on - clock.paused_on, timedelta(0))
                told = {each.milestone: each.limit_on for each in event.progress if each.limit_on is not None}
                due_by = {each: clock.limits[each] for each in told if each in clock.limits}
                fine = all(told[each] in (limit, limit + pause) for each, limit in due_by.items())
                self._look(fine, place, f"it gives milestones other limits than they have: {due_by}")
                clock.limits |= {each: told[each] for each in due_by}

    def _carry(self, place: str, event: CarrySet | CarryExpired) -> None:
        key = event.product, event.agreement
        said = Fraction(event.before_g if isinstance(event, CarrySet) else event.carry_g)
        if (before := self._carries.get(key)) is not None:  # of builds that set none, nothing is known
            self._look(said == before, place, f"the carry of {event.agreement} was {before} g, and is said to have been {said} g")
        self._carries[key] = Fraction(event.carry_g) if isinstance(event, CarrySet) else Fraction(0)

    def _report(self, place: str, event: RatioReported) -> None:
        covenant = event.loan, event.kind
        minimum = self._minimums.get(covenant)
        kept = Fraction(event.ratio) >= Fraction(minimum or event.minimum)
        waived = event.standing != "waived" or event.for_on <= self._waived.get(covenant, date.min)
        fine = minimum in (None, event.minimum) and kept == (event.standing in ("kept", "cured")) and waived
        self._look(fine, place, f"{event.ratio} is said to be {event.standing}, of at least {event.minimum}; its terms have {minimum}")

    def _arrears(self, place: str, effective_on: str, event: ArrearsChanged) -> None:
        """Nothing but what is booked changes them, and a day that goes by is booked."""
        stands = self._stands.get(event.loan)
        on = date.fromisoformat(effective_on) if stands is None else stands.on
        said, now = (event.overdue_minor, event.overdue_since), (event.overdue_minor, event.overdue_since)
        if stands is not None:
            now = stands.overdue_minor, stands.overdue_since
        fine = said == now and event.bucket == _bucket(now[1], on) and (now[1] is None) == (now[0] == 0)
        self._look(fine, place, f"{said[0]} since {said[1]} is said to be {event.bucket}; {now[0]} since {now[1]} is, on {on}")

    def _look(self, fine: bool, place: str, what: str) -> None:
        self._findings.look(Check.FIGURES, fine, place, what)


def _bucket(since: date | None, on: date) -> str:
    days = 0 if since is None else (on - since).days
    return next((name for most, name in _BUCKETS if days <= most), "over 90")
