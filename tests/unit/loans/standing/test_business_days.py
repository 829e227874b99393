"""Due dates that are no business days: how they move is a term of the loan, and its instalments are those of the calculator."""

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from services.loans.api.loan.terms import ScheduleBody
from services.loans.domain.loan.terms import fault_of_schedule
from services.loans.domain.standing.dated_facts import Advanced, Contract, Paid
from services.loans.domain.standing.periods import dated
from services.loans.domain.standing.standing import Account, figures_on, interest_on, opened, with_fact
from services.loans.events.terms import ScheduleTerms
from shared.journal.record import canonical

START = date(2025, 12, 31)  # a month later is Saturday, 31 January 2026: the next business day is in February
FRIDAY, SATURDAY, MONDAY = date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 2)
INTEREST = 1_200  # a month's, of 120,000 at 12%


def schedule(**changes: Any) -> ScheduleTerms:
    given: dict[str, Any] = {"kind": "equal", "start": START, "every": "1m", "periods": 12, "day_count": "30E/360", "calendar": "weekends"}
    return dated(ScheduleTerms(**given | changes))


def lent(**changes: Any) -> Account:
    contract = Contract(
        currency="AUD",
        commitment_minor=120_000,
        committed_on=START,
        schedule=schedule(**changes),
        rate_pct="12",
        default_margin_pct="3",
        commitment_fee_pct="0",
        available_until=START,
        establishment_fee_minor=0,
    )
    return with_fact(opened(contract), Advanced(id="adv", on=START, amount_minor=120_000))


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, MONDAY),
        ({"business_days": "following"}, MONDAY),
        ({"business_days": "modified_following"}, FRIDAY),
        ({"business_days": "none"}, SATURDAY),
        ({"calendar": "none"}, SATURDAY),
    ],
)
def test_the_first_instalment_is_due_on_the_day_that_the_terms_move_it_to(changes: dict[str, Any], due: date):
    account = lent(**changes)
    before, on = figures_on(account, date.fromordinal(due.toordinal() - 1)), figures_on(account, due)
    assert (before.due_minor, before.next_due) == (0, due)
    assert (on.due_minor, on.interest_minor) == (10_661, INTEREST), "with the interest of the whole period"


def test_what_is_due_before_its_period_ends_and_paid_bears_no_more_interest_of_that_period():
    account = lent(business_days="modified_following")
    paid = with_fact(account, Paid(id="pay", on=FRIDAY, amount_minor=10_661, due_first=True))
    assert (figures_on(paid, FRIDAY).due_minor, interest_on(paid, SATURDAY)) == (0, 0)
    left = 120_000 - (10_661 - INTEREST)
    assert interest_on(paid, MONDAY) * 360 * 100 == left * 2 * 12, "the 1st and 2nd of February, of months of 30 days"


def test_what_is_due_before_its_period_ends_and_not_paid_bears_the_default_margin_and_the_rate_once():
    account = lent(business_days="modified_following", day_count="ACT/365F")
    on, after = figures_on(account, FRIDAY), figures_on(account, SATURDAY)
    assert interest_on(account, SATURDAY) == 0, "until then it is billed already"
    assert after.overdue_since == FRIDAY
    assert interest_on(account, MONDAY) * 365 * 100 == 120_000 * 12 * 2, "from then on, on what is not due and on what is overdue"
    overdue_principal = on.due_minor - on.interest_minor
    margin = Fraction(overdue_principal * 3 + on.interest_minor * 15, 36_500)
    assert (after.due_minor, figures_on(account, MONDAY).due_minor) == (on.due_minor + round(margin), on.due_minor + round(margin * 3))


def test_interest_may_run_between_the_moved_days():
    moved = lent(business_days="modified_following", adjust_accrual=True, day_count="ACT/365F")
    assert figures_on(moved, FRIDAY).interest_minor == round(120_000 * 0.12 * 30 / 365)
    unmoved = lent(business_days="modified_following", day_count="ACT/365F")
    assert figures_on(unmoved, FRIDAY).interest_minor == round(120_000 * 0.12 * 31 / 365)


def test_terms_that_do_not_say_how_days_move_are_written_as_they_were():
    body = ScheduleBody.model_validate({"kind": "equal", "start": str(START), "every": "1m", "periods": 12, "calendar": "weekends"})
    assert {"business_days", "adjust_accrual"}.isdisjoint(msgspec.json.decode(canonical(body.terms())))
    said = body.model_copy(update={"business_days": "modified_following", "adjust_accrual": True}).terms()
    assert (said.business_days, said.adjust_accrual, said.due[0]) == ("modified_following", True, FRIDAY)


def test_days_that_move_by_no_calendar_are_refused():
    fault = fault_of_schedule(schedule(calendar="none", business_days="following"), 120_000, "12")
    assert fault is not None
    assert (fault.code, fault.field) == ("schedule_invalid", "/schedule/calendar")
