"""Standing: what a loan owes on any day."""

from datetime import date

from services.loans.domain.dated_facts import Advanced, Contract, Paid
from services.loans.domain.standing import Account, Row, books_on, figures_on, next_due, opened, upcoming, with_fact
from services.loans.events.loan import BookChange, ScheduleTerms

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


def given(*facts, contract: Contract = CONTRACT) -> Account:
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
    assert rows[-1] == Row(date(2024, 7, 1), 17_11, 17, 0, 0)


def test_a_payment_on_the_due_date_pays_what_is_due_that_day():
    account = given(advanced(), paid(17_25, date(2024, 2, 1)))
    assert books_on(account, date(2024, 2, 1)) == BookChange(cash_minor=-82_75, principal_minor=83_75, interest_income_minor=-1_00)
    figures = figures_on(account, date(2024, 2, 1))
    assert (figures.repaid_minor, figures.overdue_minor, figures.next_due, figures.next_due_minor) == (16_25, 0, date(2024, 3, 1), 17_25)


def test_nothing_is_due_any_more_once_all_is_repaid():
    dues = [(row.due, row.principal_minor + row.interest_minor) for row in upcoming(given(advanced()), START)]
    account = given(advanced(), *(paid(amount, due, f"pay_{due}") for due, amount in dues))
    assert books_on(account, date(2024, 7, 1)) == BookChange(cash_minor=3_53, interest_income_minor=-3_53)
    assert next_due(account, date(2024, 7, 1)) is None
