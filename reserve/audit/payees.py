"""Payees: that an advance was paid on a bank account of its borrower, which two other people had registered, and while it was in force.

The rule is in force from the first payee on that is registered: what was paid before is listed.
"""

from datetime import datetime
from typing import Any

import msgspec

from reserve.audit.approvers import AT_ONCE, Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.controls import CommandApproved
from services.loans.events.loan import AdvancePaid, LoanImported, LoanProposed
from services.loans.events.payees import PayeeEnded, PayeeEndLapsed, PayeeRegistered
from shared.terms.apart import Apart
from shared.terms.business_days import business_days_later

CHANGED_PAYS_AFTER_DAYS = 3  # business days: a payee that takes the place of another of its borrower and currency


class _End(msgspec.Struct):
    """From an instant to another, if its end lapsed."""

    event: PayeeEnded
    since: datetime
    until: datetime | None = None


class _Known(msgspec.Struct):
    event: PayeeRegistered
    at: datetime
    ends: list[_End] = []


class _Paid(msgspec.Struct, frozen=True):
    event: AdvancePaid
    place: str
    by: str
    at: datetime


class Payees:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._signed: dict[str, set[str]] = {}  # command -> who proposed and signed it
        self._had: set[tuple[str, str]] = set()  # (borrower, currency) that had a payee
        self._known: dict[str, _Known] = {}
        self._borrower: dict[str, str] = {}  # by loan
        self._paid: list[_Paid] = []
        self._in_force_at: datetime | None = None

    def see(self, place: str, record: Recorded, event: Any) -> None:
        match event:
            case CommandApproved(act="register_payee"):
                self._signed[record.command_id] = {event.proposed_by, event.approval.subject}
            case PayeeRegistered():
                at = instant(record)
                self._in_force_at = min(at, self._in_force_at or at)
                self._known[event.payee] = _Known(event, at)
                two = self._signed.pop(record.command_id, set()) == set(event.registered_by)
                self._findings.look(Check.CONTROL, two, place, "others have registered it than it says")
                changes = (event.borrower, event.currency) in self._had
                self._had.add((event.borrower, event.currency))
                waits = CHANGED_PAYS_AFTER_DAYS if changes else 0
                waited = event.pays_from == business_days_later(event.registered_on, waits, "weekends")
                self._findings.look(Check.CONTROL, waited, place, f"something could be paid on it from {event.pays_from} on")
            case PayeeEnded() if (known := self._known.get(event.payee)) is not None:
                known.ends.append(_End(event, instant(record)))
            case PayeeEndLapsed() if (known := self._known.get(event.payee)) is not None and known.ends:
                known.ends[-1].until = instant(record)
            case LoanProposed(terms=terms) | LoanImported(terms=terms):
                self._borrower[event.loan] = terms.borrower
            case AdvancePaid():
                self._paid.append(_Paid(event, place, record.actor, instant(record)))

    def finish(self) -> None:
        """All is seen that there is."""
        for paid in self._paid:
            in_force = self._in_force_at is not None and paid.at >= self._in_force_at
            if (fault := self._fault_of(paid)) is not None:
                self._findings.under_rule(Check.CONTROL, in_force, paid.place, fault)
            else:
                self._findings.look(Check.CONTROL, True, paid.place, "")

    def _fault_of(self, paid: _Paid) -> str | None:
        event = paid.event
        if not isinstance(event.payee, str):
            return "it does not say to which payee it was paid"
        known = self._known.get(event.payee)
        if known is None or known.at > paid.at + AT_ONCE:
            return f"nobody had registered the payee {event.payee}"
        payee = known.event
        if (payee.borrower, payee.currency) != (self._borrower.get(event.loan), event.currency):
            return f"{event.payee} is for {payee.currency} to {payee.borrower}"
        if event.paid_on < payee.pays_from:
            return f"{event.payee} is paid on from {payee.pays_from} on"
        for end in known.ends:
            if end.since + AT_ONCE < paid.at and (end.until is None or paid.at < end.until - AT_ONCE):
                return f"{event.payee} had ended on {end.event.ended_on}"
        if self._approvers.same(paid.by, payee.registered_by, paid.at):
            return f"{paid.by} has registered {event.payee}: {Apart.PAYS}"
        return None
