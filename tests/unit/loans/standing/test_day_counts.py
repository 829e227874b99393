"""Day counts against published figures: ISDA's memorandum of 1998 on ACT/ACT, and its examples of 30/360 by the 2006 Definitions."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.standing.day_counts import PARTS_IN_A_YEAR, DayCount, parts_within, period_parts, year_fraction, year_parts

COUNTS: list[DayCount] = ["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"]
days = st.dates(date(1900, 1, 1), date(2999, 12, 31))


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "end", "common", "leap"),
    [
        ("2003-11-01", "2004-05-01", 61, 121),
        ("1999-02-01", "1999-07-01", 150, 0),
        ("1999-07-01", "2000-07-01", 184, 182),
        ("2002-08-15", "2003-07-15", 334, 0),
        ("2003-07-15", "2004-01-15", 170, 14),
        ("1999-07-30", "2000-01-30", 155, 29),
        ("2000-01-30", "2000-06-30", 0, 152),
    ],
)
def test_act_act_divides_each_years_days_by_that_years_length(start: str, end: str, common: int, leap: int) -> None:
    assert year_fraction("ACT/ACT ISDA", day(start), day(end)) == Fraction(common, 365) + Fraction(leap, 366)


@pytest.mark.parametrize(
    ("start", "end", "counted"),
    [
        ("2007-01-15", "2007-01-31", 15),
        ("2007-01-31", "2007-02-28", 28),
        ("2007-02-28", "2007-03-31", 32),
        ("2006-08-31", "2007-02-28", 178),
        ("2007-02-28", "2007-08-31", 182),
        ("2007-02-26", "2008-02-29", 363),
        ("2008-02-29", "2009-02-28", 359),
        ("2008-02-29", "2008-03-31", 31),
        ("2007-10-31", "2007-11-28", 28),
        ("2007-08-31", "2008-02-29", 179),
        ("2008-02-29", "2008-08-31", 181),
        ("2008-08-31", "2009-02-28", 178),
    ],
)
def test_30e_360_makes_every_31st_a_30th(start: str, end: str, counted: int) -> None:
    assert year_fraction("30E/360", day(start), day(end)) == Fraction(counted, 360)


@pytest.mark.parametrize(
    ("start", "end", "counted"),
    [
        ("2006-08-20", "2007-02-20", 180),
        ("2007-08-20", "2008-02-20", 180),
        ("2008-02-20", "2008-08-20", 180),
        ("2006-08-31", "2007-02-28", 178),
        ("2007-02-28", "2007-08-31", 183),
        ("2007-08-31", "2008-02-29", 179),
        ("2008-02-29", "2008-08-31", 182),
        ("2008-08-31", "2009-02-28", 178),
        ("2009-02-28", "2009-08-31", 183),
        ("2006-01-31", "2006-02-28", 28),
        ("2006-01-30", "2006-02-28", 28),
        ("2006-02-28", "2006-03-03", 5),
        ("2006-02-14", "2006-02-28", 14),
        ("2006-09-30", "2006-10-31", 30),
        ("2006-10-31", "2006-11-28", 28),
        ("2007-08-31", "2008-02-28", 178),
        ("2008-02-28", "2008-08-28", 180),
        ("2008-02-28", "2008-08-30", 182),
        ("2008-02-28", "2008-08-31", 183),
        ("2007-02-26", "2008-02-28", 362),
        ("2007-02-26", "2008-02-29", 363),
        ("2008-02-29", "2009-02-28", 359),
        ("2008-02-28", "2008-03-30", 32),
        ("2008-02-28", "2008-03-31", 33),
    ],
)
def test_thirty_360_counts_months_of_thirty_days_and_an_end_on_the_31st_after_a_start_before_the_30th(
    start: str, end: str, counted: int
) -> None:
    assert year_fraction("30/360", day(start), day(end)) == Fraction(counted, 360)


@pytest.mark.parametrize(("count", "fraction"), [("ACT/360", Fraction(366, 360)), ("ACT/365F", Fraction(366, 365))])
def test_a_leap_year_is_more_than_a_year_where_days_are_divided_by_a_fixed_number(count: DayCount, fraction: Fraction) -> None:
    assert year_fraction(count, date(2024, 1, 1), date(2025, 1, 1)) == fraction


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 1500))
def test_act_act_is_the_sum_of_its_days(start: date, length: int) -> None:
    def of_a_day(one: date) -> Fraction:
        return Fraction(1, (date(one.year + 1, 1, 1) - date(one.year, 1, 1)).days)

    counted = sum((of_a_day(start + timedelta(days=number)) for number in range(length)), Fraction(0))
    assert year_fraction("ACT/ACT ISDA", start, start + timedelta(days=length)) == counted


@given(st.sampled_from(COUNTS), st.lists(days, min_size=2, max_size=6).map(sorted))
def test_spans_within_a_period_add_up_to_it_and_none_is_negative(count: DayCount, bounds: list[date]) -> None:
    spans = [parts_within(count, bounds[0], start, end) for start, end in pairwise(bounds)]
    assert sum(spans) == year_parts(count, bounds[0], bounds[-1])
    assert min(spans) >= 0


@given(st.sampled_from(COUNTS), st.lists(days, min_size=2, max_size=6).map(sorted))
def test_the_parts_of_periods_are_those_of_each(count: DayCount, bounds: list[date]) -> None:
    fractions = [Fraction(parts, PARTS_IN_A_YEAR[count]) for parts in period_parts(count, bounds)]
    assert fractions == [year_fraction(count, start, end) for start, end in pairwise(bounds)]


def test_thirty_360_by_itself_does_not_add_up_which_is_why_a_period_is_asked_for() -> None:
    start, middle, end = date(2024, 1, 15), date(2024, 1, 31), date(2024, 2, 15)
    assert year_parts("30/360", start, middle) + year_parts("30/360", middle, end) == 31
    assert parts_within("30/360", start, start, middle) + parts_within("30/360", start, middle, end) == 30
