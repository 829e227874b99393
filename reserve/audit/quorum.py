"""Quorum: that what is split is summed. A certified decision had as many approvals as all of it needs that was decided of late in its book,
or for its disruption. In force from the first decision that was proposed with such a sum; what earlier builds certified is listed."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.allocation.events import DecisionGivenBack, RoundCertified, RoundOpened, RoundProposed, RoundReleased, RoundReopened


class _Decided(msgspec.Struct):
    place: str
    opened: RoundOpened
    proposed: RoundProposed
    certified: RoundCertified
    on: date
    at: datetime
    summed_g: int
    needed: int
    counts_g: int  # of its own awards, towards later ones


class Quorums:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._opened: dict[str, RoundOpened] = {}
        self._proposed: dict[str, RoundProposed] = {}
        self._decided: dict[str, dict[str, _Decided]] = {}  # product -> round ->
        self._in_force_at: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RoundOpened():
                self._opened[event.round] = event
            case RoundProposed():
                self._proposed[event.round] = event
                if event.approvals_needed is not None:
                    at = instant(record)
                    self._in_force_at = at if self._in_force_at is None else min(at, self._in_force_at)
            case RoundCertified():
                opened, proposed = self._opened.get(event.round), self._proposed.get(event.round)
                if opened is not None and proposed is not None:  # else `Rounds` finds it
                    self._certify(place, record, opened, proposed, event)
            case RoundReopened():
                self._decided.get(event.product, {}).pop(event.round, None)
            case DecisionGivenBack():
                if (decided := self._decided.get(event.product, {}).get(event.round)) is not None:
                    decided.counts_g -= sum(back.mass_g for back in event.given.values())
            case RoundReleased():
                self._opened.pop(event.round, None)
                self._proposed.pop(event.round, None)
            case _:
                pass

    def finish(self) -> None:
        """All is seen that there is."""
        for decided in (each for book in self._decided.values() for each in book.values()):
            people = {self._approvers.person_of(approval.subject, decided.at) for approval in decided.certified.approvals}
            if len(people) >= decided.needed:
                self._findings.look(Check.APPROVALS, True, decided.place, "")
                continue
            of_rule = decided.proposed.approvals_needed is not None
            in_force = of_rule or (self._in_force_at is not None and self._in_force_at + AT_ONCE < decided.at)
            what = f"{len(people)} approved, and {decided.needed} were needed for {decided.summed_g} g in {decided.opened.quorum_days} days"
            self._findings.under_rule(Check.APPROVALS, in_force, decided.place, what)

    def _certify(self, place: str, record: Recorded, opened: RoundOpened, proposed: RoundProposed, event: RoundCertified) -> None:
        on = date.fromisoformat(record.effective_on)
        book = self._decided.setdefault(event.product, {})
        after = on - timedelta(days=opened.quorum_days)
        same = opened.disruption
        beside = [each for each in book.values() if each.on > after or (same is not None and each.opened.disruption == same)]
        mass_g = sum(proposed.awarded_g.values())
        emergency_g = mass_g + sum(each.counts_g for each in beside if each.opened.emergency is not None)
        summed_g = mass_g + sum(each.counts_g for each in beside)
        if opened.emergency is not None and (opened.emergency.max_g is None or emergency_g <= opened.emergency.max_g):
            needed = 1
        else:
            needed = max((step.approvals for step in opened.quorum if step.above_g == 0 or summed_g > step.above_g), default=1)
        needed = max(needed, proposed.approvals_needed or 0)
        book[event.round] = _Decided(place, opened, proposed, event, on, instant(record), summed_g, needed, mass_g)
