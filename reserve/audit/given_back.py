"""Given back: what a decision took of quota and changed in carries counts for as long as the decision holds, worked out a second time.

From the first decision on that says, when it is superseded, that it gives back, each one does, before the round that decides again.
"""

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import (
    CarryExpired,
    DecisionGivenBack,
    DecisionSuperseded,
    Reads,
    RoundCertified,
    RoundProposed,
    RoundReopened,
)
from services.inventory.events import AssignmentFailed, DecisionTakenBack, ReleaseCancelled

MAX_DENOMINATOR = 2**128  # of a carry

type _Agreement = tuple[str, str]  # product, agreement


class _Part(msgspec.Struct):
    """Of a decision, and a partner: what still counts."""

    agreement: str
    year_from: date | None
    awarded_g: int
    carry_g: Fraction


class GivenBack:
    """All books."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._proposed: dict[str, RoundProposed] = {}  # by round
        self._decided: dict[str, dict[str, _Part]] = {}  # decision -> partner
        self._used: dict[_Agreement, tuple[date | None, int]] = {}
        self._in_force = False
        self._superseded: dict[str, tuple[str, DecisionSuperseded]] = {}  # by round
        self._back: dict[str, int] = {}  # round -> place in its shard
        self._decided_again: dict[str, int] = {}  # round -> place in its shard
        self._taken: dict[str, dict[str, int]] = {}  # decision -> grams by partner, as inventory says
        self._given: dict[str, tuple[str, dict[str, int]]] = {}  # the same, as the book says
        self._failed: dict[tuple[str, str], int] = {}  # decision and partner -> grams that failed, as inventory says
        self._made_good: dict[tuple[str, str], tuple[str, int]] = {}  # the same, as the book says, and where it said so last

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundProposed():
                self._proposed[event.round] = event
            case RoundCertified():
                self._decided_again.setdefault(event.round, record.position)
                if (proposed := self._proposed.pop(event.round, None)) is not None:
                    self._certify(place, proposed)
                    self._proposed[event.round] = proposed  # it may be reopened
            case RoundReopened() if (proposed := self._proposed.pop(event.round, None)) is not None:
                self._decided.pop(event.decision, None)
                self._decided_again.pop(event.round, None)
                for read in proposed.reads.agreements.values():
                    self._used[event.product, read.agreement] = read.year_from, read.used_g
            case CarryExpired():
                for parts in self._decided.values():
                    for part in parts.values():
                        part.carry_g = Fraction(0) if part.agreement == event.agreement else part.carry_g
            case DecisionSuperseded():
                self._in_force = self._in_force or event.gives_back
                self._findings.look(
                    Check.GIVEN_BACK, event.gives_back or not self._in_force, place, f"{event.round} is superseded, and gives nothing back"
                )
                if event.gives_back:
                    self._superseded[event.round] = place, event
            case DecisionTakenBack():
                self._taken[event.decision] = event.mass_g
                self._compare(event.decision)
            case AssignmentFailed(decision=decision) | ReleaseCancelled(fails=str(decision)):
                failed = decision, event.partner
                self._failed[failed] = self._failed.get(failed, 0) + event.mass_g
            case DecisionGivenBack():
                self._give_back(place, record, event)
            case _:
                pass

    def carries_back_g(self, event: DecisionGivenBack) -> dict[str, Fraction]:
        """By agreement; to be asked before the event is seen."""
        parts = self._decided.get(event.decision, {})
        back_g = {partner: (part, self._carry_back_g(part, event, partner)) for partner, part in parts.items()}
        return {part.agreement: carry_g for part, carry_g in back_g.values() if carry_g}

    def finish(self) -> None:
        for failed, (place, made_good_g) in self._made_good.items():
            failed_g = self._failed.get(failed, 0)
            what = f"{made_good_g} g are given back to {failed[1]}, of whose awards {failed_g} g have failed"
            self._findings.look(Check.GIVEN_BACK, made_good_g <= failed_g, place, what)
        for round, (place, event) in self._superseded.items():
            again, back = self._decided_again.get(event.by_round), self._back.get(round)
            fine = again is None or (back is not None and back < again)
            what = f"{event.by_round} was decided before the quota and carries of {round}, which it supersedes, were back"
            self._findings.look(Check.GIVEN_BACK, fine, place, what)

    def _certify(self, place: str, proposed: RoundProposed) -> None:
        reads: Reads = proposed.reads
        parts = self._decided[proposed.decision] = dict[str, _Part]()
        for partner in sorted(reads.agreements.keys() | proposed.carries_g.keys() | proposed.awarded_g.keys()):
            read = reads.agreements.get(partner)
            awarded_g: int = proposed.awarded_g.get(partner, 0)
            before, after = Fraction(reads.carries_g.get(partner, "0")), Fraction(proposed.carries_g.get(partner, "0"))
            agreement = partner if read is None else read.agreement
            parts[partner] = _Part(agreement, None if read is None else read.year_from, awarded_g, after - before)
            if read is None:
                continue
            year, used_g = self._used.get((proposed.product, agreement), (read.year_from, 0))
            used_g = used_g if year == read.year_from else 0
            what = f"{read.used_g} g of {agreement} were said to be used, and {used_g} g were"
            self._findings.look(Check.GIVEN_BACK, read.used_g == used_g, place, what)
            self._used[proposed.product, agreement] = read.year_from, used_g + awarded_g

    def _give_back(self, place: str, record: Recorded, event: DecisionGivenBack) -> None:
        parts = self._decided.get(event.decision, {})
        for partner, back in event.given.items():
            part = parts.get(partner)
            fine = part is not None and part.agreement == back.agreement and 0 < back.mass_g <= part.awarded_g
            self._findings.look(
                Check.GIVEN_BACK, fine, place, f"{partner} is given back {back.mass_g} g, which count no more, or never did"
            )
            if not event.whole:
                _, before_g = self._made_good.get((event.decision, partner), (place, 0))
                self._made_good[event.decision, partner] = place, before_g + back.mass_g
            if part is None:
                continue
            part.carry_g -= self._carry_back_g(part, event, partner)
            part.awarded_g -= back.mass_g
            key = event.product, part.agreement
            year, used_g = self._used.get(key, (None, 0))
            if year == back.year_from:
                self._used[key] = year, used_g - back.mass_g
        if event.whole:
            self._back.setdefault(event.round, record.position)
            self._decided.pop(event.decision, None)
            self._given[event.decision] = place, {partner: back.mass_g for partner, back in event.given.items()}
            self._compare(event.decision)

    def _compare(self, decision: str) -> None:
        """Inventory's word and the book's, in whatever order they come."""
        if decision not in self._taken or decision not in self._given:
            return
        taken_g, (place, given_g) = self._taken[decision], self._given.pop(decision)
        what = f"{given_g} g are given back, and inventory has taken back {taken_g}"
        self._findings.look(Check.GIVEN_BACK, taken_g == given_g, place, what)

    @staticmethod
    def _carry_back_g(part: _Part, event: DecisionGivenBack, partner: str) -> Fraction:
        if not part.awarded_g:
            return part.carry_g if event.whole else Fraction(0)
        back = event.given.get(partner)  # type: ignore[call-overload]
        return Fraction(0) if back is None else (part.carry_g * back.mass_g / part.awarded_g).limit_denominator(MAX_DENOMINATOR)
