"""Servicing a loan: payments of any day, in any order, and what the books say of them."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loans.domain.loan.advances import CancelCommitment, EndAvailability
from services.loans.domain.loan.agreement import CommitLoan
from services.loans.domain.loan.books import MAX_BOOKED_MINOR, owed_minor
from services.loans.domain.loan.covenants import ReportRatio
from services.loans.domain.loan.decider import DECIDER, Loan, timers
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.loan.payments import CreditDelivery, RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, ClosePeriod, ImportLoan, LookAtArrears, Regrade, ResetRate
from services.loans.domain.standing.standing import books_on, figures_on
from services.loans.events.loan import LoanId, PaymentId, PaymentRecorded
from services.loans.events.terms import Restructure, WaiveCovenant, WriteOff
from shared.journal.decider import Refused, Timer
from shared.terms.dating import DatingReason
from tests.stories.given import Given
from tests.stories.loan import (
    SHOWN,
    START,
    act,
    committed,
    day_after,
    learn,
    lent,
    minor,
    months,
    named,
    names,
    pay_out,
    payment,
    reconcile,
    request,
    sign_act,
    terms,
)

INSTALMENT = 10_662  # of 120,000 at 1% a month over 12 months


def test_a_period_s_interest_is_billed_on_its_last_day():
    loan = lent().given(ClosePeriod(on=months(1)))
    happened = loan.events
    assert names(happened) == ["PeriodClosed"]
    assert minor(happened[0].change) == {"interest": 1_200, "interest_income": -1_200}
    assert (happened[0].after.due_minor, happened[0].after.overdue_minor) == (INSTALMENT, 0)
    assert loan.state.booked_through == months(1)


def test_a_payment_pays_interest_and_then_principal():
    happened = lent().given(ClosePeriod(on=months(1)), payment("a", INSTALMENT, months(1))).events
    assert minor(happened[-1].change) == {"cash": INSTALMENT, "interest": -1_200, "principal": -(INSTALMENT - 1_200)}
    assert happened[-1].after.due_minor == 0


def test_a_late_told_payment_counts_for_its_own_day_and_takes_back_what_was_billed_too_much():
    late = lent(ClosePeriod(on=months(1)), ClosePeriod(on=months(2)))
    paid = late.given(payment("a", 60_000, months(1), on=months(2), prepays="instalment"))
    happened = paid.events
    change = minor(happened[0].change)
    assert change["cash"] == 60_000
    assert change["interest_income"] > 0, "interest was billed on principal that had been repaid by then"
    in_order = lent(ClosePeriod(on=months(1)), payment("a", 60_000, months(1), prepays="instalment"), ClosePeriod(on=months(2)))
    assert paid.state.figures == in_order.state.figures
    assert paid.state.booked == in_order.state.booked


def test_a_reversed_payment_never_counted_and_its_reference_may_be_told_again():
    before = lent(ClosePeriod(on=months(1)))
    reverse = ReversePayment(payment=PaymentId("pay_a"), reason="of another loan", on=months(1))
    loan = before.given(payment("a", INSTALMENT, months(1)), reverse)
    happened = loan.events
    assert loan.state.figures == before.state.figures
    assert minor(happened[-1].change)["cash"] == -INSTALMENT
    loan.when(reverse).refused("payment_not_found")
    again = payment("b", INSTALMENT, months(1))
    assert loan.given(type(again)(**_with(again, reference="bank/a"))).events


def test_more_than_is_owed_is_kept_as_credit_and_shown():
    happened = lent().given(payment("a", 130_000, START, prepays="instalment")).events
    assert names(happened) == ["PaymentRecorded", "LoanRepaid"]
    assert happened[0].after.credit_minor == 10_000
    assert minor(happened[0].change) == {"cash": 130_000, "principal": -120_000, "credit": -10_000}


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (payment("a", 0, START), "amount_invalid", "/amount_minor"),
        (payment("a", -1, START), "amount_invalid", "/amount_minor"),
        (payment("a", 1, date(2026, 1, 5), on=START), "date_before_loan", "/received_on"),
        (payment("a", 1, date(2026, 1, 7), on=START), "date_in_future", "/received_on"),
        (payment("first", 1, START), "payment_reference_used", "/reference"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(command: Any, code: str, field: str):
    lent(payment("first", 1, START)).when(command).refused(code, field)


def test_a_payment_for_another_day_says_why():
    late = payment("a", 1, START, on=months(1))
    lent().when(msgspec.structs.replace(late, dated_because=None)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    assert lent().when(late).then(PaymentRecorded).events[0].dated_because == "paper_late"
    assert lent().when(payment("a", 1, START)).events[0].dated_because is None


def test_a_delivery_is_credited_at_its_value_without_cash_and_once():
    credit = CreditDelivery(
        payment=PaymentId("pay_d"), right="rgt_1", lot="lot_1", amount_minor=INSTALMENT, received_on=months(1), on=months(1)
    )
    loan = lent().given(ClosePeriod(on=months(1)), credit)
    happened = loan.events
    assert minor(happened[-1].change) == {"goods": INSTALMENT, "interest": -1_200, "principal": -(INSTALMENT - 1_200)}
    loan.when(credit).then()


def test_a_delivery_beyond_what_is_due_prepays_where_the_agreement_says_so():
    def credit(prepays: Any) -> CreditDelivery:
        return CreditDelivery(
            payment=PaymentId("pay_d"), right="rgt_1", lot="lot_1", amount_minor=50_000, received_on=START, prepays=prepays, on=START
        )

    kept, repaid = (lent().given(credit(prepays)).state.figures for prepays in ("nothing", "instalment"))
    assert kept is not None
    assert repaid is not None
    assert (kept.principal_minor, kept.credit_minor) == (120_000, 50_000)
    assert (repaid.principal_minor, repaid.credit_minor) == (70_000, 0)


def test_arrears_have_their_buckets_by_days_past_due():
    loan = lent(ClosePeriod(on=months(1)))
    seen = []
    for days in (0, 1, 30, 31, 61, 91):
        on = date.fromordinal(months(1).toordinal() + days)
        loan = loan.given(LookAtArrears(on=on))
        happened = loan.events
        seen += [(days, event.bucket) for event in happened if type(event).__name__ == "ArrearsChanged"]
    assert seen == [(1, "1-30"), (31, "31-60"), (61, "61-90"), (91, "over 90")]
    assert loan.given(payment("all", 60_000, on)).events[-1].bucket == "current"


def test_what_falls_due_and_what_becomes_overdue_are_timers():
    happened = lent().given(ClosePeriod(on=months(1)), LookAtArrears(on=day_after(months(1)))).events
    closed = {timer.name: timer.due for timer in timers(happened[0]) if isinstance(timer, Timer)}
    assert closed == {"period": months(2), "arrears": day_after(months(1))}
    looked = {timer.name: timer.due for timer in timers(happened[1]) if isinstance(timer, Timer)}
    assert looked == {"period": months(2), "arrears": date(2026, 3, 9)}  # 31 days after 6 February


def test_a_rate_from_a_day_on_is_the_last_one_told_for_it():
    def reset(base_pct: str) -> ResetRate:
        return ResetRate(base_pct=base_pct, source="BBSW", from_on=START, on=START)

    loan = lent().given(reset("22"), reset("4"), ClosePeriod(on=months(1)))
    assert loan.state.booked.interest_minor == 600
    for base_pct in ("-1", "99", "1000"):
        loan.when(reset(base_pct)).refused("loan_rate_invalid")


@pytest.mark.parametrize(
    ("agreed", "day"),
    [
        (ChargeFee(fee="fee_1", text="waiver fee", amount_minor=500, due_on=START, on=months(1)), "due_on"),
        (ResetRate(base_pct="4", source="BBSW", from_on=START, on=months(1)), "from_on"),
    ],
)
def test_what_is_agreed_for_a_day_before_its_proposal_says_why(agreed: Any, day: str):
    lent().when(agreed).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    late = msgspec.structs.replace(agreed, dated_because="reported_late")
    assert lent().when(late).events[0].dated_because == "reported_late"
    assert lent().when(msgspec.structs.replace(agreed, reported_on=START)).events[0].dated_because is None
    assert lent().when(msgspec.structs.replace(agreed, **{day: months(2)})).events[0].dated_because is None


def test_a_fee_is_owed_from_its_day():
    fee = ChargeFee(fee="fee_1", text="waiver fee", amount_minor=500, due_on=months(1), on=START)
    loan = lent().given(fee, ClosePeriod(on=months(1)))
    happened = loan.events
    assert minor(happened[0].change) == {}
    assert loan.state.booked.fees_minor == 500


def test_a_covenant_is_breached_cured_and_waived_by_what_is_reported():
    def report(ratio: str, for_on: date) -> ReportRatio:
        return ReportRatio(kind="dscr", ratio=ratio, for_on=for_on, source="accounts", on=date(2026, 12, 31))

    loan = lent().given(report("1.3", date(2026, 3, 31)), report("13/11", date(2026, 6, 30)), report("1.31", date(2026, 9, 30)))
    happened = loan.events
    assert [event.standing for event in happened] == ["kept", "breached", "cured"]
    waived = WaiveCovenant(kind="dscr", until=date(2026, 12, 31))
    happened = loan.given(act(waived), sign_act(), report("1", date(2026, 12, 31))).events
    assert happened[-1].standing == "waived"
    loan.when(report("1", date(2027, 1, 1))).refused("date_in_future")


def test_nothing_is_lent_to_a_borrower_who_breaches_a_covenant():
    def report(ratio: str, for_on: date) -> ReportRatio:
        return ReportRatio(kind="dscr", ratio=ratio, for_on=for_on, source="accounts", on=date(2026, 6, 30))

    loan = committed(learn(*SHOWN), request("a", 1), report("1", date(2026, 3, 31)))
    loan.when(request("b", 1)).refused("covenant_breached")
    loan.when(pay_out("a")).refused("covenant_breached")
    assert loan.given(report("2", date(2026, 6, 30)), pay_out("a")).events


def test_a_waiver_lets_advances_through_until_its_last_day_and_no_longer():
    broken = ReportRatio(kind="dscr", ratio="1", for_on=START, source="accounts", on=START)
    waived = WaiveCovenant(kind="dscr", until=date(2026, 3, 31))
    loan = committed(learn(*SHOWN), request("a", 1), request("b", 1), broken, act(waived), sign_act())
    loan.given(pay_out("a", date(2026, 3, 31)))
    loan.when(pay_out("b", date(2026, 4, 1))).refused("covenant_breached")


def test_a_figure_for_an_earlier_day_that_is_told_late_cures_nothing():
    def report(ratio: str, for_on: date) -> ReportRatio:
        return ReportRatio(kind="dscr", ratio=ratio, for_on=for_on, source="accounts", on=date(2026, 6, 30))

    loan = committed(learn(*SHOWN)).given(report("1", date(2026, 6, 30)), report("2", date(2026, 3, 31)))
    happened = loan.events
    assert [event.standing for event in happened] == ["breached", "kept"]
    loan.when(request()).refused("covenant_breached")


def test_a_provision_is_what_it_was_and_what_it_changes():
    def regrade(provision_minor: int) -> Regrade:
        return Regrade(grade="B", stage=2, provision_minor=provision_minor, reason="late")

    happened = lent().given(regrade(500), regrade(200)).events
    assert [(event.provision_minor, event.change_minor) for event in happened] == [(500, 500), (200, -300)]
    lent().when(regrade(-1)).refused("amount_invalid")


def test_a_default_is_recovered_written_off_and_closed():
    end = months(2)
    loan = lent(ClosePeriod(on=months(1)), DeclareDefault(reason="insolvent", on=months(1)), ClosePeriod(on=end))
    recovery = RecordRecovery(payment=PaymentId("pay_r"), reference="bank/r", amount_minor=50_000, received_on=end, on=end)
    loan = loan.given(recovery)
    loan.when(CloseLoan(reason="over", on=end)).refused("loan_still_owed")
    assert loan.state.figures is not None
    owed = owed_minor(loan.state.figures)
    answer = loan.when(act(WriteOff(amount_minor=owed + 1, on=end), on=end)).refused("write_off_beyond_owed")
    assert answer.accepted == f"1 to {owed}"
    loan = loan.given(act(WriteOff(amount_minor=owed, on=end), on=end), sign_act(on=end), CloseLoan(reason="over", on=end))
    happened = loan.events
    assert loan.state.booked.written_off_minor == owed
    assert names(happened)[-1] == "LoanClosed"


def test_a_fee_that_has_accrued_is_billed_before_a_loan_is_repaid_or_closed():
    """A commitment fee of 12% on 20,000 that are never advanced: 100 for the half of a month."""
    half = date(2026, 1, 21)
    loan = committed(learn(*SHOWN), request("a", 100_000), pay_out("a"), commitment_fee_pct="12")
    gone = CancelCommitment(amount_minor=None, reason="enough", on=half)
    loan = loan.given(gone, payment("all", 100_600, half, prepays="instalment"), reconcile("all"))
    happened = loan.events
    assert "LoanRepaid" not in names(happened)
    loan = loan.given(ClosePeriod(on=months(1)))
    assert loan.state.status == "repaid", "what was paid beyond what was owed has paid the fee"
    assert loan.state.booked.fee_income_minor == -100
    assert loan.given(CloseLoan(reason="over", on=months(1))).events


def test_a_loan_that_is_not_committed_takes_no_payment():
    Given(DECIDER).when(payment("a", 1, START)).refused("loan_not_found")


def _with(command: Any, **changes: Any) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__} | changes


# Whatever happens


DAYS = st.integers(0, 500).map(lambda days: date.fromordinal(START.toordinal() + days))
FACTS = st.lists(st.tuples(DAYS, st.integers(1, 40_000), st.sampled_from(["nothing", "instalment", "term"])), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(FACTS, st.randoms(use_true_random=False), st.booleans())
def test_any_order_in_which_the_same_payments_become_known_gives_the_same_standing(facts: list[Any], order: Any, reverse: bool):
    today = date(2027, 12, 31)
    commands = [payment(str(number), amount, day, on=today, prepays=prepays) for number, (day, amount, prepays) in enumerate(facts)]
    wrong = payment("wrong", 777, START, on=today)
    undone = ReversePayment(payment=wrong.payment, reason="wrong", on=today)
    shuffled = order.sample(commands, len(commands))
    first = lent().given(*commands)
    second = lent().given(*([wrong, *shuffled, undone] if reverse else shuffled))
    happened = second.events
    assert (first.state.figures, first.state.booked) == (second.state.figures, second.state.booked)
    _hold(second.state, happened)


@settings(max_examples=60, deadline=None)
@given(FACTS)
def test_the_books_sum_to_zero_and_are_what_the_loan_says_of_itself(facts: list[Any]):
    in_order = sorted(facts)
    commands = [payment(str(number), amount, day, prepays=prepays) for number, (day, amount, prepays) in enumerate(in_order)]
    loan = lent()
    for command in commands:
        loan = loan.given(command)
        happened = loan.events
        _hold(loan.state, happened)


def _hold(loan: Loan, happened: list[Any]) -> None:
    assert loan.account is not None
    assert loan.figures is not None
    for event in happened:
        if (change := getattr(event, "change", None)) is not None:
            assert sum(minor(change).values()) == 0
    assert sum(minor(loan.booked).values()) == 0
    assert loan.booked == books_on(loan.account, loan.booked_through)
    assert loan.figures == figures_on(loan.account, loan.booked_through)
    assert loan.figures.principal_minor == loan.booked.principal_minor >= 0
    assert loan.figures.advanced_minor - loan.figures.repaid_minor == loan.figures.principal_minor
    assert loan.figures.credit_minor == -loan.booked.credit_minor >= 0


def test_timers_of_a_loan_that_is_not_there_do_nothing():
    for command in (ClosePeriod(on=START), LookAtArrears(on=START)):
        Given(DECIDER).when(command).then()


@pytest.mark.parametrize(
    "command",
    [
        ResetRate(base_pct="5", source="Reserve Bank", from_on=date(2999, 12, 31), on=START),
        ChargeFee(fee="fee_1", text="agency", amount_minor=1, due_on=date(2999, 12, 31), on=START),
        act(
            Restructure(schedule=msgspec.structs.replace(terms().schedule, start=date(2990, 1, 1)), rate_pct=None, capitalise_overdue=False)
        ),
    ],
)
def test_what_is_planned_for_a_far_day_is_refused_and_not_worked_out(command: Any):
    lent().when(command).refused("date_in_future")


def test_a_sunset_that_is_noticed_late_puts_the_fees_of_later_days_right():
    late = (ClosePeriod(on=months(8)), EndAvailability(cause="sunset", on=date(2026, 7, 1)))
    loan = committed(commitment_fee_pct="3").given(*late)
    happened = loan.events
    assert names(happened)[-2:] == ["CommitmentCancelled", "PeriodClosed"]
    assert minor(happened[-1].change)["fees"] < 0
    assert loan.state.booked == books_on(loan.state.account, loan.state.booked_through)


@pytest.mark.parametrize("name", ["payment", "fee"])
def test_no_amounts_together_make_an_event_that_nobody_could_read_again(name: str):
    def enter(number: int, amount_minor: int) -> Any:
        if name == "payment":
            return payment(str(number), amount_minor, START)
        return ChargeFee(fee=f"fee_{number}", text="agency", amount_minor=amount_minor, due_on=START, on=START)

    loan = lent().given(enter(1, MAX_BOOKED_MINOR - 120_000))
    loan.when(enter(2, MAX_BOOKED_MINOR)).refused("amount_invalid", "/amount_minor")


# When a loan is repaid


def test_a_fee_that_comes_after_the_last_payment_reopens_the_loan_until_it_is_paid():
    fee = ChargeFee(fee="fee_1", text="agency", amount_minor=100, due_on=day_after(START), on=day_after(START))
    loan = lent().given(payment("1", 120_000, START, prepays="instalment"), fee)
    assert loan.state.status == "committed"
    loan = loan.given(payment("2", 100, day_after(START)))
    happened = loan.events
    assert (names(happened), loan.state.status) == (["PaymentRecorded", "LoanRepaid"], "repaid")


def test_to_reverse_what_was_paid_beyond_all_that_was_owed_leaves_a_loan_repaid():
    paid = (payment("1", 120_000, START, prepays="instalment"), payment("2", 500, START))
    loan = lent().given(*paid, ReversePayment(payment=PaymentId("pay_2"), reason="twice", on=START))
    assert loan.state.status == "repaid"
    assert loan.given(ReversePayment(payment=PaymentId("pay_1"), reason="bounced", on=START)).state.status == "committed"


@pytest.mark.parametrize(
    "last",
    [
        CancelCommitment(amount_minor=None, reason="enough", on=START),
        EndAvailability(cause="availability", on=date(2027, 1, 1)),
    ],
)
def test_a_loan_of_which_all_is_paid_back_is_repaid_once_nothing_more_will_be_advanced(last: Any):
    loan = committed(learn(*SHOWN), request(amount_minor=50_000), pay_out(), payment("1", 50_000, START, prepays="instalment"))
    loan = loan.given(last)
    happened = loan.events
    assert (names(happened), loan.state.status) == (["CommitmentCancelled", "LoanRepaid"], "repaid")


def test_a_loan_that_was_repaid_elsewhere_is_imported_as_repaid():
    brought = ImportLoan(
        loan=LoanId("lon_2"),
        terms=terms(),
        document=named("import"),
        reference="OLD-7",
        as_of=START,
        advanced_minor=120_000,
        repaid_minor=120_000,
        by="sub_administrator",
        on=START,
    )
    loan = Given(DECIDER, brought, CommitLoan(on=START))
    happened = loan.events
    assert (names(happened)[-1], loan.state.status) == ("LoanRepaid", "repaid")
    backdated = msgspec.structs.replace(brought, as_of=date(1900, 1, 1))
    answer = Given(DECIDER).when(backdated).answer
    assert isinstance(answer, Refused) and answer.field == "/as_of"
    nothing = msgspec.structs.replace(brought, terms=terms(establishment_fee_minor=700), advanced_minor=0, repaid_minor=0)
    loan = Given(DECIDER, nothing, CommitLoan(on=START), learn(*SHOWN), request(), pay_out())
    assert loan.state.booked.fees_minor == 700, "its first advance is made here"
