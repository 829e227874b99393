"""Running: how a loan stands at a moment of its course, and what accrues from one day to the next.

What accrues is exact: a sum of fractions "n/d", rounded only when it is billed.
"""

from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import lcm

import msgspec

from services.loans.domain.standing.dated_facts import Contract
from services.loans.domain.standing.day_counts import PARTS_IN_A_YEAR
from services.loans.domain.standing.instalments import half_even
from services.loans.domain.standing.periods import grid, parts_of, period_of
from services.loans.events.terms import ScheduleTerms


class Bill(msgspec.Struct, frozen=True, gc=False):
    """What was billed for a day and is not paid. It is overdue from the day after. `earned_until`: interest on its principal was billed
    with it until that day; None: until it was due."""

    due: date
    principal_minor: int = 0
    interest_minor: int = 0
    fees_minor: int = 0
    earned_until: date | None = None

    @property
    def total_minor(self) -> int:
        return self.principal_minor + self.interest_minor + self.fees_minor


class Running(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """At the end of a day, or between two facts of it."""

    on: date
    schedule: ScheduleTerms
    since: date  # when the schedule was agreed
    period: int  # of the schedule, the one that has not ended
    billed: bool = False  # whether that is billed already, since its due date was before its end
    last: int  # the period that repays what is left
    rate_pct: str
    planned: tuple[int, ...] = ()  # payments, as `periods.planned` has them; (): to be worked out at the period's end
    planned_from: int = 0  # the period of the first
    lowered: bool = False  # in this period principal was prepaid, or the rate reset: its interest is not in proportion to payments
    shortened: bool = False  # a prepayment left the payments as they were, so all is repaid before `last`
    fallen_due: bool = False  # no schedule counts any more: interest is due as it accrues
    undrawn_minor: int
    established: bool = False  # whether the establishment fee was charged
    undue_minor: int = 0  # principal that is not billed
    bills: tuple[Bill, ...] = ()  # by due date
    default_interest_minor: int = 0  # billed, and not paid
    credit_minor: int = 0
    base_pct: str | None = None  # the part of the rate that compounds
    accrued: str = "0/1"  # interest of the period, on principal that is not due
    accrued_base: str = "0/1"  # the part of it that `base_pct` earned
    compounding_minor: int = 0  # what of that earns the base rate, too, since the rate was told last
    accrued_overdue: str = "0/1"  # and on overdue principal
    accrued_default: str = "0/1"
    accrued_fee: str = "0/1"
    advanced_minor: int = 0
    repaid_minor: int = 0  # of principal
    written_off_minor: int = 0  # less what was recovered
    cash_minor: int = 0  # received, less paid out
    goods_minor: int = 0
    interest_income_minor: int = 0
    default_interest_income_minor: int = 0
    fee_income_minor: int = 0


class Accrual:
    """A sum of fractions over one denominator: none is reduced on the way."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, text: str = "0/1") -> None:
        numerator, _, denominator = text.partition("/")
        self.numerator, self.denominator = int(numerator), int(denominator)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    def add(self, numerator: int, denominator: int) -> None:
        if denominator != self.denominator:
            common = lcm(denominator, self.denominator)
            self.numerator *= common // self.denominator
            self.denominator = common
            numerator *= common // denominator
        self.numerator += numerator

    def rounded(self) -> int:
        return half_even(self.numerator, self.denominator)

    def fraction(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)

    def clear(self) -> None:
        self.numerator, self.denominator = 0, 1


def together(*accruals: Accrual) -> Accrual:
    total = Accrual()
    for accrual in accruals:
        if accrual.numerator:
            total.add(accrual.numerator, accrual.denominator)
    return total


class Course:
    """A `Running` that is being worked out."""

    def __init__(self, contract: Contract, running: Running) -> None:
        self.contract = contract
        self.on = running.on
        self.grid = grid(running.schedule)
        self.since = running.since
        self.period = running.period
        self.billed = running.billed
        self.last = running.last
        self.rate_pct = running.rate_pct
        self.planned = running.planned
        self.planned_from = running.planned_from
        self.lowered = running.lowered
        self.shortened = running.shortened
        self.fallen_due = running.fallen_due
        self.undrawn_minor = running.undrawn_minor
        self.established = running.established
        self.undue_minor = running.undue_minor
        self.bills = running.bills
        self.default_interest_minor = running.default_interest_minor
        self.credit_minor = running.credit_minor
        self.base_pct = running.base_pct
        self.accrued = Accrual(running.accrued)
        self.accrued_base = Accrual(running.accrued_base)
        self.compounding_minor = running.compounding_minor
        self.accrued_overdue = Accrual(running.accrued_overdue)
        self.accrued_default = Accrual(running.accrued_default)
        self.accrued_fee = Accrual(running.accrued_fee)
        self.advanced_minor = running.advanced_minor
        self.repaid_minor = running.repaid_minor
        self.written_off_minor = running.written_off_minor
        self.cash_minor = running.cash_minor
        self.goods_minor = running.goods_minor
        self.interest_income_minor = running.interest_income_minor
        self.default_interest_income_minor = running.default_interest_income_minor
        self.fee_income_minor = running.fee_income_minor

    def running(self) -> Running:
        return Running(
            on=self.on,
            schedule=self.grid.terms,
            since=self.since,
            period=self.period,
            billed=self.billed,
            last=self.last,
            rate_pct=self.rate_pct,
            planned=self.planned,
            planned_from=self.planned_from,
            lowered=self.lowered,
            shortened=self.shortened,
            fallen_due=self.fallen_due,
            undrawn_minor=self.undrawn_minor,
            established=self.established,
            undue_minor=self.undue_minor,
            bills=self.bills,
            default_interest_minor=self.default_interest_minor,
            credit_minor=self.credit_minor,
            base_pct=self.base_pct,
            accrued=str(self.accrued),
            accrued_base=str(self.accrued_base),
            compounding_minor=self.compounding_minor,
            accrued_overdue=str(self.accrued_overdue),
            accrued_default=str(self.accrued_default),
            accrued_fee=str(self.accrued_fee),
            advanced_minor=self.advanced_minor,
            repaid_minor=self.repaid_minor,
            written_off_minor=self.written_off_minor,
            cash_minor=self.cash_minor,
            goods_minor=self.goods_minor,
            interest_income_minor=self.interest_income_minor,
            default_interest_income_minor=self.default_interest_income_minor,
            fee_income_minor=self.fee_income_minor,
        )

    def bear(self, rate_pct: str, base_pct: str | None) -> None:
        """From here on. What the part that compounds has earned until now, in whole minor units, earns it from here on."""
        self.rate_pct, self.base_pct = rate_pct, base_pct
        self.compounding_minor = 0 if base_pct is None else self.accrued_base.rounded()

    def clear_accrued(self) -> None:
        """The period's interest is billed."""
        self.accrued.clear()
        self.accrued_base.clear()
        self.compounding_minor = 0

    def add_bill(self, bill: Bill) -> None:
        if not bill.total_minor:
            return
        # A day has a bill for each time that something was billed; those that are billed late are due late, so few ever move.
        self.bills = tuple(sorted((*self.bills, bill), key=lambda bill: bill.due))

    def earns_commitment_fee(self) -> bool:
        return self.undrawn_minor > 0 and self.on < self.contract.available_until and self.rates().fee > 0

    def is_still(self) -> bool:
        """Nothing accrues, and nothing is left to be billed."""
        return not (
            self.undue_minor
            or self.bills
            or self.accrued.numerator
            or self.accrued_overdue.numerator
            or self.accrued_default.numerator
            or self.accrued_fee.numerator
            or self.earns_commitment_fee()
        )

    def rates(self) -> "Rates":
        return _rates(self.rate_pct, self.contract.default_margin_pct, self.contract.commitment_fee_pct, self.base_pct or "0")

    def basis(self) -> int:
        return self.rates().unit * PARTS_IN_A_YEAR[self.grid.terms.day_count]


class Rates(msgspec.Struct, frozen=True):
    """Whole numbers of 1/unit a year."""

    interest: int
    margin: int
    fee: int
    base: int
    unit: int


@lru_cache(maxsize=4096)
def _rates(rate_pct: str, default_margin_pct: str, commitment_fee_pct: str, base_pct: str) -> Rates:
    rates = [Fraction(text) / 100 for text in (rate_pct, default_margin_pct, commitment_fee_pct, base_pct)]
    unit = lcm(*(rate.denominator for rate in rates))
    interest, margin, fee, base = (rate.numerator * (unit // rate.denominator) for rate in rates)
    return Rates(interest, margin, fee, base, unit)


def began(contract: Contract) -> Running:
    return Running(
        on=contract.committed_on,
        schedule=contract.schedule,
        since=contract.committed_on,
        period=period_of(grid(contract.schedule), contract.committed_on),
        last=contract.schedule.periods - 1,
        rate_pct=contract.rate_pct,
        undrawn_minor=contract.commitment_minor,
    )


def accrue(course: Course, day: date) -> None:
    """What the days until `day` earn; they are all of one period.

    Principal earns the rate. What was billed earns nothing until it is due, a few days after the period's end where the calendar moved the
    due date; from then on principal earns the rate again and the default margin as well, interest and fees both together as default
    interest. Default interest itself earns nothing. Where a rate compounds, it does so on what it has earned of the period, while that is
    not billed.
    """
    while course.on < day:
        until = day if not course.on < course.grid.terms.start < day else course.grid.terms.start
        overdue = Overdue()
        for bill in course.bills:
            earned_until = bill.earned_until or bill.due
            if bill.due <= course.on:
                overdue.principal_minor += bill.principal_minor
                overdue.other_minor += bill.interest_minor + bill.fees_minor
                overdue.earning_minor += bill.principal_minor if earned_until <= course.on else 0
            until = min([until, *(day for day in (bill.due, earned_until) if day > course.on)])
        _accrue_span(course, until, overdue)
        course.on = until


class Overdue(msgspec.Struct):
    """`earning_minor`: of the principal, what bears the rate beside the margin."""

    principal_minor: int = 0
    earning_minor: int = 0
    other_minor: int = 0


def _accrue_span(course: Course, until: date, overdue: Overdue) -> None:
    rates, basis = course.rates(), course.basis()
    parts = parts_of(course.grid, course.period, course.since, course.on, until)
    if course.undue_minor:
        course.accrued.add((course.undue_minor * rates.interest + course.compounding_minor * rates.base) * parts, basis)
        course.accrued_base.add((course.undue_minor + course.compounding_minor) * rates.base * parts, basis)
    if overdue.principal_minor or overdue.other_minor:
        course.accrued_overdue.add(overdue.earning_minor * rates.interest * parts, basis)
        default = overdue.principal_minor * rates.margin + overdue.other_minor * (rates.interest + rates.margin)
        course.accrued_default.add(default * parts, basis)
    if course.undrawn_minor and rates.fee and course.on < course.contract.available_until:
        last = min(until, course.contract.available_until)
        course.accrued_fee.add(
            course.undrawn_minor * rates.fee * parts_of(course.grid, course.period, course.since, course.on, last), basis
        )
