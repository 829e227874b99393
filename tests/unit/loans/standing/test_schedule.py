"""Schedules: others' published figures to the cent, a plain working in fractions as the reference, and what is refused."""

import json
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from functools import reduce
from math import lcm
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loans.domain.standing.calendars import due_dates
from services.loans.domain.standing.day_counts import year_fraction
from services.loans.domain.standing.instalments import exact_payment, half_even, level_payments, round_half_even
from services.loans.domain.standing.schedule import ScheduleRow, schedule
from services.loans.domain.standing.schedule_terms import Advance, Kind, Prepayment, RateChange, ScheduleError, Step, Terms
from shared.journal.record import MAX_INTEGER

PUBLISHED = json.loads((Path(__file__).parent / "emi_schedules.json").read_text())["cases"]
KINDS: list[Kind] = ["equal", "equal_principal", "bullet", "balloon", "interest_only", "capitalised", "step"]
TERMS = Terms(
    principal_minor=100_00, annual_rate_pct=Fraction(12), start=date(2024, 1, 1), periods=6, every="1m", day_count="30/360", kind="equal"
)


def with_terms(**changes: Any) -> Terms:
    return msgspec.structs.replace(TERMS, **changes)


def payments(rows: Sequence[ScheduleRow]) -> list[int]:
    return [row.principal_minor + row.interest_minor for row in rows if row.what == "payment"]


def balances(rows: Sequence[ScheduleRow]) -> list[int]:
    return [row.balance_minor for row in rows]


# --- what others publish


@pytest.mark.parametrize("case", PUBLISHED, ids=[case["id"] for case in PUBLISHED])
def test_a_published_schedule_comes_out_to_the_cent(case: dict[str, Any]) -> None:
    assert case["every"] == "1 month"
    terms = Terms(
        principal_minor=round(Fraction(case["principal"]) * 100),
        annual_rate_pct=Fraction(case["annual_rate_pct"]),
        start=date.fromisoformat(case["start"]),
        periods=case["n"],
        every="1m",
        day_count=case["day_count"],
    )
    rows = [
        (row.due.isoformat(), *(f"{Fraction(amount, 100):.2f}" for amount in (row.principal_minor, row.interest_minor, row.balance_minor)))
        for row in schedule(terms)
    ]
    assert rows == [tuple(row) for row in case["rows"]]


# --- the kinds


def test_equal_principal_pays_the_same_part_each_time_and_the_rest_with_the_last() -> None:
    rows = schedule(with_terms(kind="equal_principal"))
    assert [row.principal_minor for row in rows] == [1667] * 5 + [1665]
    assert [row.interest_minor for row in rows] == [100, 83, 67, 50, 33, 17]


def test_a_bullet_pays_interest_and_all_of_the_principal_with_the_last() -> None:
    assert payments(schedule(with_terms(kind="bullet"))) == [100] * 5 + [101_00]


def test_a_balloon_is_paid_with_the_last_of_equal_instalments() -> None:
    rows = schedule(with_terms(kind="balloon", balloon_minor=40_00))
    assert payments(rows) == [10_75] * 5 + [10_75 + 40_00]


def test_a_balloon_of_all_the_principal_is_a_bullet() -> None:
    assert schedule(with_terms(kind="balloon", balloon_minor=100_00)) == schedule(with_terms(kind="bullet"))


def test_steps_multiply_the_instalment() -> None:
    rows = schedule(with_terms(kind="step", step=Step(2, Fraction(3, 2))))
    assert payments(rows) == [1096, 1096, 1643, 1643, 2465, 2464]


def test_a_step_of_one_is_no_step() -> None:
    assert schedule(with_terms(kind="step", step=Step(1, Fraction(1)))) == schedule(TERMS)


def test_interest_alone_is_paid_before_equal_instalments() -> None:
    rows = schedule(with_terms(kind="interest_only", interest_only_periods=2))
    assert payments(rows) == [100, 100, 2563, 2563, 2563, 2561]
    assert schedule(with_terms(interest_only_periods=2)) == rows


def test_capitalised_interest_is_paid_by_nobody_and_grows_the_balance() -> None:
    rows = schedule(with_terms(kind="capitalised", capitalised_periods=2))
    assert balances(rows)[:2] == [101_00, 102_01]
    assert payments(rows) == [0, 0, 2614, 2614, 2614, 2616]


