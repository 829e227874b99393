"""Reconciling: that a payment which one person recorded was found in the bank's statement by another, and that nothing left before.

In force from the first payment on that says who recorded it. What is still one person's word after three business days is listed.
"""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from reserve.audit.approvers import Approvers, instant
from reserve.audit.evidence import Recorded
from reserve.audit.report import Check, Findings
from services.loans.events.loan import ActApproved, LoanClosed, PaymentReconciled, PaymentRecorded, PaymentReversed
from services.loans.events.terms import Refund
from shared.terms.apart import Apart
from shared.terms.business_days import business_days_later

WITHIN_DAYS = 3  # business days, Monday to Friday: statements come on the next, and a checker may be away for two


class _Word(msgspec.Struct, frozen=True):
    place: str
    by: str
    at: datetime


class _Reconciled(msgspec.Struct, frozen=True):
    place: str
    by: str
    at: datetime
    recorded_by: str


class Reconciling:
    def __init__(self, findings: Findings, approvers: Approvers) -> None:
        self._findings = findings
        self._approvers = approvers
        self._words: defaultdict[str, dict[str, _Word]] = defaultdict(dict)  # loan -> payment -> what nobody has reconciled
        self._reconciled: list[_Reconciled] = []
        self._in_force = False
        self._last = datetime.min.replace(tzinfo=UTC)

    def see(self, place: str, record: Recorded, event: Any) -> None:
        self._last = max(self._last, instant(record))
        match event:
            case PaymentRecorded():
                self._in_force = self._in_force or event.recorded_by is not None
                if self._in_force:
                    said = event.recorded_by == record.actor
                    self._findings.look(Check.CONTROL, said, place, "another has recorded it than it says")
                if event.recorded_by is not None:
                    self._words[event.loan][event.payment] = _Word(place, event.recorded_by, instant(record))
            case PaymentReconciled():
                word = self._words[event.loan].pop(event.payment, None)
                fine = word is not None and event.reconciled_by == record.actor
                self._findings.look(Check.CONTROL, fine, place, f"{event.payment} was no one person's word, or another has reconciled it")
                if word is not None:
                    self._reconciled.append(_Reconciled(place, event.reconciled_by, instant(record), word.by))
            case PaymentReversed():
                self._words[event.loan].pop(event.payment, None)
            case LoanClosed() | ActApproved(content=Refund()):
                left = sorted(self._words[event.loan])
                self._findings.look(Check.CONTROL, not left, place, f"{', '.join(left)} had not been reconciled")

    def finish(self) -> None:
        """All is seen that there is."""
        for each in self._reconciled:
            self._approvers.apart(Check.CONTROL, Apart.RECONCILES, each.place, each.by, [each.recorded_by], each.at)
        for words in self._words.values():
            for payment, word in words.items():
                if business_days_later(word.at.date(), WITHIN_DAYS, "weekends") < self._last.date():
                    self._findings.list_it(Check.CONTROL, word.place, f"{payment} is the word of {word.by}: nobody has reconciled it")
