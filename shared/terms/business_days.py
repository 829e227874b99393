"""Business days: on which banks and offices are open.

Public holidays are the library `holidays`'; another edition of it may know another holiday, so who has been given a day keeps it and does
not ask again.
"""

from calendar import isleap
from datetime import date, timedelta
from functools import lru_cache

_ONE_DAY = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar that nobody keeps, or a day outside it."""


def is_business_day(day: date, calendar: str) -> bool:
    if calendar == "none":
        return True
    if calendar == "weekends":
        return day.weekday() < 5
    return day not in _closed(calendar, day.year)


def business_days_later(day: date, number: int, calendar: str) -> date:
    """The last of so many business days after `day`. Raises CalendarError."""
    for _ in range(number):
        day += _ONE_DAY
        while not is_business_day(day, calendar):
            day += _ONE_DAY
    return day


@lru_cache(maxsize=4096)
def _closed(calendar: str, year: int) -> frozenset[date]:
    """The year's weekends and public holidays; a weekend on which a country works to make up for others is none."""
    import holidays  # loads much: only who asks for a calendar waits for it

    country, dash, part = calendar.partition("-")
    try:
        if dash and not part:
            raise NotImplementedError(calendar)
        kept = holidays.country_holidays(country, subdiv=part or None, years=year)
    except NotImplementedError as error:
        raise CalendarError(f"there is no calendar {calendar!r}") from error
    if not kept.start_year <= year <= kept.end_year:
        raise CalendarError(f"the calendar {calendar} knows the years {kept.start_year} to {kept.end_year}, not {year}")
    days = (date(year, 1, 1) + number * _ONE_DAY for number in range(365 + isleap(year)))
    return frozenset(day for day in days if not kept.is_working_day(day))