def test_capitalised_and_interest_only_for_no_number_of_periods_is_all_but_the_last() -> None:
    assert schedule(with_terms(kind="interest_only")) == schedule(with_terms(kind="bullet"))
    assert payments(schedule(with_terms(kind="capitalised"))) == [0] * 5 + [106_15]


def test_interest_may_be_added_first_and_then_be_paid_alone() -> None:
    rows = schedule(with_terms(kind="equal_principal", capitalised_periods=1, interest_only_periods=2))
    assert balances(rows)[:3] == [101_00, 101_00, 101_00]
    assert [row.principal_minor for row in rows][3:] == [3367, 3367, 3366]


def test_a_given_instalment_is_paid_for_no_longer_than_it_takes() -> None:
    assert payments(schedule(with_terms(instalment_minor=30_00))) == [3000, 3000, 3000, 1225]


def test_a_given_instalment_leaves_the_rest_for_the_last_payment() -> None:
    assert payments(schedule(with_terms(instalment_minor=15_00))) == [1500] * 5 + [2888]


def test_without_interest_instalments_are_parts_of_the_principal() -> None:
    rows = schedule(with_terms(annual_rate_pct=Fraction(0), principal_minor=100_01))
    assert [row.principal_minor for row in rows] == [1667] * 5 + [1666]
    assert {row.interest_minor for row in rows} == {0}


def test_one_payment_repays_all() -> None:
    assert [payments(schedule(with_terms(periods=1, kind=kind))) for kind in ("equal", "bullet", "capitalised")] == [[101_00]] * 3


# --- advances, prepayments, resets of the rate


def test_a_prepayment_makes_the_instalments_smaller() -> None:
    rows = schedule(with_terms(prepayments=(Prepayment(date(2024, 2, 1), 50_00),)))
    assert (rows[1].what, rows[1].principal_minor, rows[1].balance_minor) == ("prepayment", 50_00, 33_75)
    assert payments(rows) == [1725, 695, 695, 695, 695, 697]


def test_a_prepayment_ends_the_loan_sooner_where_that_was_agreed() -> None:
    rows = schedule(with_terms(prepayments=(Prepayment(date(2024, 2, 1), 50_00, "term"),)))
    assert payments(rows) == [1725, 1725, 1701]


def test_a_prepayment_within_a_period_leaves_interest_for_the_days_before_it() -> None:
    rows = schedule(with_terms(kind="bullet", prepayments=(Prepayment(date(2024, 1, 16), 50_00),)))
    assert [row.interest_minor for row in rows] == [0, 75, 50, 50, 50, 50, 50]


def test_interest_on_what_was_prepaid_is_paid_at_the_periods_end_and_lent_to_nobody() -> None:
    rows = schedule(with_terms(prepayments=(Prepayment(date(2024, 2, 28), 83_00),)))
    assert payments(rows) == [1725, 75, 19, 19, 19, 20]
    assert all(row.principal_minor >= 0 for row in rows)


def test_all_that_is_left_may_be_prepaid_and_the_interest_is_paid_last() -> None:
    rows = schedule(with_terms(prepayments=(Prepayment(date(2024, 2, 15), 83_75),)))
    assert (rows[-1].due, rows[-1].interest_minor, rows[-1].balance_minor) == (date(2024, 3, 1), 39, 0)


def test_a_term_that_became_shorter_stays_so_when_the_rate_is_reset() -> None:
    shorter = with_terms(
        prepayments=(Prepayment(date(2024, 2, 1), 50_00, "term"),), rate_resets=(RateChange(date(2024, 3, 1), Fraction(24)),)
    )
    assert payments(schedule(shorter)) == [1725, 1725, 1718]


def test_a_further_advance_is_repaid_with_the_rest() -> None:
    rows = schedule(with_terms(advances=(Advance(date(2024, 3, 1), 100_00),)))
    assert (rows[2].what, rows[2].principal_minor, rows[2].balance_minor) == ("advance", -100_00, 167_34)
    assert payments(rows) == [1725, 1725, 4289, 4289, 4289, 4286]


def test_a_reset_rate_counts_from_its_day_and_makes_new_instalments() -> None:
    rows = schedule(with_terms(rate_resets=(RateChange(date(2024, 3, 1), Fraction(6)),)))
    assert [row.interest_minor for row in rows] == [100, 84, 34, 25, 17, 8]
    assert payments(rows) == [1725, 1725, 1705, 1705, 1705, 1703]


