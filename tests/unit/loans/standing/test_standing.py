"""Standing: what a loan owes on any day."""

from datetime import date
from fractions import Fraction

import pytest
from msgspec.structs import replace

from services.loans.domain.standing.dated_facts import (
    Advanced,
    BroughtForward,
    Contract,
    DatedFact,
    FallenDue,
    FeeDue,
    Paid,
    RateFrom,
    Reduced,
    Refunded,
    Rescheduled,
    WrittenOff,
)
from services.loans.domain.standing.periods import dated
from services.loans.domain.standing.standing import (
    Account,
    DueRow,
    books_on,
    bucket,
    figures_on,
    interest_on,
    opened,
    upcoming,
    with_fact,
    without_fact,
)
from services.loans.events.loan import BookChange
from services.loans.events.terms import ScheduleTerms

START = date(2024, 1, 1)
SIX_MONTHS = ScheduleTerms(kind="equal", start=START, every="1m", periods=6, day_count="30/360")
CONTRACT = Contract(
    currency="AUD",
    commitment_minor=100_00,
    committed_on=START,
    schedule=SIX_MONTHS,
    rate_pct="12",
    default_margin_pct="3",
    commitment_fee_pct="0",
    available_until=date(2024, 6, 30),
    establishment_fee_minor=0,
)


def given(*facts: DatedFact, contract: Contract = CONTRACT) -> Account:
    account = opened(contract)
    for fact in facts:
        account = with_fact(account, fact)
    return account


def advanced(amount_minor: int = 100_00, on: date = START, id: str = "adv_1") -> Advanced:
    return Advanced(id=id, on=on, amount_minor=amount_minor)


def paid(amount_minor: int, on: date, id: str = "pay_1", **terms) -> Paid:
    return Paid(id=id, on=on, amount_minor=amount_minor, **terms)


def test_what_was_advanced_comes_back_in_equal_instalments():
    rows = upcoming(given(advanced()), START)
    assert [row.principal_minor for row in rows] == [16_25, 16_41, 16_58, 16_74, 16_91, 17_11]
    assert [row.interest_minor for row in rows] == [1_00, 84, 67, 51, 34, 17]
    assert rows[-1] == DueRow(date(2024, 7, 1), 17_11, 17, 0, 0)


def test_what_is_refunded_beyond_the_credit_is_owed_before_the_same_day_s_write_off():
    account = given(advanced(), FallenDue(id="due", on=START), Refunded(id="back", on=START, amount_minor=10_00))
    account = with_fact(account, WrittenOff(id="off", on=START, amount_minor=30_00))
    assert figures_on(account, START).due_minor == 80_00
    assert figures_on(with_fact(account, paid(80_00, START, due_first=True)), START).due_minor == 0


def test_a_payment_on_the_due_date_pays_what_is_due_that_day():
    account = given(advanced(), paid(17_25, date(2024, 2, 1)))
    assert books_on(account, date(2024, 2, 1)) == BookChange(cash_minor=-82_75, principal_minor=83_75, interest_income_minor=-1_00)
    figures = figures_on(account, date(2024, 2, 1))
    assert (figures.repaid_minor, figures.overdue_minor, figures.next_due, figures.next_due_minor) == (16_25, 0, date(2024, 3, 1), 17_25)


def test_nothing_is_due_any_more_once_all_is_repaid():
    dues = [(row.due, row.principal_minor + row.interest_minor) for row in upcoming(given(advanced()), START)]
    account = given(advanced(), *(paid(amount, due, f"pay_{due}") for due, amount in dues))
    assert books_on(account, date(2024, 7, 1)) == BookChange(cash_minor=3_53, interest_income_minor=-3_53)
    assert figures_on(account, date(2024, 7, 1)).next_billing is None


