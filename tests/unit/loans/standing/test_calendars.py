"""Calendars: due dates, and the business days that they move to."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.standing.calendars import LAST_DAY, Adjustment, Every, adjusted, due_dates
from shared.terms.business_days import CalendarError, is_business_day

days = st.dates(date(2000, 1, 1), date(2090, 12, 31))


def test_the_day_of_the_month_is_kept_or_is_the_months_last() -> None:
    assert due_dates(date(2024, 1, 31), "1m", 4) == (date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30), date(2024, 5, 31))


@pytest.mark.parametrize(
    ("every", "third"),
    [
        ("1w", "2024-02-20"),
        ("2w", "2024-03-12"),
        ("1m", "2024-04-30"),
        ("2m", "2024-07-30"),
        ("3m", "2024-10-30"),
        ("4m", "2025-01-30"),
        ("6m", "2025-07-30"),
        ("1y", "2027-01-30"),
    ],
)
def test_each_interval_is_counted_from_the_start(every: Every, third: str) -> None:
    assert due_dates(date(2024, 1, 30), every, 3)[2] == date.fromisoformat(third)


def test_a_leap_day_comes_back_in_leap_years() -> None:
    assert due_dates(date(2024, 2, 29), "1y", 4) == (date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29))


@pytest.mark.parametrize("every", ["1w", "1m", "1y"])
def test_the_last_due_date_may_be_the_last_day_and_none_beyond_it(every: Every) -> None:
    before = {"1w": LAST_DAY - timedelta(weeks=2), "1m": date(2999, 10, 31), "1y": date(2997, 12, 31)}[every]
    assert due_dates(before, every, 2)[-1] == LAST_DAY
    with pytest.raises(ValueError, match="beyond"):
        due_dates(before, every, 3)


@pytest.mark.parametrize(
    ("adjustment", "day", "moved"),
    [
        ("none", "2026-04-03", "2026-04-03"),
        ("following", "2026-04-02", "2026-04-02"),
        ("following", "2026-04-03", "2026-04-07"),  # Good Friday to Easter Monday
        ("preceding", "2026-04-06", "2026-04-02"),
        ("modified_following", "2026-04-03", "2026-04-07"),
        ("modified_following", "2026-05-31", "2026-05-29"),  # a Sunday, and the month's last day
        ("following", "2026-05-31", "2026-06-01"),
        ("following", "2026-12-31", "2026-12-31"),
        ("following", "2027-01-01", "2027-01-04"),
    ],
)
def test_a_day_moves_to_a_business_day_of_new_south_wales(adjustment: Adjustment, day: str, moved: str) -> None:
    assert adjusted(date.fromisoformat(day), adjustment, "AU-NSW") == date.fromisoformat(moved)


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    labour_day = date(2026, 10, 5)
    assert (is_business_day(labour_day, "AU"), is_business_day(labour_day, "AU-NSW")) == (True, False)


def test_a_weekend_is_the_countrys_own() -> None:
    friday, saturday, sunday = date(2026, 6, 5), date(2026, 6, 6), date(2026, 6, 7)
    assert [is_business_day(day, "AU") for day in (friday, saturday, sunday)] == [True, False, False]
    assert [is_business_day(day, "EG") for day in (friday, saturday, sunday)] == [False, False, True]


def test_a_sunday_that_makes_up_for_a_holiday_is_a_business_day() -> None:
    assert [is_business_day(date(2024, 2, day), "CN") for day in (16, 17, 18)] == [False, False, True]


def test_weekends_alone_know_no_holiday_and_none_is_every_day() -> None:
    christmas, sunday = date(2026, 12, 25), date(2026, 12, 27)
    assert [is_business_day(day, "weekends") for day in (christmas, sunday)] == [True, False]
    assert [is_business_day(day, "none") for day in (christmas, sunday)] == [True, True]


@pytest.mark.parametrize("calendar", ["", "-", "AU-", "AU-XYZ", "XX", "au", "AU_NSW", "A" * 1000, "\x00"])
def test_a_calendar_that_nobody_keeps_is_refused(calendar: str) -> None:
    with pytest.raises(CalendarError, match="no calendar"):
        is_business_day(date(2026, 1, 2), calendar)


def test_a_year_of_which_no_holidays_are_known_is_refused() -> None:
    with pytest.raises(CalendarError, match="2999"):
        is_business_day(date(2999, 1, 2), "AU-NSW")


@given(days, st.sampled_from(["following", "modified_following", "preceding"]), st.sampled_from(["weekends", "AU-NSW", "JP"]))
def test_what_was_moved_is_a_business_day_and_stays(day: date, adjustment: Adjustment, calendar: str) -> None:
    moved = adjusted(day, adjustment, calendar)
    assert is_business_day(moved, calendar)
    assert adjusted(moved, adjustment, calendar) == moved
    assert adjustment != "modified_following" or moved.month == day.month


@given(days, st.integers(0, 40), st.sampled_from(["following", "modified_following", "preceding"]))
def test_moved_days_keep_their_order(day: date, later: int, adjustment: Adjustment) -> None:
    assert adjusted(day, adjustment, "JP") <= adjusted(day + timedelta(days=later), adjustment, "JP")
