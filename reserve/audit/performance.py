"""Performance: each right followed from its terms: notice, programme, what counts of each tranche, force majeure, and its end."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.inventory.events import (
    AssignmentClosed,
    AssignmentDelivered,
    AssignmentFailed,
    AssignmentGivenBack,
    AssignmentSubstituted,
    DeliveryPostponed,
    ProgrammeAgreed,
    RightAdded,
    RightAssigned,
    RightExercised,
    RightMatured,
    RightTerminated,
    RightTerms,
    TrancheClosed,
    TrancheDelivered,
)

_OF_RIGHTS = (
    RightAssigned
    | RightMatured
    | RightExercised
    | RightTerminated
    | ProgrammeAgreed
    | DeliveryPostponed
    | TrancheDelivered
    | TrancheClosed
    | AssignmentDelivered
    | AssignmentSubstituted
    | AssignmentClosed
    | AssignmentFailed
    | AssignmentGivenBack
)


class _Tranche(msgspec.Struct):
    window_from: date
    window_to: date
    mass_g: int
    left_g: int


class _Right(msgspec.Struct):
    kind: str
    own_g: int  # the Reserve's, to come
    owed_g: int  # to partners
    window_from: date
    window_to: date
    terms: RightTerms
    tranches: dict[int, _Tranche]  # open, first due first
    numbered: int = 0
    failures: int = 0
    majeure_days: int = 0
    counts: list[tuple[int, int, int]] = []  # of the last delivery: tranche, grams, grams left

    def open(self, number: int, window_from: date, window_to: date, mass_g: int) -> None:
        self.tranches[number] = _Tranche(window_from, window_to, mass_g, mass_g)
        self.numbered = max(self.numbered, number)

    def deliver(self, mass_g: int) -> None:
        """What is to be said of its tranches."""
        self.counts = []
        for number, tranche in self.tranches.items():
            taken_g = min(mass_g, tranche.left_g)
            mass_g -= taken_g
            if taken_g:
                self.counts.append((number, taken_g, tranche.left_g - taken_g))


class Performance:
    """All stockpiles."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._rights: dict[str, _Right] = {}

    def see(self, place: str, effective_on: str, event: Any) -> None:
        if isinstance(event, RightAdded):
            self._add(event)
            return
        if not isinstance(event, _OF_RIGHTS) or (right := self._rights.get(event.right)) is None:
            return
        if right.counts and not isinstance(event, TrancheDelivered):
            self._uncounted(place, event.right, right)
        on = date.fromisoformat(effective_on)
        match event:
            case RightAssigned():
                self._look(right.kind == "firm_offtake", place, f"{event.right} is assigned, and was not exercised")
                if event.window_to is not None:
                    self._grace(place, event, right)
                right.own_g, right.owed_g = event.right_remaining_g, right.owed_g + event.mass_g
            case RightMatured():
                least_g = event.settled_g * (1 - Fraction(right.terms.tolerance))
                fine = event.delivered_g >= least_g or right.terms == RightTerms()
                self._look(fine, place, f"{event.delivered_g} g settle {event.settled_g} g of {event.right}, beyond its tolerance")
                right.own_g = event.remaining_g
                right.deliver(event.settled_g)
            case AssignmentDelivered() | AssignmentSubstituted():
                right.owed_g -= event.mass_g
                right.deliver(event.mass_g)
            case AssignmentClosed() | AssignmentFailed():
                right.owed_g -= event.mass_g
            case AssignmentGivenBack():
                right.own_g += event.mass_g
                right.owed_g -= event.mass_g
                what = f"{event.right_remaining_g} g of {event.right} are said to be the Reserve's, and {right.own_g} g are"
                self._look(event.right_remaining_g == right.own_g, place, what)
            case RightExercised() | ProgrammeAgreed() | DeliveryPostponed():
                self._agreed(place, on, event, right)
            case TrancheDelivered() | TrancheClosed():
                self._tranche(place, on, event, right)
            case RightTerminated():
                needed = right.terms.failures_to_terminate
                fine = event.cause == "agreed" or (needed is not None and right.failures >= needed)
                said = (event.failures, event.mass_g) == (right.failures, right.own_g)
                what = f"{event.right} is terminated after {right.failures} failed tranches, with {right.own_g} g to come"
                self._look(fine and said, place, what)
                right.own_g, right.tranches = 0, {}
            case _:
                pass

    def _add(self, event: RightAdded) -> None:
        terms = event.terms or RightTerms()
        right = _Right(event.kind, event.mass_g, 0, event.window_from, event.window_to, terms, {})
        if event.terms is not None and event.kind == "firm_offtake":
            right.open(1, event.window_from, event.window_to, event.mass_g)
        self._rights[event.right] = right

    def _agreed(self, place: str, on: date, event: RightExercised | ProgrammeAgreed | DeliveryPostponed, right: _Right) -> None:
        self._grace(place, event, right)
        match event:
            case RightExercised():
                notice = right.terms.notice_days
                what = f"{event.right} is exercised with less than {notice} days of notice, or outside its window"
                early = event.deliver_from >= on + timedelta(days=notice) and event.notice_days == notice
                inside = right.window_from <= event.deliver_from <= right.window_to == event.window_to
                self._look(early and inside, place, what)
                fine = right.kind != "firm_offtake" and event.mass_g == right.own_g
                self._look(fine, place, f"{event.right} is firm already, or of another mass")
                right.kind, right.window_from = "firm_offtake", event.deliver_from
                right.open(event.tranche, event.deliver_from, event.window_to, event.mass_g)
            case ProgrammeAgreed():
                sum_g = sum(tranche.mass_g for tranche in event.tranches)
                what = f"{sum_g} g are planned of {event.right}, and {right.own_g + right.owed_g} g are to come"
                self._look(sum_g == right.own_g + right.owed_g, place, what)
                first, last, fine = right.window_from, right.numbered, True
                for tranche in event.tranches:
                    fine = fine and first <= tranche.window_from <= tranche.window_to <= right.window_to and tranche.number == last + 1
                    first, last = tranche.window_to + timedelta(days=1), tranche.number
                self._look(fine, place, f"tranches of {event.right} do not follow each other within its window")
                right.tranches = {}
                for tranche in event.tranches:
                    right.open(tranche.number, tranche.window_from, tranche.window_to, tranche.mass_g)
            case DeliveryPostponed():
                days = (event.window_to - event.before).days
                most = right.terms.force_majeure_days
                right.majeure_days += days if event.cause == "force_majeure" else 0
                what = f"force majeure has postponed {event.right} by {right.majeure_days} days, and its terms allow {most}"
                self._look(most is None or right.majeure_days <= most, place, what)
                delay = timedelta(days=days)
                later = [(number, each.window_from + delay, each.window_to + delay) for number, each in right.tranches.items()]
                said = [(tranche.number, tranche.window_from, tranche.window_to) for tranche in event.tranches]
                self._look(said == later, place, f"the open tranches of {event.right} are not {days} days later")
                for number, window_from, window_to in later:
                    right.tranches[number].window_from, right.tranches[number].window_to = window_from, window_to
                right.window_to = event.window_to

    def _tranche(self, place: str, on: date, event: TrancheDelivered | TrancheClosed, right: _Right) -> None:
        tranche, name = right.tranches.get(event.tranche), f"tranche {event.tranche} of {event.right}"
        if tranche is None:
            self._look(False, place, f"{name} is not open")
            return
        if isinstance(event, TrancheDelivered):
            expected = right.counts.pop(0) if right.counts else None
            late_days = max(0, (event.delivered_on - tranche.window_to).days)
            fine = expected == (event.tranche, event.mass_g, event.remaining_g) and event.late_days == late_days
            what = f"{event.mass_g} g count of {name}, {event.late_days} days late: its delivery says otherwise"
            self._look(fine, place, what)
            tranche.left_g = event.remaining_g
        else:
            passed = tranche.window_to + timedelta(days=right.terms.grace_days) < on
            self._look(passed, place, f"{name} is closed before its days of grace have passed")
            tolerated = tranche.left_g <= tranche.mass_g * Fraction(right.terms.tolerance)
            fine = event.mass_g == tranche.left_g and (event.outcome == "short") == tolerated
            self._look(fine, place, f"{name} is {event.outcome}, and {tranche.left_g} g of it are missing")
            right.failures += event.outcome == "failed"
            tranche.left_g = 0
        if tranche.left_g <= 0:
            del right.tranches[event.tranche]

    def _uncounted(self, place: str, name: str, right: _Right) -> None:
        self._look(False, place, f"a delivery under {name} counts of no tranche, though {len(right.counts)} are open for it")
        right.counts = []

    def _grace(self, place: str, event: Any, right: _Right) -> None:
        what = f"{event.grace_days} days of grace are said of {event.right}, and its terms give {right.terms.grace_days}"
        self._look(event.grace_days == right.terms.grace_days, place, what)

    def _look(self, fine: bool, place: str, what: str) -> None:
        self._findings.look(Check.RIGHTS, fine, place, what)
