"""Owed: what a project owes a partner of a right that was assigned to it is delivered, substituted by no less, given back, or failed as a
whole once its window, and the days of grace, have passed, or the right was terminated."""

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
    ProductRegistered,
    RightAdded,
    RightAssigned,
    RightTerminated,
    RightTerms,
)


class _Owed(msgspec.Struct):
    right: str
    partner: str
    mass_g: int
    window_to: date | None  # None: by a build that followed no delivery
    assigned_g: int  # and not given back
    given_back_g: int
    assigned_on: date


class Owed:
    """All stockpiles."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._owed: dict[tuple[str, str], _Owed] = {}  # draw and right
        self._terms: dict[str, RightTerms] = {}  # by right, those that are agreed
        self._terminated: set[str] = set()
        self._contents: dict[str, dict[str, str]] = {}  # by product
        self._given_back_is_not_tolerated = False  # by the build, as an event has shown
        self._days_are_looked_at = False  # by the build: that nothing is delivered before it was assigned

    def see(self, place: str, effective_on: str, event: Any) -> None:
        match event:
            case ProductRegistered():
                self._contents[event.product] = event.contents
            case RightAdded(terms=RightTerms() as terms):
                self._terms[event.right] = terms
            case RightTerminated():
                self._terminated.add(event.right)
            case RightAssigned():
                before = self._owed.get((event.draw, event.right))
                mass_g, assigned_g, back_g = (0, 0, 0) if before is None else (before.mass_g, before.assigned_g, before.given_back_g)
                self._owed[event.draw, event.right] = _Owed(
                    event.right,
                    event.partner,
                    event.mass_g + mass_g,
                    event.window_to,
                    event.mass_g + assigned_g,
                    back_g,
                    date.fromisoformat(effective_on),
                )
            case DeliveryPostponed():
                for owed in self._owed.values():
                    if owed.right == event.right:
                        owed.window_to = event.window_to
            case AssignmentDelivered():
                self._days_are_looked_at = self._days_are_looked_at or event.reported_by is not None
                self._look_day(place, effective_on, event)
                self._look_late(place, event)
                self._deliver(place, event, "delivered")
            case AssignmentSubstituted():
                self._look_day(place, effective_on, event)
                self._look_no_worse(place, event)
                self._deliver(place, event, "substituted")
            case AssignmentGivenBack():
                if (left := self._owed.get((event.draw, event.right))) is not None:
                    left.assigned_g, left.given_back_g = left.assigned_g - event.mass_g, left.given_back_g + event.mass_g
                self._deliver(place, event, "given back")
            case AssignmentFailed():
                self._look_passed(place, date.fromisoformat(effective_on), event)
                self._end(place, event, "failed")
            case AssignmentClosed():
                self._look_passed(place, date.fromisoformat(effective_on), event)
                self._look_tolerated(place, event)
                self._end(place, event, "closed")
            case _:
                pass

    def _of(self, right: str) -> RightTerms:
        return self._terms.get(right, RightTerms())

    def _last(self, event: Any) -> date | None:
        """The last day of grace of what a draw was assigned."""
        owed = self._owed.get((event.draw, event.right))
        if owed is None or owed.window_to is None:
            return None
        return owed.window_to + timedelta(days=self._of(event.right).grace_days)

    def _look_passed(self, place: str, on: date, event: AssignmentFailed | AssignmentClosed) -> None:
        last = self._last(event)
        terminated = isinstance(event, AssignmentFailed) and event.cause == "terminated" and event.right in self._terminated
        passed = terminated or (last is not None and last < on)
        self._findings.look(Check.DRAWS, passed, place, f"{event.right} is failed before its window has passed")

    def _look_tolerated(self, place: str, event: AssignmentClosed) -> None:
        """Of what was assigned and not given back; earlier builds took a share of that, too, and did not say of what."""
        closed, share = self._owed.get((event.draw, event.right)), Fraction(self._of(event.right).tolerance)
        of_g, back_g = (0, 0) if closed is None else (closed.assigned_g, closed.given_back_g)
        self._given_back_is_not_tolerated = self._given_back_is_not_tolerated or event.of_g is not None
        what = f"{event.mass_g} g of {event.right} are missing, more than its terms tolerate of {of_g} g"
        fine = event.mass_g <= share * of_g and event.of_g in (None, of_g)
        if not fine and event.of_g is None and event.mass_g <= share * (of_g + back_g):
            self._findings.under_rule(Check.RIGHTS, self._given_back_is_not_tolerated, place, what)
        else:
            self._findings.look(Check.RIGHTS, fine, place, what)

    def _look_day(self, place: str, effective_on: str, event: AssignmentDelivered | AssignmentSubstituted) -> None:
        owed = self._owed.get((event.draw, event.right))
        first, last = date.min if owed is None else owed.assigned_on, date.fromisoformat(effective_on)
        if first <= event.delivered_on <= last:
            self._findings.look(Check.RIGHTS, True, place, "")
        else:
            what = f"{event.right} is delivered on {event.delivered_on}, and was assigned on {first}, and reported by {last}"
            self._findings.under_rule(Check.RIGHTS, self._days_are_looked_at, place, what)

    def _look_late(self, place: str, event: AssignmentDelivered) -> None:
        owed, last = self._owed.get((event.draw, event.right)), self._last(event)
        if owed is None or owed.window_to is None or last is None:
            return
        late_days = max(0, (event.delivered_on - owed.window_to).days)
        if event.late_days == late_days and event.delivered_on <= last:
            self._findings.look(Check.RIGHTS, True, place, "")
        else:  # earlier builds took what came late, and did not say so: the rule is in force from the first right with terms on
            what = f"{event.right} is delivered {late_days} days late, said to be {event.late_days}, and its last day of grace was {last}"
            self._findings.under_rule(Check.RIGHTS, bool(self._terms), place, what)

    def _look_no_worse(self, place: str, event: AssignmentSubstituted) -> None:
        for element, share in self._contents.get(event.product, {}).items():
            found = Fraction(event.assay.contents.get(element, "0"))
            fine = found >= Fraction(share) and event.delivered_g * found >= event.mass_g * Fraction(share)
            self._findings.look(Check.RIGHTS, fine, place, f"{event.substitute} is less {element} than {event.mass_g} g of {event.right}")
        self._findings.look(Check.RIGHTS, event.assay.in_specification, place, f"{event.substitute} is out of specification")

    def _deliver(self, place: str, event: AssignmentDelivered | AssignmentSubstituted | AssignmentGivenBack, how: str) -> None:
        owed_g = self._settle(event.draw, event.right, event.partner, event.mass_g)
        fine = owed_g is not None and owed_g == event.mass_g + event.remaining_g and event.mass_g > 0
        self._findings.look(Check.DRAWS, fine, place, f"{event.mass_g} g of {event.right} are {how}, and {owed_g} g were owed")

    def _end(self, place: str, event: AssignmentFailed | AssignmentClosed, how: str) -> None:
        owed_g = self._settle(event.draw, event.right, event.partner, event.mass_g)
        what = f"{event.mass_g} g of {event.right} are {how}, and {owed_g} g were owed"
        self._findings.look(Check.DRAWS, owed_g == event.mass_g, place, what)

    def _settle(self, draw: str, right: str, partner: str, mass_g: int) -> int | None:
        """What was owed before; None: nothing to this partner."""
        owed = self._owed.get((draw, right))
        if owed is None or owed.partner != partner:
            return None
        before_g = owed.mass_g
        owed.mass_g -= mass_g
        if owed.mass_g <= 0:
            del self._owed[draw, right]
        return before_g
