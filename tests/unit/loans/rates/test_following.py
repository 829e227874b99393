"""A loan bears what is published: from the day that its terms say, never below its floor, compounded or not, whenever it is told."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loans.domain.loan.servicing import ClosePeriod, ResetRate, TakePublications
from services.loans.domain.rates.compounding import Convention, NotPublished, compounded_rate
from services.loans.domain.standing.standing import books_on, interest_on
from services.loans.events.loan import RateReset
from services.loans.events.rates import Publication, RateCode
from services.loans.events.terms import RateFollowed, Restructure, ScheduleTerms
from shared.terms.business_days import is_business_day
from tests.stories.given import Given
from tests.stories.loan import START, act, committed, lent, months, sign_act

RATE = RateCode("AONIA")
QUARTER = ScheduleTerms(kind="bullet", start=START, every="3m", periods=4, day_count="ACT/365F")
ONE_DAY = timedelta(days=1)
A_BILLION = 1_000_000_000_00


def publications(rates: Mapping[date, str]) -> tuple[Publication, ...]:
    return tuple(Publication(day=day, pct=pct) for day, pct in rates.items())


def told(rates: Mapping[date, str], on: date, rate: str = RATE) -> TakePublications:
    return TakePublications(rate=RateCode(rate), calendar="weekends", publications=publications(rates), on=on)


def business_days(first: date, last: date) -> list[date]:
    days = (first + number * ONE_DAY for number in range((last - first).days + 1))
    return [day for day in days if is_business_day(day, "weekends")]


def following(**reference: Any) -> RateFollowed:
    return RateFollowed(rate=RATE, **reference)


def from_days(story: Given, command: TakePublications) -> list[tuple[date, str]]:
    return [(event.from_on, event.base_pct) for event in story.when(command).events if isinstance(event, RateReset)]


def test_by_period_what_counts_was_published_so_many_business_days_before_it_starts():
    story = committed(reference_rate=following(lookback_days=2))  # from Tuesday, 6 January, each month
    rates = dict.fromkeys(business_days(START - 10 * ONE_DAY, months(2)), "4.1") | {date(2026, 2, 4): "5", date(2026, 3, 4): "6"}
    assert from_days(story, told(rates, months(3))) == [(START, "4.1"), (months(1), "5"), (months(2), "6")]
    assert from_days(story, told({date(2026, 2, 5): "7"}, months(3))) == []


def test_compounded_what_was_published_counts_for_the_business_day_so_much_later():
    story = committed(reference_rate=following(lookback_days=5, compounded=True))
    assert from_days(story, told({date(2026, 1, 9): "4.1"}, START)) == [(date(2026, 1, 16), "4.1")]
    before = dict.fromkeys(business_days(date(2025, 1, 1), date(2025, 12, 29)), "4") | {date(2025, 12, 30): "4.2"}
    assert from_days(story, told(before, START)) == [(START, "4.2")]  # on the day of the commitment, and of what came before only the last


def test_never_less_than_the_floor_also_where_the_rate_is_below_zero():
    story = committed(reference_rate=following(floor_pct="0.5", compounded=True))
    assert from_days(story, told({START: "-0.1"}, START)) == [(START, "0.5")]
    assert from_days(story, told({START: "0.6"}, START)) == [(START, "0.6")]


def test_another_rate_is_none_of_its_business_and_nobody_resets_one_that_is_published():
    story = committed(reference_rate=following())
    assert from_days(story, told({START: "4"}, START, "SOFR")) == []
    assert from_days(committed(), told({START: "4"}, START)) == []
    reset = ResetRate(base_pct="4", source="a friend", from_on=START, on=START)
    story.when(reset).refused("loan_rate_follows", "/base_pct")


def test_a_restructuring_that_agrees_a_rate_ends_it():
    fixed = Restructure(schedule=QUARTER, rate_pct="7", capitalise_overdue=False)
    story = lent(act(fixed), sign_act(), reference_rate=following(compounded=True))
    assert from_days(story, told({START: "4"}, START)) == []


def compounding(rates: Mapping[date, str], orders: Sequence[Mapping[date, str]], margin_pct: str = "0", **reference: Any) -> Given:
    """A billion lent for a year, and what was published told in that order on the last day."""
    on = months(3)
    terms: dict[str, Any] = {
        "schedule": QUARTER,
        "margin_pct": margin_pct,
        "base_pct": "0",
        "commitment_minor": A_BILLION,
        "reference_rate": following(compounded=True, **reference),
    }
    return lent(*(told(each, on) for each in orders), **terms)


def test_a_quarter_comes_to_what_the_formula_says():
    """An independent figure: 62 business days at 4.35 and 4.1 from 16 March on, worked out day by day below."""
    lookback = 5
    days = business_days(START - 10 * ONE_DAY, months(3))
    rates = {day: "4.35" if day < date(2026, 3, 16) else "4.1" for day in days}
    owed, day = Fraction(A_BILLION), START
    while day < months(3):
        end = day + ONE_DAY
        while not is_business_day(end, "weekends"):
            end += ONE_DAY
        observed = days[days.index(day) - lookback]
        owed *= 1 + Fraction(rates[observed]) / 100 * (min(end, months(3)) - day).days / 365
        day = end
    story = compounding(rates, [rates], margin_pct="2", lookback_days=lookback)
    margin = Fraction(A_BILLION * 2 * (months(3) - START).days, 100 * 365)
    billed = story.given(ClosePeriod(on=months(3))).state.booked.interest_minor
    assert abs(billed - (owed - A_BILLION + margin)) <= 1
    simple = A_BILLION * Fraction("4.35") / 100 / 365 * (months(3) - START).days + margin
    assert billed > simple - A_BILLION * Fraction("0.25") / 100 / 365 * 21 + 100_000_00  # it did compound
    convention = Convention("weekends", lookback)
    rate = compounded_rate({day: Fraction(pct) for day, pct in rates.items()}, convention, START, months(3))
    assert rate / 100 * (months(3) - START).days / 365 * A_BILLION == owed - A_BILLION


PCTS = st.integers(-50, 900).map(lambda bp: str(Fraction(bp, 100)))
DAYS = business_days(START - 10 * ONE_DAY, months(3))


@settings(max_examples=20)
@given(
    pcts=st.lists(PCTS, min_size=len(DAYS), max_size=len(DAYS)),
    lookback=st.integers(0, 5),
    floor=st.none() | PCTS.filter(lambda pct: Fraction(pct) >= 0),
    dice=st.randoms(use_true_random=False),
)
def test_in_whatever_order_it_is_told_a_loan_accrues_what_the_calculator_says(pcts: list[str], lookback: int, floor: str | None, dice: Any):
    rates = dict(zip(DAYS, pcts, strict=True))
    order = list(rates.items())
    dice.shuffle(order)
    wrong = {day: "9" for day, _ in order[:5]}  # corrected later
    parts = [wrong, *({day: pct} for day, pct in order[:10]), dict(sorted(order[10:]))]
    story = compounding(rates, parts, lookback_days=lookback, floor_pct=floor or "0")
    straight = compounding(rates, [rates], lookback_days=lookback, floor_pct=floor or "0")
    for on in (START + 10 * ONE_DAY, months(2), months(3) - ONE_DAY):
        assert interest_on(story.state.account, on) == interest_on(straight.state.account, on)
        assert books_on(story.state.account, on) == books_on(straight.state.account, on)
        convention = Convention("weekends", lookback, Fraction(floor or "0"))
        exact = compounded_rate({day: Fraction(pct) for day, pct in rates.items()}, convention, START, on)
        assert abs(interest_on(story.state.account, on) - exact / 100 * (on - START).days / 365 * A_BILLION) < 1


def test_a_period_of_which_not_all_is_published_has_no_rate():
    with pytest.raises(NotPublished) as missing:
        compounded_rate({START: Fraction(4)}, Convention("weekends"), START, START + 2 * ONE_DAY)
    assert missing.value.args == (START + ONE_DAY,)
