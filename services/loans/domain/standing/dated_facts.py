"""Dated facts: what a loan's standing follows from, each with the day that it counts for, whenever it was learnt."""

from datetime import date
from typing import Literal

import msgspec

from services.loans.events.terms import ScheduleTerms


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed, as far as figures depend on it. Rates are in per cent a year, decimals or rationals."""

    currency: str
    commitment_minor: int
    committed_on: date  # of a loan brought forward: the day of that
    schedule: ScheduleTerms
    rate_pct: str  # all in
    default_margin_pct: str
    commitment_fee_pct: str  # on what is not advanced, from `committed_on` to `available_until`
    available_until: date
    establishment_fee_minor: int  # due with the first advance


class _Fact(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    id: str
    on: date  # not before the contract's `committed_on`


class BroughtForward(_Fact, frozen=True, kw_only=True):
    """What was owed where the loan was kept until this day. Interest is counted from here on."""

    advanced_minor: int
    repaid_minor: int


class Reduced(_Fact, frozen=True, kw_only=True):
    """So much less will be advanced."""

    amount_minor: int


class RateFrom(_Fact, frozen=True, kw_only=True):
    """`base_pct`: what of the rate compounds from this day on; None: nothing does."""

    rate_pct: str
    base_pct: str | None = None


class Advanced(_Fact, frozen=True, kw_only=True):
    amount_minor: int


class Rescheduled(_Fact, frozen=True, kw_only=True):
    """Another schedule for what is owed; what was billed until now and is not paid becomes part of it if `capitalise_overdue`."""

    schedule: ScheduleTerms
    rate_pct: str | None  # None: as before
    capitalise_overdue: bool


class FeeDue(_Fact, frozen=True, kw_only=True):
    amount_minor: int


class Paid(_Fact, frozen=True, kw_only=True):
    """`prepays`: what becomes of that which is beyond what is due. A recovery goes to all that is owed, then to what was written off.
    `due_first`: what is billed and not due yet waits until all that is due is paid; without, payments of builds before took both alike."""

    amount_minor: int
    prepays: Literal["nothing", "instalment", "term"] = "nothing"
    in_kind: bool = False
    recovery: bool = False
    due_first: bool = False


class WrittenOff(_Fact, frozen=True, kw_only=True):
    amount_minor: int


class FallenDue(_Fact, frozen=True, kw_only=True):
    """All that is owed is due from this day on."""


class Refunded(_Fact, frozen=True, kw_only=True):
    """Credit, paid back. What is more than there was, since a payment turned out never to have come, is due at once."""

    amount_minor: int


type DatedFact = BroughtForward | Reduced | RateFrom | Advanced | Rescheduled | FeeDue | FallenDue | Paid | Refunded | WrittenOff

_KINDS = (BroughtForward, Reduced, RateFrom, Advanced, Rescheduled, FeeDue, FallenDue, Paid, Refunded, WrittenOff)
_RANKS = {kind: rank for rank, kind in enumerate(_KINDS)}


def order(fact: DatedFact) -> tuple[date, int, str]:
    """Facts of one day count in the order of the union: money is lent before it is paid back, and what falls due is paid the same day.
    Before all of them, a period that ends on their day is billed."""
    return fact.on, _RANKS[type(fact)], fact.id
