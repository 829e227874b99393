"""Covenants: nothing was lent under one that was breached, whatever was reported afterwards; and no default for a breach ended before that
was cured, waived, or had lapsed.

A breach counts for the day that it is for. In force from the first that counted though a figure for a later day was known; one that an
earlier build did not count, since one person had reported a later figure, is listed, and so is a default that an older figure ended.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from reserve.audit.approvers import instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.defaults import BreachConfirmed, BreachLapsed, DefaultCured
from services.loans.events.loan import ActApproved, AdvancePaid, AdvanceRequested, LoanClosed, RatioReported
from services.loans.events.terms import WaiveCovenant


class _Covenant(msgspec.Struct):
    breached: bool = False
    breached_for: date = date.min
    cured_for: date = date.min
    reported_for: date = date.min
    waived_until: date = date.min


class Covenants:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._covenants: dict[str, dict[str, _Covenant]] = {}  # by loan
        self._since: datetime | None = None
        self._late: list[tuple[str, datetime, str]] = []  # place, when, what: looked at once it is known since when the rule is in force

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case RatioReported():
                self._report(place, record, event)
            case BreachConfirmed() | BreachLapsed():
                covenant = self._covenant(event.loan, event.kind)
                self._findings.look(Check.CONTROL, covenant.breached, place, f"the covenant {event.kind} was not breached")
                covenant.breached = covenant.breached and isinstance(event, BreachConfirmed)
            case ActApproved(content=WaiveCovenant(kind=kind, until=until)):
                self._covenant(event.loan, kind).waived_until = until
            case AdvanceRequested():
                self._lend(place, event.loan, date.fromisoformat(record.effective_on))
            case AdvancePaid():
                self._lend(place, event.loan, event.paid_on)
            case DefaultCured(how="covenant_kept"):
                if broken := self._broken(event.loan, event.on):
                    self._late.append(
                        (place, instant(record), f"the default ended by a figure that left the covenant {broken[0]} breached")
                    )
                else:
                    self._findings.look(Check.CONTROL, True, place, "")
            case LoanClosed():
                self._covenants.pop(event.loan, None)

    def finish(self) -> None:
        """All is seen that there is."""
        for place, at, what in self._late:
            self._findings.under_rule(Check.CONTROL, self._since is not None and at >= self._since, place, what)

    def _report(self, place: str, record: Recorded, event: RatioReported) -> None:
        covenant = self._covenant(event.loan, event.kind)
        late = event.for_on < covenant.reported_for
        covenant.reported_for = max(covenant.reported_for, event.for_on)
        match event.standing:
            case "cured":
                fine = covenant.breached and event.for_on >= covenant.breached_for
                self._findings.look(
                    Check.CONTROL, fine, place, f"the covenant {event.kind} was not breached by then, so that it is not cured"
                )
                covenant.breached, covenant.cured_for = False, max(covenant.cured_for, event.for_on)
            case "breached" | "waived" if covenant.breached or event.reported_by is not None or not late:
                if late and not covenant.breached:
                    self._since = min(self._since or instant(record), instant(record))
                covenant.breached_for = max(covenant.breached_for, event.for_on) if covenant.breached else event.for_on
                covenant.breached = True
            case "breached" | "waived" if event.for_on >= covenant.cured_for:
                what = f"the covenant {event.kind} was breached on {event.for_on}, which a later figure of one person's hid"
                self._late.append((place, instant(record), what))

    def _lend(self, place: str, loan: str, on: date) -> None:
        broken = self._broken(loan, on)
        what = f"it was advanced, or asked for, while the covenant {', '.join(broken)} was breached"
        self._findings.look(Check.CONTROL, not broken, place, what)

    def _broken(self, loan: str, on: date) -> list[str]:
        covenants = self._covenants.get(loan, {})
        return sorted(kind for kind, covenant in covenants.items() if covenant.breached and covenant.waived_until < on)

    def _covenant(self, loan: str, kind: str) -> _Covenant:
        return self._covenants.setdefault(loan, {}).setdefault(kind, _Covenant())
