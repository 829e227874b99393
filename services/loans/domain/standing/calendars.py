"""Calendars: the days on which payments fall due, and where they move to when banks are closed. A loan that runs keeps the days that it was
given and does not ask again.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from shared.terms.business_days import is_business_day

type Every = Literal["1w", "2w", "1m", "2m", "3m", "4m", "6m", "1y"]
type Adjustment = Literal["none", "following", "modified_following", "preceding"]

LAST_DAY = date(2999, 12, 31)  # what lies beyond is a slip of the pen

_WEEKS: Mapping[str, int] = {"1w": 1, "2w": 2}
_MONTHS: Mapping[str, int] = {"1m": 1, "2m": 2, "3m": 3, "4m": 4, "6m": 6, "1y": 12}
_ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=256)
def due_dates(start: date, every: Every, periods: int) -> tuple[date, ...]:
    """start + k * every, for k from 1 to `periods`. The day of the month is kept, or is its last: 31 January, 29 February, 31 March.
    Raises ValueError if a day is beyond `LAST_DAY`."""
    if weeks := _WEEKS.get(every):
        if start.toordinal() + 7 * weeks * periods > LAST_DAY.toordinal():
            raise ValueError(f"{periods} times {every} from {start} is beyond {LAST_DAY}")
        return tuple(start + timedelta(weeks=weeks * number) for number in range(1, periods + 1))
    step = _MONTHS[every]
    if start.year + (start.month - 1 + step * periods) // 12 > LAST_DAY.year:
        raise ValueError(f"{periods} times {every} from {start} is beyond {LAST_DAY}")
    first = start.year * 12 + start.month - 1
    months = range(first + step, first + step * periods + 1, step)
    if start.day <= 28:
        return tuple([date(month // 12, month % 12 + 1, start.day) for month in months])
    return tuple([date(month // 12, month % 12 + 1, min(start.day, monthrange(month // 12, month % 12 + 1)[1])) for month in months])


def months_later(start: date, months: int) -> date:
    """The same day so many months later, or the last of its month. Raises ValueError if it is beyond `LAST_DAY`."""
    month = start.year * 12 + start.month - 1 + months
    if month // 12 > LAST_DAY.year:
        raise ValueError(f"{months} months from {start} is beyond {LAST_DAY}")
    return date(month // 12, month % 12 + 1, min(start.day, monthrange(month // 12, month % 12 + 1)[1]))


def adjusted(day: date, adjustment: Adjustment, calendar: str) -> date:
    """The business day that `day` moves to. A calendar is "none" (every day), "weekends", or a country's, with a part of it or without:
    "AU", "AU-NSW", "JP". Raises CalendarError.

    The names are those of the 2006 ISDA Definitions, section 4.12: `following` is the next business day, `modified_following` the same
    unless that is in the next month, then the one before; `preceding` is the one before.
    """
    match adjustment:
        case "none":
            return day
        case "following":
            return _next(day, _ONE_DAY, calendar)
        case "preceding":
            return _next(day, -_ONE_DAY, calendar)
        case "modified_following":
            later = _next(day, _ONE_DAY, calendar)
            return later if later.month == day.month else _next(day, -_ONE_DAY, calendar)


def _next(day: date, step: timedelta, calendar: str) -> date:
    while not is_business_day(day, calendar):
        day += step
    return day
