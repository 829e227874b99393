"""A payment is one person's word until another has found it in the bank's statement: nothing is closed or refunded over it before."""

from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.loan.books import owed_minor
from services.loans.domain.loan.payments import ReversePayment
from services.loans.domain.loan.servicing import CloseLoan, ClosePeriod, LookAtArrears
from services.loans.domain.standing.standing import figures_on
from services.loans.events.loan import LoanClosed, PaymentId, PaymentReconciled
from services.loans.events.terms import Refund
from shared.journal.decider import Refused
from tests.stories.loan import START, act, day_after, lent, months, payment, reconcile, sign_act

CLOSE = CloseLoan(reason="repaid", on=START)
ALL = payment("a", 120_000, START, prepays="instalment")
BEYOND = payment("a", 130_000, START, prepays="instalment")
REVERSED = ReversePayment(payment=PaymentId("pay_a"), reason="it never came", on=START)


def test_a_loan_is_not_closed_over_a_payment_that_is_one_person_s_word():
    repaid = lent(ALL)
    repaid.when(CLOSE).refused("payments_not_reconciled")
    assert isinstance(repaid.given(reconcile("a")).when(CLOSE).events[-1], LoanClosed)


def test_nothing_is_refunded_over_one_also_where_it_was_proposed_before():
    refund = Refund(amount_minor=10_000, reference="bank/back", on=START)
    lent(BEYOND).when(act(refund)).refused("payments_not_reconciled")
    proposed = lent(BEYOND, reconcile("a"), act(refund))
    proposed.given(payment("b", 1, START)).when(sign_act()).refused("payments_not_reconciled")
    assert proposed.when(sign_act()).events


def test_it_is_reconciled_once_by_another_than_has_recorded_it():
    paid = lent(ALL)
    paid.when(reconcile("a", by="sub_operator")).refused("payment_reconciled_by_same_person")
    paid.when(reconcile("b")).refused("payment_not_found", "path:payment")
    paid = paid.when(reconcile("a")).then(PaymentReconciled)
    paid.when(reconcile("a")).refused("payment_not_to_reconcile", "path:payment")
    lent(ALL, REVERSED).when(reconcile("a")).refused("payment_not_found")


OWN = [reconcile(name, by="sub_operator") for name in ("a", "b")]


@given(st.lists(st.sampled_from((ALL, payment("b", 7, START), *OWN, CLOSE))))
def test_no_payments_of_one_person_close_a_loan(commands: list[object]):
    loan = lent()
    for command in commands:
        later = loan.when(command)
        loan = loan if isinstance(later.answer, Refused) else later
    assert loan.state.status != "closed"


def test_one_that_never_came_stops_interest_until_it_is_reversed_and_then_that_is_charged_again():
    overdue = (ClosePeriod(on=months(1)), LookAtArrears(on=day_after(months(1))))
    never, late = lent(*overdue, default_margin_pct="3"), day_after(months(1))
    owed = figures_on(never.state.account, late)
    told = never.given(payment("a", owed.due_minor, late))
    in_march = months(2)
    stopped = figures_on(told.state.account, in_march)
    assert stopped.default_interest_minor == 0 and stopped.overdue_minor == 0
    back = told.given(ReversePayment(payment=PaymentId("pay_a"), reason="it never came", on=in_march))
    assert figures_on(back.state.account, in_march) == figures_on(never.state.account, in_march)
    assert owed_minor(back.state.figures) > owed_minor(stopped) + owed.due_minor
