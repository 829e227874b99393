"""Figures of a facility loan: how it stands on a day, and what an event changes in its books."""

from datetime import date
from typing import Annotated, NewType

import msgspec

from services.loans.events.facility import Minor
from shared.journal.record import MAX_INTEGER

LoanId = NewType("LoanId", str)  # "lon_01j..."
type SignedMinor = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class BookChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Changes of a loan's accounts, debits above zero. They sum to zero."""

    cash_minor: SignedMinor = 0  # received, or below zero paid out
    goods_minor: SignedMinor = 0  # the agreed value of what was taken into stock instead of cash
    principal_minor: SignedMinor = 0  # owed: advanced and capitalised, less repaid and written off
    interest_minor: SignedMinor = 0  # billed at a period's end, and not paid
    default_interest_minor: SignedMinor = 0
    fees_minor: SignedMinor = 0
    credit_minor: SignedMinor = 0  # paid beyond what was owed: zero or less in all
    interest_income_minor: SignedMinor = 0
    default_interest_income_minor: SignedMinor = 0
    fee_income_minor: SignedMinor = 0
    written_off_minor: SignedMinor = 0  # lost, less recovered


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How a loan stands at the end of a day."""

    on: date
    advanced_minor: Minor
    repaid_minor: Minor  # of principal
    principal_minor: Minor  # owed, due or not
    interest_minor: Minor  # billed and not paid
    accrued_minor: Minor  # not billed yet: interest, and default interest, each rounded half-even
    default_interest_minor: Minor
    fees_minor: Minor
    credit_minor: Minor
    due_minor: Minor  # to be paid by now, default interest too, and what falls due this day: after that, nothing is due
    overdue_minor: Minor  # the principal, interest and fees of it that were due before that day
    overdue_since: date | None
    next_due: date | None
    next_due_minor: Minor  # on that day, as the schedule stands
    next_billing: date | None = None  # the day on which something is billed by itself: a period's end, which is due then or soon after


class LoanFact(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What each event of a loan says."""

    loan: LoanId
