"""A loan in default: what it costs, what cures it, and how it ends."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from services.loans.domain.facility import headroom
from services.loans.domain.facility.headroom import OpenFacility, ReserveHeadroom, TellDefault
from services.loans.domain.loan.books import owed_minor
from services.loans.domain.loan.covenants import ReportRatio
from services.loans.domain.loan.decider import timers
from services.loans.domain.loan.defaults import DeclareDefault, FallDue, NoteCrossDefault
from services.loans.domain.loan.payments import RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, ClosePeriod, LookAtArrears
from services.loans.domain.standing.standing import books_on, figures_on
from services.loans.events.defaults import DefaultCured, LoanAccelerated
from services.loans.events.facility import CommitmentId, FacilityId, Limit
from services.loans.events.loan import LoanId, PaymentId
from services.loans.events.terms import Accelerate, EndEnforcement, Refund, Reinstate, Restructure, WaiveCovenant, WriteOff
from shared.journal.decider import CancelTimer, Timer
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
    months,
    names,
    pay_out,
    payment,
    reconcile,
    request,
    sign_act,
    terms,
)

MARGIN = {"default_margin_pct": "3", "acceleration_notice_days": 10}
OVERDUE = (ClosePeriod(on=months(1)), LookAtArrears(on=day_after(months(1))))
DECLARED = day_after(months(1))
FALLS_DUE = DECLARED + timedelta(days=10)


def declare(cause: Any = "payment", on: date = DECLARED) -> DeclareDefault:
    return DeclareDefault(reason="not paid", cause=cause, on=on)


def notice(falls_due_on: date = FALLS_DUE, on: date = DECLARED) -> tuple[Any, Any]:
    return act(Accelerate(on=falls_due_on), "notice", on=on), sign_act("notice", on=on)


def due_on(loan: Given, on: date) -> int:
    return figures_on(loan.state.account, on).due_minor


def recovery(name: str, amount_minor: int, on: date) -> RecordRecovery:
    return RecordRecovery(payment=PaymentId(f"pay_{name}"), reference=f"bank/{name}", amount_minor=amount_minor, received_on=on, on=on)


def test_what_is_recovered_on_another_day_than_that_of_the_proposal_says_why():
    loan, on = lent(*OVERDUE, declare(), **MARGIN), DECLARED + timedelta(days=3)
    signed_later = msgspec.structs.replace(recovery("a", 100, DECLARED), on=on)
    loan.when(msgspec.structs.replace(signed_later, reported_on=on)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    late = msgspec.structs.replace(signed_later, reported_on=on, dated_because="reported_late")
    assert loan.when(late).events[0].dated_because == "reported_late"
    assert loan.when(msgspec.structs.replace(signed_later, reported_on=DECLARED)).events[0].dated_because is None


def accelerated(*happened: Any) -> Given:
    return lent(*OVERDUE, declare(), *notice(), FallDue(on=FALLS_DUE), *happened, **MARGIN)


def test_default_interest_to_the_day_is_due_and_paying_what_is_due_leaves_nothing_due():
    loan = lent(*OVERDUE, **MARGIN)
    on = months(1) + timedelta(days=20)
    figures = figures_on(loan.state.account, on)
    assert figures.due_minor > figures.overdue_minor, "default interest is due, too"
    paid = loan.given(payment("all", figures.due_minor, on))
    assert (paid.state.figures.due_minor, paid.state.figures.overdue_minor, paid.state.bucket) == (0, 0, "current")


def test_what_is_billed_for_a_later_business_day_is_paid_after_what_is_due():
    """A period ends on a Saturday: it is billed, and due on Monday. Until then only the instalment before it is due."""
    loan = lent(
        ClosePeriod(on=months(1)),
        schedule=terms().schedule.__class__(
            kind="equal",
            start=START,
            every="1m",
            periods=12,
            day_count="30/360",
            due=tuple(months(n) + timedelta(days=4) for n in range(1, 13)),
        ),
        **MARGIN,
    )
    on = months(2) + timedelta(days=1)
    due_minor = due_on(loan, on)
    assert due_minor > 0
    paid = loan.given(ClosePeriod(on=months(2)), payment("a", due_minor, on))
    assert paid.state.figures.due_minor == 0


def test_all_of_it_falls_due_on_the_day_that_the_notice_says_and_bears_default_interest_from_then_on():
    happened = lent(*OVERDUE, **MARGIN).given(declare(), *notice()).events
    assert names(happened) == ["LoanDefaulted", "ActProposed", "ActApproved", "AuthorityCited", "AccelerationNotified"]
    assert timers(happened[-1]) == [Timer("acceleration", FALLS_DUE, FallDue(on=FALLS_DUE))]
    loan = accelerated()
    figures = loan.state.figures
    assert "LoanAccelerated" in names(loan.events)
    assert figures.due_minor == owed_minor(figures) > 120_000
    later = date(2026, 3, FALLS_DUE.day)
    margin = figures_on(loan.state.account, later)
    assert margin.due_minor == owed_minor(margin)
    assert margin.due_minor - figures.due_minor == pytest.approx((120_000 + 1_600) * 0.15 / 12, abs=5), "the rate and 3% more, on all of it"
    paid = loan.given(payment("all", due_on(loan, later), later))
    assert names(paid.events) == ["PaymentRecorded", "ArrearsChanged", "LoanRepaid"]
    assert owed_minor(paid.state.figures) == paid.state.figures.credit_minor == 0


def test_a_timer_that_is_late_counts_for_the_day_of_the_notice():
    late = lent(*OVERDUE, declare(), *notice(), FallDue(on=FALLS_DUE + timedelta(days=9)), **MARGIN)
    on = FALLS_DUE + timedelta(days=9)
    assert figures_on(late.state.account, on) == figures_on(accelerated().state.account, on)
    accelerated().when(FallDue(on=on)).then()


def test_what_was_not_advanced_never_will_be_once_all_has_fallen_due():
    part = committed(learn(*SHOWN), request(amount_minor=50_000), pay_out(), *OVERDUE, **MARGIN)
    happened = part.given(declare(), *notice(), FallDue(on=FALLS_DUE)).events
    assert names(happened)[-3:] == ["AccelerationNotified", "CommitmentCancelled", "LoanAccelerated"]
    assert (happened[-2].cause, happened[-2].amount_minor) == ("defaulted", 70_000)


def test_it_may_fall_due_at_once_where_the_terms_give_no_notice():
    loan = lent(*OVERDUE, declare(), acceleration_notice_days=0).given(*notice(DECLARED))
    fallen = next(event for event in loan.events if isinstance(event, LoanAccelerated))
    assert fallen.after.due_minor == owed_minor(fallen.after)
    assert loan.state.booked == books_on(loan.state.account, DECLARED)
    loan.when(FallDue(on=DECLARED)).then()


def test_one_person_lets_nothing_fall_due():
    loan = lent(*OVERDUE, declare(), notice()[0], **MARGIN)
    loan.when(sign_act("notice", on=DECLARED, by="sub_operator")).refused("approval_by_proposer")
    loan.when(FallDue(on=FALLS_DUE)).then()


@pytest.mark.parametrize(
    ("changes", "command", "code", "field"),
    [
        (MARGIN, declare("covenant"), "default_without_grounds", "/cause"),
        (MARGIN, declare("cross_default"), "default_without_grounds", "/cause"),
    ],
)
def test_a_default_that_cannot_be_declared_so_is_refused(changes: dict[str, Any], command: Any, code: str, field: str):
    lent(*OVERDUE, **changes).when(command).refused(code, field)


@pytest.mark.parametrize(
    ("changes", "falls_due_on", "code", "field"),
    [
        ({}, FALLS_DUE, "acceleration_not_agreed", "/content/type"),
        (MARGIN, FALLS_DUE - timedelta(days=1), "acceleration_notice_too_short", "/content/on"),
        (MARGIN, date(2126, 1, 1), "date_in_future", "/content/on"),
    ],
)
def test_notice_that_the_terms_do_not_give_is_refused(changes: dict[str, Any], falls_due_on: date, code: str, field: str):
    lent(*OVERDUE, declare(), **changes).when(notice(falls_due_on)[0]).refused(code, field)


def test_notice_is_given_once_and_in_default_and_counts_from_its_signature():
    lent(*OVERDUE, **MARGIN).when(notice()[0]).refused("loan_status")
    lent(*OVERDUE, declare(), *notice(), **MARGIN).when(act(Accelerate(on=months(3)), "b", on=DECLARED)).refused("loan_status")
    waits = lent(*OVERDUE, declare(), notice()[0], **MARGIN)
    waits.when(sign_act("notice", on=day_after(DECLARED))).refused("acceleration_notice_too_short", "/content/on")


def test_a_default_for_want_of_payment_needs_something_overdue():
    lent(ClosePeriod(on=months(1)), **MARGIN).when(declare(on=months(1))).refused("default_without_grounds", "/cause")


def test_paying_what_is_due_before_that_day_cures_the_default_and_its_schedule_goes_on():
    loan = lent(*OVERDUE, declare(), *notice(), **MARGIN)
    on = FALLS_DUE - timedelta(days=1)
    short = loan.given(payment("short", due_on(loan, on) - 1, on))
    assert "DefaultCured" not in names(short.events)
    paid = short.given(payment("rest", 1, on))
    assert names(paid.events) == ["PaymentRecorded", "ArrearsChanged"], "one person's word ends no default"
    half = paid.given(reconcile("rest", on=on))
    assert names(half.events) == ["PaymentReconciled"]
    rest = half.given(reconcile("short", on=on))
    assert names(rest.events) == ["PaymentReconciled", "DefaultCured"]
    assert timers(rest.events[-1])[:2] == [CancelTimer("acceleration"), CancelTimer("default")]
    assert (rest.state.status, rest.state.falls_due_on) == ("committed", None)
    rest.when(FallDue(on=FALLS_DUE)).then()
    never = lent(*OVERDUE, payment("all", due_on(loan, on), on), **MARGIN)
    assert figures_on(rest.state.account, months(3)) == figures_on(never.state.account, months(3))


def test_paying_what_was_due_before_does_not_cure_what_has_fallen_due():
    before = due_on(lent(*OVERDUE, **MARGIN), FALLS_DUE)
    paid = accelerated(payment("before", before, FALLS_DUE))
    assert paid.state.status == "defaulted"
    assert paid.state.figures.due_minor > 0


def test_a_covenant_that_is_kept_again_or_waived_cures_the_default_for_its_breach():
    breached = ReportRatio(kind="dscr", ratio="1.1", for_on=START, source="accounts", on=START)
    loan = lent(breached, declare("covenant", on=START), **MARGIN)
    kept = ReportRatio(kind="dscr", ratio="1.4", for_on=months(1), source="accounts", on=months(1))
    assert names(loan.given(kept).events) == ["RatioReported", "DefaultCured"]
    waived = act(WaiveCovenant(kind="dscr", until=months(6)))
    assert names(loan.given(waived, sign_act()).events) == ["ActProposed", "ActApproved", "AuthorityCited", "DefaultCured"]
    other = lent(breached, declare("other", on=START), **MARGIN)
    assert names(other.given(kept).events) == ["RatioReported"]


def test_the_parties_take_a_default_back_by_a_signed_act_and_its_schedule_counts_again():
    on = FALLS_DUE + timedelta(days=5)
    loan = accelerated(act(Reinstate(), on=on))
    back = loan.given(sign_act(on=on))
    assert "DefaultCured" in names(back.events)
    never = lent(*OVERDUE, **MARGIN)
    assert (back.state.status, back.state.accelerated) == ("committed", None)
    assert figures_on(back.state.account, months(4)) == figures_on(never.state.account, months(4))
    assert back.given(declare(on=on), *notice(on + timedelta(days=10), on=on)).state.falls_due_on == on + timedelta(days=10)
    lent().when(act(Reinstate())).refused("loan_status")


def test_no_schedule_is_agreed_for_what_has_fallen_due_before_that_is_taken_back():
    restructure = act(Restructure(schedule=terms().schedule, rate_pct=None, capitalise_overdue=True), on=FALLS_DUE)
    accelerated().when(restructure).refused("loan_accelerated")


def test_what_comes_of_enforcement_pays_in_the_order_of_the_waterfall_and_the_rest_stays_a_claim():
    fee = ChargeFee(fee="fee_1", text="the receiver's costs", amount_minor=2_000, due_on=FALLS_DUE, on=FALLS_DUE)
    on = FALLS_DUE + timedelta(days=30)
    loan = accelerated(fee)
    before = figures_on(loan.state.account, on)
    first = loan.given(recovery("a", 2_000 + before.default_interest_minor, on))
    assert first.state.figures.fees_minor == 0, "fees first"
    loan = loan.given(recovery("sale", 80_000, on))
    left = owed_minor(loan.state.figures)
    assert left == owed_minor(before) - 80_000
    assert loan.state.figures.interest_minor == loan.state.figures.default_interest_minor == 0, "principal last"
    claimed = loan.given(act(EndEnforcement(), on=on), sign_act(on=on))
    assert claimed.events[-1].claim_minor == left
    assert (claimed.state.status, claimed.state.claim_minor) == ("claim", left)
    claimed.when(CloseLoan(reason="no more", on=on)).refused("loan_still_owed")
    more = claimed.given(recovery("more", 1_000, on))
    assert owed_minor(more.state.figures) == left - 1_000
    gone = more.given(act(WriteOff(amount_minor=left - 1_000, on=on), "w", on=on), sign_act("w", on=on))
    assert owed_minor(gone.state.figures) == 0
    assert names(gone.given(CloseLoan(reason="written off", on=on)).events) == ["LoanClosed"]


def test_only_what_has_fallen_due_is_enforced():
    lent(*OVERDUE, declare(), **MARGIN).when(act(EndEnforcement(), on=DECLARED)).refused("loan_status")


def test_a_loan_that_had_fallen_due_is_in_default_again_when_its_last_payment_never_came():
    loan = accelerated()
    on = FALLS_DUE + timedelta(days=3)
    paid = loan.given(payment("all", due_on(loan, on), on))
    assert paid.state.status == "repaid"
    again = paid.given(ReversePayment(payment=PaymentId("pay_all"), reason="it bounced", on=on))
    assert (names(again.events)[-1], again.state.status) == ("LoanDefaulted", "defaulted")
    assert again.state.figures.due_minor == due_on(loan, on)


def test_a_loan_is_not_closed_before_what_is_owed_to_its_borrower_is_refunded():
    over = lent(payment("a", 130_000, START, prepays="instalment"), reconcile("a"))
    over.when(CloseLoan(reason="repaid", on=START)).refused("loan_owes_borrower")
    refund = Refund(amount_minor=10_000, reference="bank/back", on=START)
    over.when(act(Refund(amount_minor=10_001, reference="bank/back", on=START))).refused("refund_beyond_credit", "/amount_minor")
    back = over.given(act(refund), sign_act())
    assert back.events[1].change.cash_minor == -10_000
    assert back.state.figures.credit_minor == 0
    back.when(act(refund, "b")).refused("refund_beyond_credit", "/amount_minor")
    assert names(back.given(CloseLoan(reason="repaid", on=START)).events) == ["LoanClosed"]


def test_what_was_refunded_of_a_payment_that_never_came_is_due_back():
    refund = Refund(amount_minor=10_000, reference="bank/back", on=START)
    back = lent(payment("a", 130_000, START, prepays="instalment"), reconcile("a"), act(refund), sign_act())
    bounced = back.given(ReversePayment(payment=PaymentId("pay_a"), reason="it bounced", on=START))
    figures = bounced.state.figures
    assert (figures.due_minor, figures.principal_minor, figures.credit_minor) == (10_000, 120_000, 0)


def test_a_borrower_s_other_loans_are_told_and_may_be_declared_where_their_terms_say_so():
    by = LoanId("lon_2")
    told = NoteCrossDefault(by=by, ended=False, on=START)
    loan = lent(told, **MARGIN, cross_default=True)
    assert (loan.events[-1].declarable, loan.state.cross_defaults) == (True, {by})
    loan.when(told).then()
    declared = loan.given(declare("cross_default", on=START))
    ended = NoteCrossDefault(by=by, ended=True, on=months(1))
    assert names(declared.given(ended).events) == ["CrossDefaultNoted", "DefaultCured"]
    lent(told, **MARGIN).when(declare("cross_default", on=START)).refused("default_without_grounds", "/cause")


def test_nothing_is_advanced_to_a_borrower_in_default_of_another_loan_where_the_terms_say_so():
    told = NoteCrossDefault(by=LoanId("lon_2"), ended=False, on=START)
    committed(learn(*SHOWN), told, cross_default=True).when(request(amount_minor=1)).refused("borrower_in_default")
    assert committed(learn(*SHOWN), told).given(request(amount_minor=1)).events


def test_a_facility_tells_the_loans_of_the_same_borrower_once():
    def reserve(commitment: str, borrower: str) -> ReserveHeadroom:
        return ReserveHeadroom(
            facility=FacilityId("cmf"), commitment=CommitmentId(commitment), asset="AUD", amount=1, keys=(f"borrower/{borrower}",)
        )

    limits = (Limit(key="all", parent=None, limit_minor=100, warn_at="9/10"),)
    opened = OpenFacility(facility=FacilityId("cmf"), currency="AUD", limits=limits, authority="act")
    reserved = [reserve(*each) for each in (("lon_1", "a"), ("lon_2", "a"), ("lon_3", "b"), ("eqh_4", "a"))]
    facility = Given(headroom.DECIDER, opened, *reserved)
    tell = TellDefault(commitment=CommitmentId("lon_1"), ended=False)
    told = facility.given(tell)
    assert told.events[0].others == ("eqh_4", "lon_2")
    told.when(tell).then()
    assert told.given(TellDefault(commitment=CommitmentId("lon_1"), ended=True)).events[0].ended
    facility.when(TellDefault(commitment=CommitmentId("lon_1"), ended=True)).then()


def test_what_was_paid_late_and_told_late_cures_nothing_that_has_fallen_due():
    """A payment for a day before the notice ran out, told after: only a signed act leads back."""
    loan = accelerated()
    on = FALLS_DUE - timedelta(days=1)
    told = loan.given(payment("late", due_on(loan, on), on, on=FALLS_DUE + timedelta(days=1)))
    assert not [event for event in told.events if isinstance(event, DefaultCured)]
    assert told.state.status == "defaulted"
