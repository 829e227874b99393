"""Periods: when a loan's interest periods end and are due, and the payments that its schedule plans for them."""

from bisect import bisect_right
from datetime import date
from fractions import Fraction
from functools import lru_cache

import msgspec

from services.loans.domain.standing.calendars import adjusted, due_dates, months_later
from services.loans.domain.standing.day_counts import parts_within, period_parts
from services.loans.domain.standing.instalments import half_even, level_payments, step_weights
from services.loans.events.terms import BusinessDays, ScheduleTerms


class PeriodGrid(msgspec.Struct, frozen=True):
    """Period k runs from `bounds[k]` to `bounds[k + 1]`, is `parts[k]` of a year, and is due on `due[k]`."""

    terms: ScheduleTerms
    bounds: tuple[date, ...]
    due: tuple[date, ...]
    parts: tuple[int, ...]


def dated(terms: ScheduleTerms) -> ScheduleTerms:
    """The terms with their due dates, moved by the calendar as it is known now: a loan keeps those, whatever holidays are declared
    later. Raises CalendarError, and ValueError for days too far ahead."""
    if terms.calendar == "none":
        return terms
    ends = due_dates(terms.start, terms.every, terms.periods)
    return msgspec.structs.replace(terms, due=tuple(max(terms.start, adjusted(end, moved_by(terms), terms.calendar)) for end in ends))


def moved_by(terms: ScheduleTerms) -> BusinessDays:
    """How due dates move that are no business days."""
    if terms.business_days is msgspec.UNSET:
        return "none" if terms.calendar == "none" else "following"
    return terms.business_days


@lru_cache(maxsize=1024)
def grid(terms: ScheduleTerms) -> PeriodGrid:
    ends = due_dates(terms.start, terms.every, terms.periods)
    due = terms.due or ends
    bounds = (terms.start, *(due if terms.adjust_accrual is True else ends))
    return PeriodGrid(terms, bounds, due, period_parts(terms.day_count, bounds))


def period_end(grid: PeriodGrid, period: int) -> date:
    """Beyond the last period, what is still owed is billed each month. Raises ValueError beyond the last day that there is."""
    if period < grid.terms.periods:
        return grid.bounds[period + 1]
    return months_later(grid.bounds[-1], period - grid.terms.periods + 1)


def due_date(grid: PeriodGrid, period: int) -> date:
    return grid.due[period] if period < grid.terms.periods else period_end(grid, period)


def billing_day(grid: PeriodGrid, period: int, since: date) -> date:
    """A period's end; or its due date, where that moved to before its end and after the schedule was agreed."""
    end, due = period_end(grid, period), due_date(grid, period)
    if not since < due < end:
        return end
    return max(due, grid.bounds[period])


def period_of(grid: PeriodGrid, day: date) -> int:
    """The first period that ends after a day."""
    period = max(0, bisect_right(grid.bounds, day) - 1)
    while period_end(grid, period) <= day:
        period += 1
    return period


def parts_of(grid: PeriodGrid, period: int, since: date, start: date, end: date) -> int:
    """What a span takes of the period that it lies in. Before the schedule's start, it is counted from `since`."""
    if start >= grid.terms.start:
        since = grid.bounds[period] if period <= grid.terms.periods else period_end(grid, period - 1)
    return parts_within(grid.terms.day_count, since, start, end)


def repays(terms: ScheduleTerms, period: int) -> bool:
    """Whether principal is repaid, if not all of it with the last payment."""
    return period >= terms.capitalised_periods + terms.interest_only_periods and terms.kind != "bullet"


def planned(grid: PeriodGrid, period: int, last: int, principal_minor: int, owed: int, rate: int, basis: int) -> tuple[int, ...]:
    """The payments from `period` to the `last`, one a period, or one for all. Of the kind "equal_principal" they are principal alone.

    At the period's end, `owed` / basis is owed: the principal, and its interest; afterwards a part of a year costs `rate` / basis.
    """
    terms, count = grid.terms, last + 1 - period
    if terms.kind == "equal_principal":
        return (half_even(principal_minor, count),)
    later = [basis + rate * parts for parts in grid.parts[period + 1 : last + 1]]
    if terms.kind != "step":
        return tuple(level_payments(owed, later, basis, left=min(terms.balloon_minor, principal_minor)))
    first = period - terms.capitalised_periods - terms.interest_only_periods
    weights = step_weights(Fraction(terms.step), terms.step_periods, first, count)
    return tuple(level_payments(owed, later, basis, weights=weights))