def test_a_rate_that_is_reset_to_itself_changes_nothing() -> None:
    assert schedule(with_terms(rate_resets=(RateChange(date(2024, 3, 1), Fraction(12)),))) == schedule(TERMS)


def test_what_happens_on_one_day_is_lent_first_and_then_paid_back() -> None:
    rows = schedule(with_terms(advances=(Advance(date(2024, 2, 10), 1_00),), prepayments=(Prepayment(date(2024, 2, 10), 84_75),)))
    assert [row.what for row in rows] == ["payment", "advance", "prepayment", "payment"]


def test_a_balloon_is_never_more_than_what_is_left() -> None:
    rows = schedule(with_terms(kind="balloon", balloon_minor=80_00, prepayments=(Prepayment(date(2024, 2, 1), 60_00),)))
    assert payments(rows)[1:] == [37, 37, 37, 37, 37 + rows[1].balance_minor]


def test_a_further_advance_is_repaid_by_more_of_the_given_instalments() -> None:
    rows = schedule(with_terms(instalment_minor=30_00, advances=(Advance(date(2024, 3, 1), 20_00),)))
    assert payments(rows) == [3000, 3000, 3000, 3000, 268]


def test_a_payment_that_is_moved_back_over_a_week_of_holidays_is_not_due_before_the_loan() -> None:
    new_year = with_terms(start=date(2024, 2, 10), every="1w", calendar="CN", adjustment="preceding")
    assert schedule(new_year)[0].due >= new_year.start


def test_due_dates_move_and_interest_does_not_unless_it_was_agreed() -> None:
    moved = with_terms(calendar="AU-NSW", adjustment="following")
    rows = schedule(moved)
    assert [row.due for row in rows][2] == date(2024, 4, 2)
    assert balances(rows) == balances(schedule(TERMS))
    accrued = schedule(msgspec.structs.replace(moved, adjust_accrual=True))
    assert [row.due for row in accrued] == [row.due for row in rows]
    assert [row.interest_minor for row in accrued][2:4] == [70, 49]


# --- the plain working that quick ones must equal