def test_each_due_date_is_the_next_until_it_has_come():
    account = given(advanced())
    assert [figures_on(account, day).next_billing for day in (START, date(2024, 1, 31), date(2024, 2, 1))] == [
        date(2024, 2, 1),
        date(2024, 2, 1),
        date(2024, 3, 1),
    ]
    assert figures_on(given(), START).next_billing is None


def test_interest_of_a_day_is_known_and_not_booked_before_the_period_ends():
    account = given(advanced())
    assert interest_on(account, date(2024, 1, 16)) == 50
    assert figures_on(account, date(2024, 1, 16)).accrued_minor == 50
    assert books_on(account, date(2024, 1, 16)) == BookChange(cash_minor=-100_00, principal_minor=100_00)
    assert interest_on(account, date(2024, 1, 17)) == Fraction(160, 3)
    assert figures_on(account, date(2024, 2, 1)).accrued_minor == 0


def test_fees_are_paid_first_then_default_interest_interest_and_principal():
    """The example of docs/loan-standing.md."""
    account = given(advanced(), FeeDue(id="fee_1", on=date(2024, 3, 1), amount_minor=2_00))
    owed = books_on(account, date(2024, 3, 1))
    assert (owed.fees_minor, owed.default_interest_minor, owed.interest_minor) == (2_00, 5, 1_00 + 84 + 16)
    for amount_minor, left in ((1_00, (1_00, 5, 2_00)), (2_03, (0, 2, 2_00)), (3_00, (0, 0, 1_05)), (4_05, (0, 0, 0))):
        books = books_on(with_fact(account, paid(amount_minor, date(2024, 3, 1))), date(2024, 3, 1))
        assert (books.fees_minor, books.default_interest_minor, books.interest_minor) == left
        assert books.principal_minor == 100_00
    assert books_on(with_fact(account, paid(5_05, date(2024, 3, 1))), date(2024, 3, 1)).principal_minor == 99_00


def test_the_oldest_of_a_kind_is_paid_first():
    account = given(advanced(), paid(2_10, date(2024, 3, 1)))
    assert figures_on(account, date(2024, 3, 2)).overdue_since == date(2024, 2, 1)
    account = given(advanced(), paid(2_05 + 16_25, date(2024, 3, 1)))
    figures = figures_on(account, date(2024, 3, 2))
    assert (figures.overdue_since, figures.overdue_minor) == (date(2024, 3, 1), 16_41)


def test_what_is_beyond_is_kept_as_credit_and_pays_what_falls_due_by_itself():
    account = given(advanced(), paid(20_00, date(2024, 2, 1)))
    assert figures_on(account, date(2024, 2, 1)).credit_minor == 2_75
    assert figures_on(account, date(2024, 2, 29)).credit_minor == 2_75
    march = figures_on(account, date(2024, 3, 1))
    assert (march.credit_minor, march.due_minor, march.interest_minor) == (0, 17_25 - 2_75, 0)


def test_a_payment_beyond_all_that_is_owed_is_credit_in_the_end():
    account = given(advanced(), paid(200_00, START, prepays="instalment"))
    figures = figures_on(account, START)
    assert (figures.principal_minor, figures.credit_minor, figures.next_due) == (0, 100_00, None)
    assert figures_on(account, START).next_billing is None


def test_who_prepays_all_with_its_interest_owes_nothing_from_that_day():
    account = given(advanced(), paid(100_50, date(2024, 1, 16), prepays="term"))
    assert books_on(account, date(2024, 1, 16)) == BookChange(cash_minor=50, interest_income_minor=-50)
    assert figures_on(account, date(2024, 1, 16)).next_billing is None
    short = given(advanced(), paid(100_49, date(2024, 1, 16), prepays="term"))
    assert (figures_on(short, date(2024, 1, 16)).next_billing, figures_on(short, date(2024, 2, 1)).due_minor) == (date(2024, 2, 1), 1)


def test_on_one_day_money_is_lent_before_it_is_paid_back():
    account = given(paid(100_00, START, "a", prepays="instalment"), advanced(id="z"))
    assert books_on(account, START) == BookChange()


