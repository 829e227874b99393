"""Billing: no loan bears more interest than what was ever owed of it could, at the highest rate that its terms, resets and acts gave it, on
each day since it began; nor more fees than were charged, its terms have for the first advance, and its commitment could bear. These are
limits, and no sums: schedules and day counts are not worked out a second time. An imported loan is followed from what it brought forward.
"""

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec

from reserve.audit.report import Check, Findings
from services.loans.events.books import BookChange, Figures
from services.loans.events.loan import ActApproved, FeeCharged, LoanClosed, LoanCommitted, LoanImported, LoanProposed, RateReset
from services.loans.events.terms import LoanTerms, Restructure

_LONGER = 31  # days, by which a day count may run ahead of the calendar


class _Loan(msgspec.Struct):
    terms: LoanTerms
    since: date
    rate_pct: Fraction  # the highest yet, all in, but on what is overdue
    principal_minor: int = 0
    unpaid_minor: int = 0  # beside principal
    interest_minor: int = 0  # booked as income, default interest with it
    charged_minor: int = 0  # fees, by name
    fees_minor: int = 0  # booked as income
    events: int = 0  # each of which may round each kind


class Billing:
    """All loans of money, until they are closed."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._loans: dict[str, _Loan] = {}

    def see(self, place: str, event: Any) -> None:
        match event:
            case LoanProposed() | LoanImported():
                since = min(event.terms.schedule.start, event.terms.available_from)
                self._loans[event.loan] = _Loan(event.terms, since, Fraction(event.terms.base_pct) + Fraction(event.terms.margin_pct))
            case LoanCommitted() if (loan := self._loans.get(event.loan)) is not None:
                loan.since = min(loan.since, event.on)
            case LoanClosed():
                self._loans.pop(event.loan, None)
            case _ if isinstance(getattr(event, "change", None), BookChange) and (loan := self._loans.get(event.loan)) is not None:
                self._take_terms(loan, event)
                self._look(place, loan, event.change, event.after)

    def _take_terms(self, loan: _Loan, event: Any) -> None:
        match event:
            case RateReset():
                loan.rate_pct = max(loan.rate_pct, Fraction(event.base_pct) + Fraction(loan.terms.margin_pct))
            case ActApproved(content=Restructure(rate_pct=str() as all_in_pct)):
                loan.rate_pct = max(loan.rate_pct, Fraction(all_in_pct))
            case FeeCharged():
                loan.charged_minor += event.amount_minor

    def _look(self, place: str, loan: _Loan, change: BookChange, after: Figures) -> None:
        loan.events += 1
        loan.interest_minor -= change.interest_income_minor + change.default_interest_income_minor
        loan.fees_minor -= change.fee_income_minor
        loan.principal_minor = max(loan.principal_minor, after.advanced_minor, after.principal_minor)
        loan.unpaid_minor = max(loan.unpaid_minor, after.interest_minor + after.default_interest_minor + after.fees_minor)
        rate_pct = max(loan.rate_pct + Fraction(loan.terms.default_margin_pct), Fraction(0))
        days = max((after.on - loan.since).days, 0) + _LONGER
        most = _borne(loan.principal_minor + loan.unpaid_minor, rate_pct, days) + 2 * loan.events
        what = (
            f"{loan.interest_minor} of interest in all, and {loan.principal_minor} at {rate_pct}% in {days} days bears at most {int(most)}"
        )
        self._findings.look(Check.FIGURES, loan.interest_minor <= most, place, what)
        fee_pct = Fraction(loan.terms.commitment_fee_pct)
        most = _borne(loan.terms.commitment_minor, fee_pct, days) + loan.terms.establishment_fee_minor + loan.charged_minor + loan.events
        what = f"{loan.fees_minor} of fees in all, and its terms, with {loan.charged_minor} charged, allow at most {int(most)}"
        self._findings.look(Check.FIGURES, loan.fees_minor <= most, place, what)


def _borne(minor: int, pct: Fraction, days: int) -> Fraction:
    return minor * pct / 100 * days / 360
