"""Day counts: how much of a year lies between two days, by the 2006 ISDA Definitions, section 4.16.

Each convention divides the year into a fixed number of equal parts, so a span is a whole number of them (`year_parts`): interest is then
worked out in integers, and no fraction is ever reduced on the way.
"""

from calendar import isleap
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Literal

type DayCount = Literal["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"]


def year_fraction(count: DayCount, start: date, end: date) -> Fraction:
    """From `start` (included) to `end` (not included), which is not before it."""
    return Fraction(year_parts(count, start, end), PARTS_IN_A_YEAR[count])


def year_parts(count: DayCount, start: date, end: date) -> int:
    """The same as a whole number of parts, of which a year has `PARTS_IN_A_YEAR[count]`."""
    assert start <= end
    return period_parts(count, (start, end))[0]


def period_parts(count: DayCount, bounds: Sequence[date]) -> tuple[int, ...]:
    """The parts of each period from one of the `bounds` to the next."""
    if count == "30/360":
        return tuple([_thirty(start, end) for start, end in pairwise(bounds)])
    return tuple([end - start for start, end in pairwise(map(_SINCE_YEAR_0[count], bounds))])


def parts_within(count: DayCount, period_start: date, start: date, end: date) -> int:
    """What a span takes of the period that it lies in: spans that fill a period add up to it. 30/360 by itself does not do so: from
    15 January it counts 16 days to the 31st and 15 more to 15 February, but 30 from end to end."""
    return year_parts(count, period_start, end) - year_parts(count, period_start, start)


def _thirty(start: date, end: date) -> int:
    """30/360, "Bond Basis": 4.16(f). Months have 30 days; an end on the 31st counts as one only after a start before the 30th."""
    start_day = 30 if start.day == 31 else start.day
    end_day = 30 if end.day == 31 and start_day == 30 else end.day
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + end_day - start_day


def _thirty_european(day: date) -> int:
    """30E/360, "Eurobond Basis": 4.16(g). Months have 30 days, and a 31st is a 30th, whatever the other day is: spans add up."""
    return 360 * day.year + 30 * day.month + min(day.day, 30)


def _parts_of_years(day: date) -> int:
    """ACT/ACT ISDA, 4.16(b): days in leap years over 366 and the others over 365, so any whole year is one."""
    new_year, parts_a_day = _year(day.year)
    return day.year * _WHOLE_YEAR + (day.toordinal() - new_year) * parts_a_day


@cache
def _year(year: int) -> tuple[int, int]:
    """The ordinal of its first day, and the parts that each day is."""
    return date(year, 1, 1).toordinal(), 365 if isleap(year) else 366


_WHOLE_YEAR = 365 * 366
PARTS_IN_A_YEAR: Mapping[DayCount, int] = {"30/360": 360, "30E/360": 360, "ACT/360": 360, "ACT/365F": 365, "ACT/ACT ISDA": _WHOLE_YEAR}
_SINCE_YEAR_0: Mapping[DayCount, Callable[[date], int]] = {
    "30E/360": _thirty_european,
    "ACT/360": date.toordinal,  # 4.16(e): the days that there are
    "ACT/365F": date.toordinal,  # 4.16(d)
    "ACT/ACT ISDA": _parts_of_years,
}