def plain(terms: Terms) -> list[ScheduleRow]:
    """The same in fractions, with nothing kept from one period to the next. Neither moved days nor shorter terms nor given instalments."""
    bounds = [terms.start, *due_dates(terms.start, terms.every, terms.periods)]
    dated: list[Any] = [*terms.advances, *terms.prepayments, *terms.rate_resets]
    dated.sort(key=lambda each: (each.day, [Advance, Prepayment, RateChange].index(type(each))))
    capitalised, repays_from = terms.capitalised_periods, terms.capitalised_periods + terms.interest_only_periods
    if (terms.kind, terms.capitalised_periods) == ("capitalised", 0):
        capitalised, repays_from = terms.periods - 1 - terms.interest_only_periods, terms.periods - 1
    if (terms.kind, terms.interest_only_periods) == ("interest_only", 0):
        repays_from = terms.periods - 1
    rate, balance, rows = terms.annual_rate_pct / 100, Fraction(terms.principal_minor), list[ScheduleRow]()
    amounts: list[int] = []  # of instalments, or of principal, as planned: from period `planned_from` on
    planned_from = terms.periods

    def factor(period: int) -> Fraction:
        return 1 + rate * year_fraction(terms.day_count, bounds[period], bounds[period + 1])

    def plan(period: int, owed: Fraction) -> None:
        nonlocal amounts, planned_from
        planned_from = period
        periods = range(period, terms.periods)
        if terms.kind == "bullet":
            amounts = [0 for _ in periods]
        elif terms.kind == "equal_principal":
            amounts = [round(balance / len(periods)) for _ in periods]
        else:
            weights = [terms.step.factor ** ((k - repays_from) // terms.step.periods) if terms.step else Fraction(1) for k in periods]
            until_end = [reduce(lambda grown, j: grown * factor(j), range(k + 1, terms.periods), Fraction(1)) for k in periods]
            left = min(Fraction(terms.balloon_minor or 0), balance)
            first = (owed * until_end[0] - left) / sum(w * g for w, g in zip(weights, until_end, strict=True))
            amounts = [round(first * weight) for weight in weights]

    for period in range(terms.periods):
        start, end = bounds[period], bounds[period + 1]
        if period == repays_from:
            plan(period, balance * factor(period))
        accrued, since = Fraction(0), Fraction(0)
        all_repaid = False
        for each in [each for each in dated if start <= each.day < end]:
            until = year_fraction(terms.day_count, start, each.day)
            accrued, since = accrued + balance * rate * (until - since), until
            if isinstance(each, RateChange):
                if rate == each.annual_rate_pct / 100:
                    continue
                rate = each.annual_rate_pct / 100
            else:
                amount = each.amount_minor if isinstance(each, Prepayment) else -each.amount_minor
                balance -= amount
                rows.append(ScheduleRow(each.day, amount, 0, int(balance), "prepayment" if amount > 0 else "advance"))
            if period >= repays_from:
                interest = accrued + balance * rate * (year_fraction(terms.day_count, start, end) - since)
                plan(period, balance + interest)
                lowered = not isinstance(each, Advance) and terms.kind not in ("bullet", "equal_principal") and amounts[0] < round(interest)
                if lowered and period + 1 < terms.periods:
                    plan(period + 1, balance * factor(period + 1))
                    planned_from, amounts = period, [round(interest), *amounts]
            all_repaid = balance == 0 and not any(isinstance(later, Advance) and later.day >= end for later in dated)
        interest_minor = round(accrued + balance * rate * (year_fraction(terms.day_count, start, end) - since))
        if period == terms.periods - 1 or all_repaid:
            principal = balance
        elif period < repays_from:
            principal = Fraction(-interest_minor if period < capitalised else 0)
        else:
            planned = amounts[period - planned_from]
            principal = min(balance, Fraction(planned if terms.kind in ("bullet", "equal_principal") else planned - interest_minor))
        balance -= principal
        rows.append(ScheduleRow(end, int(principal), interest_minor, int(balance)))
        if all_repaid:
            break
    return rows


@st.composite
def terms_of_all_kinds(draw: st.DrawFn, *, dated: bool = False) -> Terms:
    periods = draw(st.integers(1, 24))
    capitalised = draw(st.integers(0, min(4, periods - 1)))
    kind = draw(st.sampled_from(KINDS))
    start = draw(st.dates(date(1990, 1, 1), date(2040, 12, 31)))
    principal = draw(st.integers(1_000_00, 10**12))
    rates = st.fractions(0, 30, max_denominator=1000)
    every = draw(st.sampled_from(["1w", "2w", "1m", "3m", "6m", "1y"]))
    within = st.dates(start, due_dates(start, every, periods)[-1]).filter(lambda day: day < due_dates(start, every, periods)[-1])
    amounts = st.integers(1, 40_00)
    return Terms(
        principal_minor=principal,
        annual_rate_pct=draw(rates),
        start=start,
        periods=periods,
        every=every,
        day_count=draw(st.sampled_from(["30/360", "30E/360", "ACT/360", "ACT/365F", "ACT/ACT ISDA"])),
        kind=kind,
        capitalised_periods=capitalised,
        interest_only_periods=draw(st.integers(0, min(4, periods - 1 - capitalised))),
        balloon_minor=draw(st.integers(1, principal)) if kind == "balloon" else None,
        step=Step(draw(st.integers(1, periods)), draw(st.fractions("1/2", 2, max_denominator=100))) if kind == "step" else None,
        advances=tuple(draw(st.lists(st.builds(Advance, within, amounts), max_size=3))) if dated else (),
        prepayments=tuple(draw(st.lists(st.builds(Prepayment, within, amounts), max_size=3))) if dated else (),
        rate_resets=tuple(draw(st.lists(st.builds(RateChange, within, rates), max_size=3))) if dated else (),
    )


@given(terms_of_all_kinds())
@settings(max_examples=200)
def test_a_quick_schedule_equals_the_plain_one(terms: Terms) -> None:
    assert schedule(terms) == plain(terms)


@given(terms_of_all_kinds(dated=True))
@settings(max_examples=200)
def test_a_quick_schedule_equals_the_plain_one_whatever_happens_meanwhile(terms: Terms) -> None:
    try:
        rows = schedule(terms)
    except ScheduleError as error:
        assert error.code == "schedule_prepayment_above_balance"
    else:
        assert rows == plain(terms)


@given(terms_of_all_kinds(dated=True), st.sampled_from(["instalment", "term"]))
@settings(max_examples=200)
def test_principal_repaid_is_the_principal_lent_and_the_balance_ends_at_nothing(terms: Terms, reduces: Any) -> None:
    terms = msgspec.structs.replace(terms, prepayments=tuple(msgspec.structs.replace(each, reduces=reduces) for each in terms.prepayments))
    try:
        rows = schedule(terms)
    except ScheduleError as error:
        assert error.code in ("schedule_prepayment_above_balance", "schedule_repaid_before")
        return
    assert sum(row.principal_minor for row in rows) == terms.principal_minor
    balance = terms.principal_minor
    for row in rows:
        balance -= row.principal_minor
        assert row.balance_minor == balance >= 0
    assert rows[-1].balance_minor == 0


@given(st.integers(1, MAX_INTEGER), st.lists(st.fractions(1, 3, max_denominator=10**6), min_size=1, max_size=40))
def test_an_equal_instalment_is_the_formulas(balance: int, factors: list[Fraction]) -> None:
    until_end = [reduce(Fraction.__mul__, factors[k + 1 :], Fraction(1)) for k in range(len(factors))]
    basis = lcm(*(factor.denominator for factor in factors))
    first, *later = [int(factor * basis) for factor in factors]
    assert level_payments(balance * first, later, basis)[0] == round(balance * factors[0] * until_end[0] / sum(until_end))


@given(st.integers(0, 1000), st.lists(st.sampled_from([4, 5, 6, 8]), max_size=3), st.data())
@settings(max_examples=500)
def test_payments_between_two_bounds_are_the_exact_ones_also_where_they_lie_on_a_half(
    owed: int, later: list[int], data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, owed // 4))
    weights = data.draw(st.none() | st.lists(st.integers(1, 9), min_size=len(later) + 1, max_size=len(later) + 1))
    payment, divisor = exact_payment(owed, later, 4, left, weights)
    exact = [half_even(payment * weight, divisor) for weight in weights or [1]]
    assert level_payments(owed, later, 4, left=left, weights=weights) == exact


@pytest.mark.parametrize(
    ("owed", "left", "twice"),
    [(18, 0, 5), (54, 0, 15), (66, 15, 5)],  # 2.5, 7.5 and 2.5: of one bound alone, another would come out
)
def test_a_payment_that_lies_on_a_half_is_worked_out_in_full(owed: int, left: int, twice: int) -> None:
    payment, divisor = exact_payment(owed, [5], 4, left, None)
    assert 2 * payment == twice * divisor
    assert level_payments(owed, [5], 4, left=left) == [round(Fraction(twice, 2))]


@given(st.fractions())
def test_half_goes_to_the_even_one(amount: Fraction) -> None:
    assert round_half_even(amount) == round(amount)


# --- what is refused


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"principal_minor": 0}, "schedule_amount_out_of_range", "principal_minor"),
        ({"principal_minor": -1}, "schedule_amount_out_of_range", "principal_minor"),
        ({"principal_minor": 2**53}, "schedule_amount_out_of_range", "principal_minor"),
        ({"annual_rate_pct": Fraction(-1, 10**9)}, "schedule_rate_negative", "annual_rate_pct"),
        ({"annual_rate_pct": Fraction(1000)}, "schedule_rate_too_high", "annual_rate_pct"),
        ({"annual_rate_pct": Fraction(1, 10**13)}, "schedule_rate_too_exact", "annual_rate_pct"),
        ({"rate_resets": (RateChange(date(2024, 2, 1), Fraction(-1)),)}, "schedule_rate_negative", "rate_resets"),
        ({"start": date(1899, 12, 31)}, "schedule_day_out_of_range", "start"),
        ({"start": date(3000, 1, 1)}, "schedule_day_out_of_range", "start"),
        ({"start": date(2999, 8, 1)}, "schedule_too_long", "periods"),
        ({"periods": 0}, "schedule_periods_out_of_range", "periods"),
        ({"periods": -6}, "schedule_periods_out_of_range", "periods"),
        ({"periods": 1201}, "schedule_periods_out_of_range", "periods"),
        ({"periods": 1200, "every": "1y"}, "schedule_too_long", "periods"),
        ({"interest_only_periods": 6}, "schedule_lead_in_out_of_range", "interest_only_periods"),
        ({"interest_only_periods": -1}, "schedule_lead_in_out_of_range", "interest_only_periods"),
        ({"capitalised_periods": 6}, "schedule_lead_in_out_of_range", "capitalised_periods"),
        ({"capitalised_periods": 3, "interest_only_periods": 3}, "schedule_lead_in_out_of_range", "interest_only_periods"),
        ({"kind": "balloon"}, "schedule_kind_mismatch", "balloon_minor"),
        ({"balloon_minor": 1}, "schedule_kind_mismatch", "balloon_minor"),
        ({"kind": "balloon", "balloon_minor": 100_01}, "schedule_balloon_above_principal", "balloon_minor"),
        ({"kind": "balloon", "balloon_minor": 0}, "schedule_amount_out_of_range", "balloon_minor"),
        ({"kind": "step"}, "schedule_kind_mismatch", "step"),
        ({"step": Step(1, Fraction(2))}, "schedule_kind_mismatch", "step"),
        ({"kind": "step", "step": Step(0, Fraction(2))}, "schedule_step_out_of_range", "step"),
        ({"kind": "step", "step": Step(7, Fraction(2))}, "schedule_step_out_of_range", "step"),
        ({"kind": "step", "step": Step(1, Fraction(0))}, "schedule_step_out_of_range", "step"),
        ({"kind": "step", "step": Step(1, Fraction(101))}, "schedule_step_out_of_range", "step"),
        ({"kind": "bullet", "instalment_minor": 1}, "schedule_kind_mismatch", "instalment_minor"),
        ({"instalment_minor": 0}, "schedule_amount_out_of_range", "instalment_minor"),
        ({"instalment_minor": 50}, "schedule_never_amortises", "instalment_minor"),
        ({"instalment_minor": 100}, "schedule_never_amortises", "instalment_minor"),
        ({"annual_rate_pct": Fraction(100), "periods": 1200}, "schedule_never_amortises", "periods"),
        ({"adjustment": "following"}, "schedule_calendar_missing", "calendar"),
        ({"adjustment": "following", "calendar": "XX"}, "schedule_calendar_unknown", "calendar"),
        ({"advances": (Advance(date(2024, 2, 1), 0),)}, "schedule_amount_out_of_range", "advances"),
        ({"advances": (Advance(date(2023, 12, 31), 1),)}, "schedule_day_out_of_range", "advances"),
        ({"advances": (Advance(date(2024, 7, 1), 1),)}, "schedule_day_out_of_range", "advances"),
        ({"prepayments": (Prepayment(date(2024, 2, 1), -1),)}, "schedule_amount_out_of_range", "prepayments"),
        ({"prepayments": (Prepayment(date(2024, 2, 1), 83_76),)}, "schedule_prepayment_above_balance", "prepayments"),
        (
            {
                "prepayments": (Prepayment(date(2024, 2, 1), 80_00, "term"),),
                "advances": (Advance(date(2024, 6, 1), 1),),
            },
            "schedule_repaid_before",
            "advances",
        ),
        ({"principal_minor": MAX_INTEGER, "kind": "capitalised"}, "schedule_amount_out_of_range", "principal_minor"),
    ],
)
def test_terms_that_nobody_can_mean_are_refused(changes: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        schedule(with_terms(**changes))
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_hundred_percent_a_year_is_unusual_and_right() -> None:
    assert payments(schedule(with_terms(annual_rate_pct=Fraction(100), every="1y", kind="bullet", periods=2))) == [100_00, 200_00]


def test_a_loan_of_a_cent_is_repaid_with_the_last_payment() -> None:
    assert payments(schedule(with_terms(principal_minor=1))) == [0, 0, 0, 0, 0, 1]


@given(
    st.builds(
        with_terms,
        principal_minor=st.integers(1, MAX_INTEGER),
        annual_rate_pct=st.fractions(0, 100, max_denominator=100),
        periods=st.integers(1, 400),
        every=st.sampled_from(["1w", "1m", "1y"]),
        day_count=st.sampled_from(["30/360", "ACT/365F", "ACT/ACT ISDA"]),
        capitalised_periods=st.integers(0, 30),
        instalment_minor=st.none() | st.integers(1, MAX_INTEGER),
    )
)
@settings(max_examples=100)
def test_whatever_the_terms_they_make_a_schedule_or_an_error_that_says_why(terms: Terms) -> None:
    try:
        rows = schedule(terms)
    except ScheduleError as error:
        assert error.code in ("schedule_never_amortises", "schedule_amount_out_of_range", "schedule_lead_in_out_of_range")
    else:
        assert sum(row.principal_minor for row in rows) == terms.principal_minor
