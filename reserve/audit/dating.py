"""Dating: what a person recorded counts for the day on which they did, or says why it does not.

A day is one of the reserve's time zone, which an audit does not ask for: two days that differ by more than one differ in every zone. In
each service the rule is in force from the first event on by which it says whether the log takes what it records, which came with the rule.
What a project has delivered to a partner is reported when it is proposed: of that, from the first on that says who has reported it.
A loan's books count money for a day that its event says, whatever day its record has: of each kind, from the first on that says whether it
needs a reason.
"""

from datetime import date, datetime
from typing import Any

from msgspec import UNSET

from reserve.audit.by_itself import of_service
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.inventory.events import AssignmentDelivered
from services.loans.events.equity import SharesDivested, SharesSubscribed, WriteDownProposed
from services.loans.events.loan import AdvancePaid, FeeCharged, PaymentRecorded, RateReset, RecoveryRecorded
from services.loans.events.material import ReturnReceived
from shared.terms.countersigning import CommandApproved, CommandProposed
from shared.terms.reach import LogReachReported

_DELIVERY = "accept_delivery"
# Acts that are recorded, as to the day that they count for, when they are proposed.
_PROPOSED = frozenset({_DELIVERY, "record_recovery", "trade_shares", "charge_fee", "reset_rate"})
OWN_DAY: dict[type, str] = {
    PaymentRecorded: "received_on",
    RecoveryRecorded: "received_on",
    AdvancePaid: "paid_on",
    ReturnReceived: "received_on",
    SharesSubscribed: "paid_on",
    SharesDivested: "received_on",
    WriteDownProposed: "on",
    FeeCharged: "due_on",
    RateReset: "from_on",
}
_AGREED = (FeeCharged, RateReset)  # for days to come, too


class Dating:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._in_force: set[str] = set()  # services, acts, and kinds of event
        self._proposed: dict[tuple[str, str], str] = {}  # (stream, proposal) -> when it was recorded
        self._reported: dict[str, str] = {}  # command -> when what it does was proposed

    def see(self, service: str, place: str, record: Recorded, event: Any) -> None:
        if isinstance(event, LogReachReported):
            self._in_force.add(service)
        if of_service(record):
            return  # what follows from something else counts for its day: `control.py` looks whether it does
        rule, day, recorded_at = service, record.effective_on, record.recorded_at
        match event:
            case CommandProposed(act=act) if act in _PROPOSED:
                self._proposed[record.stream, event.proposal] = record.recorded_at
            case CommandApproved(act=act) if act in _PROPOSED:
                self._reported[record.command_id] = self._proposed.pop((record.stream, event.proposal), record.recorded_at)
            case AssignmentDelivered():
                if event.reported_by is not None:
                    self._in_force.add(_DELIVERY)
                rule, day = _DELIVERY, event.delivered_on.isoformat()
                recorded_at = self._reported.get(record.command_id, recorded_at)
            case _:
                pass
        because = getattr(event, "dated_because", None)
        if (field := OWN_DAY.get(type(event))) is not None:
            self._hold(place, rule, day, recorded_at, None)
            rule, day = type(event).__name__, getattr(event, field).isoformat()
            recorded_at = self._reported.get(record.command_id, recorded_at)
            if isinstance(event, _AGREED):
                day = min(day, recorded_at[: len(day)])
            if because is not UNSET:
                self._in_force.add(rule)
        self._hold(place, rule, day, recorded_at, because or None)

    def _hold(self, place: str, rule: str, day: str, recorded_at: str, because: str | None) -> None:
        apart = abs((date.fromisoformat(day) - datetime.fromisoformat(recorded_at).date()).days)
        what = f"counts for {day}, and was recorded {recorded_at}"
        if because is not None:
            self._findings.look(Check.DATED, True, place, "")
            self._findings.list_it(Check.DATED, place, f"{what}: {because}")
        elif apart > 1:
            self._findings.under_rule(Check.DATED, rule in self._in_force, place, f"{what}, without a reason")
        else:
            self._findings.look(Check.DATED, True, place, "")