def test_a_prepayment_makes_instalments_smaller_or_fewer():
    on_the_day = date(2024, 2, 1)
    smaller = upcoming(given(advanced(), paid(17_25 + 40_00, on_the_day, prepays="instalment")), on_the_day)
    assert [row.principal_minor + row.interest_minor for row in smaller] == [9_01, 9_01, 9_01, 9_01, 9_04]
    fewer = upcoming(given(advanced(), paid(17_25 + 40_00, on_the_day, prepays="term")), on_the_day)
    assert [row.principal_minor + row.interest_minor for row in fewer] == [17_25, 17_25, 10_06]


def test_a_shortened_term_stays_so_when_the_rate_changes():
    rate = RateFrom(id="rate_1", on=date(2024, 2, 10), rate_pct="0")
    account = given(advanced(), paid(17_25 + 40_00, date(2024, 2, 1), prepays="term"), rate)
    assert [row.due for row in upcoming(account, date(2024, 2, 10))] == [date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)]


def test_a_prepayment_before_instalments_begin_leaves_those_to_come_as_they_were():
    contract = replace(CONTRACT, schedule=replace(SIX_MONTHS, interest_only_periods=2))
    planned = upcoming(given(advanced(), contract=contract), START)[2]
    account = given(advanced(), paid(30_00, date(2024, 1, 10), prepays="term"), contract=contract)
    rows = upcoming(account, date(2024, 1, 10))
    assert [row.principal_minor + row.interest_minor for row in rows[2:4]] == [planned.principal_minor + planned.interest_minor] * 2
    assert len(rows) == 5


def test_what_a_payment_that_begins_low_does_not_cover_becomes_principal():
    schedule = replace(SIX_MONTHS, kind="step", step="2", step_periods=1)
    account = given(advanced(), contract=replace(CONTRACT, rate_pct="36", schedule=schedule))
    first = upcoming(account, START)[0]
    assert (first.principal_minor, first.interest_minor, first.balance_minor) == (0, 1_84, 101_16)
    books = books_on(account, date(2024, 2, 1))
    assert (books.interest_minor, books.principal_minor, books.interest_income_minor) == (1_84, 101_16, -3_00)
    assert upcoming(account, START)[-1].balance_minor == 0


def test_where_planned_payments_are_below_the_interest_it_is_paid_alone():
    """What was prepaid on the 29th had earned 7.78: more than a payment of what is left."""
    prepaid = paid(95_00, date(2024, 1, 29), prepays="instalment")
    account = given(advanced(), prepaid, contract=replace(CONTRACT, rate_pct="100"))
    rows = upcoming(account, date(2024, 1, 29))
    assert [(row.principal_minor, row.interest_minor) for row in rows[:2]] == [(0, 7_81), (84, 42)]
    assert {row.principal_minor + row.interest_minor for row in rows[1:-1]} == {1_26}
    shorter = with_fact(account, paid(1_00, date(2024, 1, 30), "pay_2", prepays="term"))
    rows = upcoming(shorter, date(2024, 1, 30))
    assert [row.principal_minor + row.interest_minor for row in rows[:2]] == [7_80, 1_26]


def test_a_late_payment_costs_default_interest_and_a_back_dated_one_takes_it_back():
    late = paid(17_25, date(2024, 2, 16))
    account = given(advanced(), late)
    assert figures_on(account, date(2024, 2, 1)).overdue_minor == 0
    assert figures_on(account, date(2024, 2, 2)).overdue_since == date(2024, 2, 1)
    # Half a month's 3 % on 16.25 and 15 % on 1.00
    assert books_on(account, date(2024, 2, 16)).default_interest_income_minor == -3
    in_time = with_fact(without_fact(account, late.id), paid(17_25, date(2024, 2, 1)))
    assert in_time == given(advanced(), paid(17_25, date(2024, 2, 1)))
    assert books_on(in_time, date(2024, 2, 16)).default_interest_income_minor == 0


