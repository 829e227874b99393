"""Dating: what a person recorded counts for the day on which they did, or says why it does not.

A day is one of the reserve's time zone, which an audit does not ask for: two days that differ by more than one differ in every zone. In
each service the rule is in force from the first event on by which it says whether the log takes what it records, which came with the rule.
"""

from datetime import date, datetime
from typing import Any

from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from shared.terms.reach import LogReachReported


class Dating:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._in_force: set[str] = set()

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        if isinstance(event, LogReachReported):
            self._in_force.add(service)
        if record.actor.startswith("service:"):
            return  # what follows from something else counts for its day
        because = getattr(event, "dated_because", None)
        apart = abs((date.fromisoformat(record.effective_on) - datetime.fromisoformat(record.recorded_at).date()).days)
        what = f"counts for {record.effective_on}, and was recorded {record.recorded_at}"
        if because is not None:
            self._findings.look(Check.DATED, True, place, "")
            self._findings.list_it(Check.DATED, place, f"{what}: {because}")
        elif apart > 1:
            self._findings.under_rule(Check.DATED, service in self._in_force, place, f"{what}, without a reason")
        else:
            self._findings.look(Check.DATED, True, place, "")
