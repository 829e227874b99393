"""Compounding: what an overnight rate comes to over a period, from what was published alone."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

import msgspec

from services.loans.domain.rates.following import business_days_after, business_days_before
from services.loans.domain.standing.day_counts import DayCount, year_fraction


class NotPublished(LookupError):
    """Nothing is entered for a business day that the period needs. `args[0]`: the day."""


class Convention(msgspec.Struct, frozen=True):
    """How days bear what was published: by a calendar, so many of its business days later, and never less than a floor."""

    calendar: str
    lookback_days: int = 0
    floor_pct: Fraction | None = None
    day_count: DayCount = "ACT/365F"


def compounded_rate(published: Mapping[date, Fraction], convention: Convention, since: date, until: date) -> Fraction:
    """Per cent a year, exact: (prod(1 + r_i x d_i) - 1) / d, with a look-back and no observation shift (2021 ISDA Definitions, 7.7).
    `until` is not included, and is after `since`. Raises NotPublished."""
    calendar, floor, count = convention.calendar, convention.floor_pct, convention.day_count
    factor, day = Fraction(1), since
    while day < until:
        end = min(_next_business_day(day, calendar), until)
        observed = business_days_before(day, convention.lookback_days, calendar)
        if observed not in published:
            raise NotPublished(observed)
        rate = published[observed] if floor is None else max(published[observed], floor)
        factor *= 1 + rate / 100 * year_fraction(count, day, end)
        day = end
    return (factor - 1) * 100 / year_fraction(count, since, until)


def _next_business_day(day: date, calendar: str) -> date:
    return business_days_after(business_days_before(day, 0, calendar), 1, calendar)
