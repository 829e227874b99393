"""A call on the security of a material loan: met by its day, or the loan is in default."""

from typing import Any

from msgspec.structs import replace

from services.loans.domain.material.decider import timers
from services.loans.domain.material.defaults import RecordReplacement
from services.loans.domain.material.held import CheckCall, MarkSecurity, TopUpSecurity
from services.loans.events.material import MaterialDefaultCured, MaterialDefaulted
from shared.journal.decider import CancelTimer, Timer
from tests.stories.material import TERMS, TODAY, days, lent

WITHIN_THREE_DAYS = replace(TERMS, security=replace(TERMS.security, call_days=3))


def mark(price_minor: str = "48", on: Any = TODAY) -> MarkSecurity:
    return MarkSecurity(price_minor=price_minor, quoted_on=on, source="Fastmarkets", on=on)


def top_up(amount_minor: int) -> TopUpSecurity:
    return TopUpSecurity(amount_minor=amount_minor, reference=f"LC amendment of {amount_minor}")


def test_a_call_that_is_not_met_by_its_day_is_a_default_by_timer():
    loan = lent(terms=WITHIN_THREE_DAYS).given(mark())
    (called,) = loan.events
    assert called.call_due_on == days(3)
    assert timers(called) == [Timer("call", days(4), CheckCall(on=days(4)))]
    loan.when(CheckCall(on=days(3))).then()
    (defaulted,) = loan.when(CheckCall(on=days(4))).events
    assert isinstance(defaulted, MaterialDefaulted)
    assert (defaulted.cause, defaulted.owed_g) == ("margin_call", 10_150_000)
    after = loan.given(CheckCall(on=days(4)))
    after.when(CheckCall(on=days(5))).then()
    buy = RecordReplacement(bought_g=1000, cost_minor=48_000, source="tender", on=days(5))
    assert after.when(buy).events, "what was lent is bought at the borrower's cost, before its due day"


def test_a_call_that_is_met_in_time_is_none_any_more():
    loan = lent(terms=WITHIN_THREE_DAYS).given(mark(), top_up(100_000_000))
    assert (loan.state.call_minor, loan.state.call_due_on) == (0, None)
    assert timers(loan.events[-1]) == [CancelTimer("call")]
    loan.when(CheckCall(on=days(4))).then()


def test_another_mark_does_not_move_the_day_of_a_call():
    loan = lent(terms=WITHIN_THREE_DAYS).given(mark(), mark("50", days(2)))
    assert loan.state.call_due_on == days(3)
    fallen = loan.given(mark("25", days(2)))
    assert timers(fallen.events[-1]) == [CancelTimer("call")]
    fallen.when(CheckCall(on=days(4))).then()


def test_part_of_a_call_does_not_meet_it_and_the_rest_cures_the_default():
    loan = lent(terms=WITHIN_THREE_DAYS).given(mark(), top_up(50_000_000), CheckCall(on=days(4)))
    assert loan.state.default_cause == "margin_call"
    cured = loan.given(top_up(50_000_001))
    assert isinstance(cured.events[-1], MaterialDefaultCured)
    assert not cured.state.defaulted
    bought = loan.given(RecordReplacement(bought_g=1000, cost_minor=48_000, source="tender", on=days(4)), top_up(60_000_000))
    assert bought.state.defaulted


def test_a_call_without_a_day_is_no_default():
    loan = lent().given(mark())
    assert (loan.state.call_minor > 0, loan.state.call_due_on) == (True, None)
    loan.when(CheckCall(on=days(400))).then()


def test_more_security_counts_once():
    loan = lent(terms=WITHIN_THREE_DAYS).given(mark(), top_up(50_000_000))
    loan.when(top_up(50_000_000)).refused("top_up_reference_used", "/reference")
    loan.when(replace(top_up(1), reference="lc amendment  of 50000000 ")).refused("top_up_reference_used", "/reference")
    assert loan.when(top_up(50_000_001)).events
