"""Schedule: what a loan is to pay, and when, to the minor unit.

Interest is rounded half-even each period, instalments once, and the last one takes what rounding leaves. All of it is whole numbers of one
basis (the parts of a year by the day count, times the rates' denominators), so nothing is inexact before it is rounded.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Literal, NoReturn, assert_never

import msgspec

from services.loans.domain.standing.calendars import Adjustment, Every, adjusted, due_dates
from services.loans.domain.standing.day_counts import PARTS_IN_A_YEAR, DayCount, parts_within, period_parts
from services.loans.domain.standing.instalments import half_even, level_payments, step_weights
from services.loans.domain.standing.schedule_terms import Advance, Prepayment, RateChange, ScheduleError, Terms, check
from shared.journal.record import MAX_INTEGER
from shared.terms.business_days import CalendarError

type Dated = Advance | Prepayment | RateChange


class ScheduleRow(msgspec.Struct, frozen=True, gc=False):
    """The balance is the one before it less the principal, which is negative where the balance grows: by an advance, or by interest that is
    added to it. A payment is `principal_minor + interest_minor`."""

    due: date
    principal_minor: int
    interest_minor: int
    balance_minor: int
    what: Literal["payment", "advance", "prepayment"] = "payment"


class ScheduleGrid(msgspec.Struct, frozen=True):
    """`due`: when payments are due. Period k accrues from `bounds[k]` to `bounds[k + 1]`, which is `parts[k]` of a year."""

    due: tuple[date, ...]
    bounds: tuple[date, ...]
    parts: tuple[int, ...]


def schedule(terms: Terms) -> list[ScheduleRow]:
    """All payments, and the advances and prepayments between them. Raises ScheduleError; whatever the terms, nothing else."""
    check(terms)
    try:
        grid = _grid(terms.start, terms.every, terms.periods, terms.day_count, terms.calendar, terms.adjustment, terms.adjust_accrual)
    except CalendarError as error:
        accepted = 'such as "none", "weekends", "AU" or "AU-NSW", in years of which it knows the holidays'
        raise ScheduleError("schedule_calendar_unknown", str(error), "calendar", accepted) from error
    except ValueError as error:
        raise ScheduleError("schedule_too_long", str(error), "periods", "fewer") from error
    return _Course(terms, grid, _by_period(terms, grid)).rows()


@lru_cache(maxsize=128)
def _grid(
    start: date, every: Every, periods: int, day_count: DayCount, calendar: str, adjustment: Adjustment, adjust_accrual: bool
) -> ScheduleGrid:
    unmoved = due_dates(start, every, periods)
    # Before a first day that is a holiday itself there is nothing to pay.
    due = unmoved if adjustment == "none" else tuple(max(start, adjusted(day, adjustment, calendar)) for day in unmoved)
    bounds = (start, *(due if adjust_accrual else unmoved))
    return ScheduleGrid(due, bounds, period_parts(day_count, bounds))


def _by_period(terms: Terms, grid: ScheduleGrid) -> Mapping[int, Sequence[Dated]]:
    """On one day, money is lent before it is paid back, whatever order they were given in."""
    by_period: dict[int, list[Dated]] = defaultdict(list)
    dated: Sequence[Dated] = (*terms.advances, *terms.prepayments, *terms.rate_resets)
    for each in sorted(dated, key=lambda each: each.day):  # sorting is stable
        if not grid.bounds[0] <= each.day < grid.bounds[-1]:
            field = {Advance: "advances", Prepayment: "prepayments", RateChange: "rate_resets"}[type(each)]
            accepted = f"{grid.bounds[0]} to before {grid.bounds[-1]}"
            raise ScheduleError("schedule_day_out_of_range", f"{each.day} is not within the schedule", field, accepted)
        by_period[bisect_right(grid.bounds, each.day) - 1].append(each)
    return by_period


class _Course:
    """A schedule while it is worked out. Amounts that are owed or accrued are whole numbers of 1/`basis` of a minor unit."""

    def __init__(self, terms: Terms, grid: ScheduleGrid, dated: Mapping[int, Sequence[Dated]]) -> None:
        self.terms = terms
        self.grid = grid
        self.dated = dated
        self.capitalised_until, self.repays_from = _lead_ins(terms)
        self.rate_unit = 100 * lcm(terms.annual_rate_pct.denominator, *(reset.annual_rate_pct.denominator for reset in terms.rate_resets))
        self.basis = self.rate_unit * PARTS_IN_A_YEAR[terms.day_count]
        self.last = terms.periods - 1  # the period whose payment leaves nothing
        self.balance = terms.principal_minor
        self.planned = [0] * terms.periods  # by period: what is paid, if `level`, or how much principal
        self.level = False
        self.to_repay = 0  # the balance when payments were last planned
        self.balloon = 0
        self.course: list[ScheduleRow] = []
        self._set_rate(terms.annual_rate_pct)

    def rows(self) -> list[ScheduleRow]:
        basis = self.basis
        for period, due in enumerate(self.grid.due):
            accrued = self.balance * self.growth[period]
            if period == self.repays_from:
                self._plan(period, accrued)
            if period in self.dated:
                accrued = self._take(period)
            interest = half_even(accrued, basis)
            principal = self._principal(period, self.balance, interest)
            self.balance -= principal
            self.course.append(ScheduleRow(due, principal, interest, self.balance))
            if self.balance > MAX_INTEGER:
                self._fail_to_amortise() if self.level else self._fail_for_size()
            if period == self.last:
                break
        self._check_end()
        return self.course

    def _set_rate(self, annual_rate_pct: Fraction) -> None:
        self.rate = annual_rate_pct.numerator * (self.rate_unit // (100 * annual_rate_pct.denominator))
        self.growth = [self.rate * parts for parts in self.grid.parts]  # what one minor unit earns in each period

    def _principal(self, period: int, balance: int, interest: int) -> int:
        if period == self.last:
            return balance
        if period < self.capitalised_until:
            return -interest
        planned = self.planned[period]
        return min(planned - interest if self.level else planned, balance)

    def _plan(self, period: int, accrued: int) -> None:
        """Plans the payments from `period` on, by whose end so much interest will have accrued."""
        terms, count = self.terms, self.last + 1 - period
        self.to_repay = self.balance
        match terms.kind:
            case "bullet":
                return
            case "equal_principal":
                self.planned[period:] = [half_even(self.balance, count)] * (terms.periods - period)
                return
            case "equal" | "interest_only" | "capitalised" | "balloon" | "step":
                self.level = True
            case _:
                assert_never(terms.kind)
        if terms.instalment_minor is not None:
            self.planned[period:] = [terms.instalment_minor] * (terms.periods - period)
            self.last = terms.periods - 1
            self.last = self._cleared_in(period, accrued)
            return
        owed = self.balance * self.basis + accrued
        later = [self.basis + growth for growth in self.growth[period + 1 : self.last + 1]]
        if terms.step is None:
            self.balloon = min(terms.balloon_minor or 0, self.balance)
            self.planned[period : self.last + 1] = level_payments(owed, later, self.basis, left=self.balloon) * count
        else:
            weights = step_weights(terms.step.factor, terms.step.periods, period - self.repays_from, count)
            self.planned[period : self.last + 1] = level_payments(owed, later, self.basis, weights=weights)

    def _take(self, period: int) -> int:
        """What happens within a period, in its order; gives the interest that accrues in the period."""
        period_start, period_end = self.grid.bounds[period : period + 2]
        accrued, since = 0, period_start
        for each in self.dated[period]:
            accrued += self._accrued(period_start, since, each.day)
            since, before = each.day, (self.balance, self.rate)
            match each:
                case Advance():
                    self.balance += each.amount_minor
                    self.course.append(ScheduleRow(each.day, -each.amount_minor, 0, self.balance, "advance"))
                case Prepayment():
                    if each.amount_minor > self.balance:
                        detail = f"on {each.day} only {self.balance} minor units are left to repay"
                        raise ScheduleError("schedule_prepayment_above_balance", detail, "prepayments", "at most the balance")
                    self.balance -= each.amount_minor
                    self.course.append(ScheduleRow(each.day, each.amount_minor, 0, self.balance, "prepayment"))
                case RateChange():
                    self._set_rate(each.annual_rate_pct)
                case _:
                    assert_never(each)
            in_period = accrued + self._accrued(period_start, since, period_end)
            if isinstance(each, Prepayment) and each.reduces == "term":
                self.last = self._cleared_in(period, in_period)
            elif period >= self.repays_from and (self.balance, self.rate) != before:
                self._plan(period, in_period) if isinstance(each, Advance) else self._plan_anew(period, in_period)
        if not self.balance and not any(isinstance(each, Advance) for later in self.dated if later > period for each in self.dated[later]):
            self.last = period
        return accrued + self._accrued(period_start, since, period_end)

    def _plan_anew(self, period: int, accrued: int) -> None:
        self._plan(period, accrued)
        interest = half_even(accrued, self.basis)
        if self.level and self.terms.instalment_minor is None and self.planned[period] < interest and period < self.last:
            # Interest on what was repaid since, or at a rate that was, is not lent anew: it is paid alone, and the next are planned again.
            self._plan(period + 1, self.balance * self.growth[period + 1])
            self.planned[period] = interest

    def _accrued(self, period_start: date, start: date, end: date) -> int:
        return self.balance * self.rate * parts_within(self.terms.day_count, period_start, start, end)

    def _cleared_in(self, period: int, accrued: int) -> int:
        """The period in which the payments, as they are planned, have repaid all; at the latest the last."""
        balance = self.balance
        for later in range(period, self.last):
            interest = half_even(accrued if later == period else balance * self.growth[later], self.basis)
            balance -= self._principal(later, balance, interest)
            if not balance:
                return later
        return self.last

    def _check_end(self) -> None:
        last = self.course[-1]
        unplanned = last.principal_minor + last.interest_minor - self.planned[self.last] - self.balloon
        if self.level and self.planned[self.last] and unplanned >= self.to_repay > 0:
            self._fail_to_amortise()
        for period, dated in self.dated.items():
            for each in dated:
                if period > self.last and not isinstance(each, RateChange):
                    field = "advances" if isinstance(each, Advance) else "prepayments"
                    raise ScheduleError("schedule_repaid_before", f"all is repaid on {last.due}", field, f"a day before {last.due}")

    def _fail_to_amortise(self) -> NoReturn:
        detail = "the instalments do not even pay the interest, so all of the principal is left for the last one"
        field = "periods" if self.terms.instalment_minor is None else "instalment_minor"
        accepted = "fewer" if self.terms.instalment_minor is None else "more than the first period's interest"
        raise ScheduleError("schedule_never_amortises", detail, field, accepted)

    def _fail_for_size(self) -> NoReturn:
        detail = f"the balance grows beyond {MAX_INTEGER} minor units"
        raise ScheduleError("schedule_amount_out_of_range", detail, "principal_minor", "less")


def _lead_ins(terms: Terms) -> tuple[int, int]:
    """The period until which interest is added to the principal, and the one from which the principal is repaid."""
    capitalised, interest_only = terms.capitalised_periods, terms.interest_only_periods
    if terms.kind == "capitalised" and not capitalised:
        capitalised = terms.periods - 1 - interest_only
    if terms.kind == "interest_only" and not interest_only:
        interest_only = terms.periods - 1 - capitalised
    return capitalised, capitalised + interest_only
