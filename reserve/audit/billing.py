"""Billing: no loan bears more interest than what was ever owed of it could, at the highest rate that its terms, resets and acts gave it, on
each day since it began. It is a limit, and no sum: schedules and day counts are not worked out a second time. Imported loans have a past
that is not here.
"""

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.loans.events.books import BookChange, Figures
from services.loans.events.loan import ActApproved, LoanClosed, LoanCommitted, LoanProposed, RateReset
from services.loans.events.terms import LoanTerms, Restructure

_LONGER = 31  # days, by which a day count may run ahead of the calendar


class _Loan(msgspec.Struct):
    terms: LoanTerms
    since: date
    base_pct: Fraction  # the highest yet
    principal_minor: int = 0
    unpaid_minor: int = 0  # beside principal
    interest_minor: int = 0  # booked as income, default interest with it
    events: int = 0  # each of which may round both kinds


class Billing:
    """All loans of money, until they are closed."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._loans: dict[str, _Loan] = {}

    def see(self, place: str, event: Any) -> None:
        match event:
            case LoanProposed():
                since = min(event.terms.schedule.start, event.terms.available_from)
                self._loans[event.loan] = _Loan(event.terms, since, Fraction(event.terms.base_pct))
            case LoanCommitted() if (loan := self._loans.get(event.loan)) is not None:
                loan.since = min(loan.since, event.on)
            case LoanClosed():
                self._loans.pop(event.loan, None)
            case _ if isinstance(getattr(event, "change", None), BookChange) and (loan := self._loans.get(event.loan)) is not None:
                if isinstance(event, RateReset):
                    loan.base_pct = max(loan.base_pct, Fraction(event.base_pct))
                if isinstance(event, ActApproved) and isinstance(event.content, Restructure) and event.content.rate_pct is not None:
                    loan.base_pct = max(loan.base_pct, Fraction(event.content.rate_pct))
                self._look(place, loan, event.change, event.after)

    def _look(self, place: str, loan: _Loan, change: BookChange, after: Figures) -> None:
        loan.events += 1
        loan.interest_minor -= change.interest_income_minor + change.default_interest_income_minor
        loan.principal_minor = max(loan.principal_minor, after.advanced_minor, after.principal_minor)
        loan.unpaid_minor = max(loan.unpaid_minor, after.interest_minor + after.default_interest_minor + after.fees_minor)
        rate_pct = max(loan.base_pct + Fraction(loan.terms.margin_pct) + Fraction(loan.terms.default_margin_pct), Fraction(0))
        days = max((after.on - loan.since).days, 0) + _LONGER
        most = (loan.principal_minor + loan.unpaid_minor) * rate_pct / 100 * days / 360 + 2 * loan.events
        what = (
            f"{loan.interest_minor} of interest in all, and {loan.principal_minor} at {rate_pct}% in {days} days bears at most {int(most)}"
        )
        self._findings.look(Check.FIGURES, loan.interest_minor <= most, place, what)