def test_default_interest_bears_none_itself():
    contract = replace(CONTRACT, rate_pct="0", default_margin_pct="12", schedule=replace(SIX_MONTHS, periods=1))
    account = given(advanced(), contract=contract)
    owed = [figures_on(account, date(2024, month, 1)).default_interest_minor for month in range(2, 7)]
    assert owed == [0, 1_00, 2_00, 3_00, 4_00]


def test_after_the_last_due_date_what_is_still_owed_is_billed_each_month():
    account = given(advanced(), contract=replace(CONTRACT, schedule=replace(SIX_MONTHS, kind="bullet", periods=1)))
    assert figures_on(account, date(2024, 2, 1)).next_billing == date(2024, 3, 1)
    march = figures_on(account, date(2024, 3, 1))
    assert (march.principal_minor, march.interest_minor, march.overdue_minor) == (100_00, 2_00, 101_00)
    settled = with_fact(account, paid(102_00 + march.default_interest_minor, date(2024, 3, 1)))
    assert figures_on(settled, date(2024, 3, 1)).next_billing is None


def test_a_zero_rate_earns_nothing():
    rows = upcoming(given(advanced(), contract=replace(CONTRACT, rate_pct="0")), START)
    assert [row.principal_minor for row in rows] == [16_67, 16_67, 16_67, 16_67, 16_67, 16_65]
    assert {row.interest_minor for row in rows} == {0}


def test_another_rate_counts_from_its_day_and_makes_other_instalments():
    account = given(advanced(), paid(17_25, date(2024, 2, 1)), RateFrom(id="rate_1", on=date(2024, 2, 16), rate_pct="24"))
    assert interest_on(account, date(2024, 3, 1)) == 0
    assert books_on(account, date(2024, 3, 1)).interest_minor == round(Fraction(83_75, 100) * Fraction(3, 2))
    assert figures_on(account, date(2024, 3, 1)).next_due_minor > 17_25


def test_interest_of_a_capitalised_period_becomes_principal_without_cash():
    account = given(advanced(), contract=replace(CONTRACT, schedule=replace(SIX_MONTHS, capitalised_periods=2)))
    march = books_on(account, date(2024, 3, 1))
    assert march == BookChange(cash_minor=-100_00, principal_minor=102_01, interest_income_minor=-2_01)
    assert figures_on(account, START).next_due == date(2024, 4, 1)


def test_what_is_not_advanced_costs_a_fee_while_it_is_available():
    contract = replace(CONTRACT, commitment_fee_pct="6", available_until=date(2024, 3, 16), establishment_fee_minor=1_00)
    account = given(advanced(40_00, on=date(2024, 2, 16)), contract=contract)
    assert books_on(account, date(2024, 2, 1)).fees_minor == 50
    assert books_on(account, date(2024, 2, 16)).fees_minor == 50 + 1_00
    assert books_on(account, date(2024, 3, 1)).fees_minor == 50 + 1_00 + 25 + 15
    assert -books_on(account, date(2024, 5, 1)).fee_income_minor == 50 + 1_00 + 25 + 15 + 15
    reduced = with_fact(account, Reduced(id="red_1", on=START, amount_minor=60_00))
    assert -books_on(reduced, date(2024, 5, 1)).fee_income_minor == 20 + 1_00 + 10


def test_an_establishment_fee_is_due_with_the_first_advance_whichever_is_learnt_first():
    contract = replace(CONTRACT, establishment_fee_minor=5_00)
    account = given(advanced(10_00, date(2024, 3, 5), "adv_2"), advanced(10_00, date(2024, 2, 5)), contract=contract)
    assert [books_on(account, date(2024, 2, day)).fees_minor for day in (4, 5)] == [0, 5_00]
    assert books_on(account, date(2024, 6, 5)).fee_income_minor == -5_00


