"""Day counts: how much of a year lies between two days, by the 2006 ISDA Definitions, section 4.16.

Each convention divides the year into a fixed number of equal parts, so a span is a whole number of them (`year_parts`): interest is then
worked out in integers, and no fraction is ever reduced on the way.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Literal

type DayCount = Literal["30/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"]


def year_fraction(count: DayCount, start: date, end: date) -> Fraction:
    """From `start` (included) to `end` (not included), which is not before it."""
    return Fraction(year_parts(count, start, end), PARTS_IN_A_YEAR[count])


def year_parts(count: DayCount, start: date, end: date) -> int:
    """The same as a whole number of parts, of which a year has `PARTS_IN_A_YEAR[count]`."""
    assert start <= end
    return _PARTS[count](start, end)


def period_parts(count: DayCount, bounds: Sequence[date]) -> tuple[int, ...]:
    """The parts of each period from one of the `bounds` to the next."""
    between = _PARTS[count]
    return tuple([between(start, end) for start, end in pairwise(bounds)])


def parts_within(count: DayCount, period_start: date, start: date, end: date) -> int:
    """What a span takes of the period that it lies in: spans that fill a period add up to it. 30/360 by itself does not do so: from
    15 January it counts 16 days to the 31st and 15 more to 15 February, but 30 from end to end."""
    return year_parts(count, period_start, end) - year_parts(count, period_start, start)


def _thirty(start: date, end: date) -> int:
    """30/360, "Bond Basis": 4.16(f). Months have 30 days; an end on the 31st counts as one only after a start before the 30th."""
    start_day = min(start.day, 30)
    end_day = 30 if end.day == 31 and start_day == 30 else end.day
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + end_day - start_day


def _days(start: date, end: date) -> int:
    """ACT/360, 4.16(e), and ACT/365F, 4.16(d): the days that there are."""
    return end.toordinal() - start.toordinal()


def _days_by_year(start: date, end: date) -> int:
    """ACT/ACT ISDA, 4.16(b): days in leap years over 366 and the others over 365, so any whole year is one."""
    if start.year == end.year:
        return _days(start, end) * _parts_a_day(start.year)
    first = _days(start, date(start.year + 1, 1, 1)) * _parts_a_day(start.year)
    last = _days(date(end.year, 1, 1), end) * _parts_a_day(end.year)
    return first + (end.year - start.year - 1) * _EACH_YEAR + last


def _parts_a_day(year: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 365 if leap else 366


_EACH_YEAR = 365 * 366
PARTS_IN_A_YEAR: Mapping[DayCount, int] = {"30/360": 360, "ACT/360": 360, "ACT/365F": 365, "ACT/ACT ISDA": _EACH_YEAR}
_PARTS: Mapping[DayCount, Callable[[date, date], int]] = {
    "30/360": _thirty,
    "ACT/360": _days,
    "ACT/365F": _days,
    "ACT/ACT ISDA": _days_by_year,
}