def test_between_a_period_s_end_and_a_due_date_on_a_business_day_what_was_billed_costs_nothing():
    """1 June 2024 is a Saturday."""
    schedule = dated(replace(SIX_MONTHS, kind="bullet", periods=5, calendar="weekends"))
    account = given(advanced(), contract=replace(CONTRACT, schedule=schedule, default_margin_pct="3"))
    ends = [row.due for row in upcoming(account, START)]
    assert ends[-1] == date(2024, 6, 3)
    for number, due in enumerate(ends):
        account = with_fact(account, paid(1_00 if number < 4 else 101_00, due, f"pay_{number}"))
    assert books_on(account, date(2024, 6, 3)) == BookChange(cash_minor=5_00, interest_income_minor=-5_00)
    assert books_on(account, date(2024, 7, 3)) == books_on(account, date(2024, 6, 3))


def test_who_pays_after_a_due_date_that_was_moved_is_late_from_that_date_on():
    """From 3 to 13 June: the rate and the margin on 100.00, and both as default interest on 1.00."""
    schedule = dated(replace(SIX_MONTHS, start=date(2024, 5, 1), kind="bullet", periods=1, calendar="weekends"))
    account = given(advanced(on=date(2024, 5, 1)), contract=replace(CONTRACT, committed_on=date(2024, 5, 1), schedule=schedule))
    assert [figures_on(account, date(2024, 6, day)).overdue_minor for day in (1, 3, 4)] == [0, 0, 101_00]
    assert interest_on(account, date(2024, 6, 13)) == Fraction(100_00 * 12 * 10, 100 * 360)
    account = with_fact(account, paid(1, date(2024, 6, 13)))
    assert -books_on(account, date(2024, 6, 13)).default_interest_income_minor == 9


def test_repaid_in_kind_is_no_cash():
    account = given(advanced(), paid(17_25, date(2024, 2, 1), in_kind=True))
    books = books_on(account, date(2024, 2, 1))
    assert (books.cash_minor, books.goods_minor, books.principal_minor) == (-100_00, 17_25, 83_75)


def test_what_is_written_off_is_principal_first_and_a_recovery_makes_it_good_last():
    account = given(advanced(), WrittenOff(id="act_1", on=date(2024, 2, 1), amount_minor=30_00))
    books = books_on(account, date(2024, 2, 1))
    assert (books.principal_minor, books.interest_minor, books.written_off_minor) == (70_00, 1_00, 30_00)
    recovery = paid(90_00, date(2024, 2, 1), "rec_1", recovery=True)
    books = books_on(with_fact(account, recovery), date(2024, 2, 1))
    assert (books.principal_minor, books.interest_minor, books.written_off_minor, books.credit_minor) == (0, 0, 11_00, 0)
    books = books_on(with_fact(account, replace(recovery, amount_minor=102_00)), date(2024, 2, 1))
    assert (books.written_off_minor, books.credit_minor) == (0, -1_00)


def test_what_is_written_off_before_it_is_due_makes_instalments_smaller():
    account = given(advanced(), paid(17_25, date(2024, 2, 1)), WrittenOff(id="act_1", on=date(2024, 2, 1), amount_minor=40_00))
    rows = upcoming(account, date(2024, 2, 1))
    assert [row.principal_minor + row.interest_minor for row in rows] == [9_01, 9_01, 9_01, 9_01, 9_04]


def test_no_more_is_written_off_than_is_owed():
    account = given(advanced(), WrittenOff(id="act_1", on=date(2024, 2, 1), amount_minor=500_00))
    assert books_on(account, date(2024, 2, 1)) == BookChange(cash_minor=-100_00, interest_income_minor=-1_00, written_off_minor=101_00)
    assert figures_on(account, date(2024, 2, 1)).next_billing is None


@pytest.mark.parametrize("capitalise", [False, True])
def test_another_schedule_repays_what_is_not_due_and_what_is_overdue_if_it_was_agreed(capitalise: bool):
    schedule = ScheduleTerms(kind="equal_principal", start=date(2024, 2, 15), every="1m", periods=10, day_count="30/360")
    act = Rescheduled(id="act_1", on=date(2024, 2, 15), schedule=schedule, rate_pct="0", capitalise_overdue=capitalise)
    account = given(advanced(), act)
    before, after = books_on(account, date(2024, 2, 14)), figures_on(account, date(2024, 2, 15))
    assert before.principal_minor == 100_00
    # 83.75 was not due; overdue were 16.25, 1.00 and 0.02 of default interest.
    assert after.principal_minor == (101_02 if capitalise else 100_00)
    assert (after.overdue_minor, after.default_interest_minor) == ((0, 0) if capitalise else (17_25, 2))
    assert len(upcoming(account, date(2024, 2, 15))) == 10
    # The interest of February's first half, on what was owed then, is billed with the first period.
    assert upcoming(account, date(2024, 2, 15))[0].interest_minor == 39 + 8
    repaid = with_fact(account, paid(117_00, date(2024, 2, 15), prepays="instalment"))
    assert figures_on(repaid, date(2024, 2, 15)).next_billing is None


def test_days_before_another_schedule_starts_are_counted_from_its_agreement():
    """From 15 February to 31 March 46 days of 30/360, and 45 as seen from a 31st."""
    committed_on = date(2024, 1, 31)
    contract = replace(CONTRACT, committed_on=committed_on, schedule=replace(SIX_MONTHS, start=committed_on))
    schedule = replace(SIX_MONTHS, start=date(2024, 3, 31))
    act = Rescheduled(id="act_1", on=date(2024, 2, 15), schedule=schedule, rate_pct=None, capitalise_overdue=False)
    account = given(advanced(on=committed_on), act, contract=contract)
    assert interest_on(account, date(2024, 3, 31)) == Fraction(100_00 * 12, 100) * Fraction(15 + 46, 360)


def test_a_loan_brought_forward_owes_what_it_owed_elsewhere():
    contract = replace(CONTRACT, committed_on=date(2024, 4, 1), establishment_fee_minor=5_00)
    fact = BroughtForward(id="imp_1", on=date(2024, 4, 1), advanced_minor=100_00, repaid_minor=49_24)
    account = given(fact, contract=contract)
    assert books_on(account, date(2024, 4, 1)) == BookChange(cash_minor=-50_76, principal_minor=50_76)
    figures = figures_on(account, date(2024, 4, 1))
    assert (figures.advanced_minor, figures.repaid_minor, figures.fees_minor) == (100_00, 49_24, 0)
    assert [row.principal_minor for row in upcoming(account, date(2024, 4, 1))] == [16_75, 16_92, 17_09]


def test_arrears_are_told_by_the_days_since_the_oldest_due_date():
    account = given(advanced())
    days = (
        ((2, 1), "current"),
        ((2, 2), "1-30"),
        ((3, 2), "1-30"),
        ((3, 3), "31-60"),
        ((4, 2), "61-90"),
        ((5, 1), "61-90"),
        ((5, 2), "over 90"),
    )
    for (month, day), expected in days:
        on = date(2024, month, day)
        assert bucket(figures_on(account, on), on) == expected, on


def test_days_before_a_schedule_starts_are_counted_by_themselves():
    """To its start on the 31st 16 days of 30/360, and 29 from there to 29 February; from end to end it would be 44."""
    schedule = replace(SIX_MONTHS, start=date(2024, 1, 31))
    account = given(advanced(on=date(2024, 1, 15)), contract=replace(CONTRACT, committed_on=date(2024, 1, 15), schedule=schedule))
    assert interest_on(account, date(2024, 2, 28)) == Fraction(100_00 * 12, 100) * Fraction(16 + 28, 360)
    assert books_on(account, date(2024, 2, 29)).interest_minor == 1_50
