"""A loan's agreement and its advances: approved by a second person, committed by its facility, advanced on conditions that are met."""

from datetime import date
from itertools import batched
from typing import Any

import msgspec
import pytest

from services.loans.domain.loan.advances import CancelCommitment, EndAvailability, LookAtSubsequent
from services.loans.domain.loan.agreement import ApproveLoan, CommitLoan, RefuseCommitment, WithdrawAct, WithdrawLoan
from services.loans.domain.loan.decider import DECIDER, timers
from services.loans.domain.loan.servicing import ImportLoan
from services.loans.domain.projects.project import FACTS_AN_EVENT
from services.loans.events.facility import Guaranteed
from services.loans.events.loan import LoanId
from services.loans.events.terms import (
    AmendCondition,
    BorrowerCode,
    Guarantor,
    Party,
    Precedent,
    ScheduleTerms,
    Subsequent,
    Syndicated,
    WaiveCondition,
    WaiveCovenant,
)
from shared.journal.decider import Refused, Timer
from shared.journal.record import MAX_DATA_BYTES, canonical
from shared.terms.authority import interest_in
from shared.terms.conditions import AllShown, ShareAtLeast, Shown
from shared.terms.dating import DatingReason
from tests.stories.given import Given
from tests.stories.loan import (
    OFFTAKE,
    PERMIT,
    SHOWN,
    START,
    act,
    committed,
    evidence,
    learn,
    lent,
    minor,
    named,
    names,
    pay_out,
    propose,
    request,
    sign_act,
    signing,
    terms,
)
from tests.stories.powers import may

APPROVE = ApproveLoan(signing=signing(named("proposal")))


def test_what_is_withdrawn_is_approved_no_more_and_what_is_committed_is_not_withdrawn():
    withdraw = WithdrawLoan(reason="the mine was sold")
    loan = Given(DECIDER, propose(), withdraw)
    happened = loan.events
    assert names(happened) == ["LoanProposed", "LoanWithdrawn"]
    loan.when(APPROVE).refused("loan_status")
    committed().when(withdraw).refused("loan_status")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"joint_borrowers": (BorrowerCode("hillgrove-mines"),)}, "/joint_borrowers"),
        ({"joint_borrowers": (BorrowerCode("x"), BorrowerCode("x"))}, "/joint_borrowers"),
        ({"guarantors": (Guarantor(party=Party("borrower/hillgrove-mines")),)}, "/guarantors"),
        ({"guarantors": (Guarantor(party=Party("partner/JP")), Guarantor(party=Party("partner/JP"), amount_minor=1))}, "/guarantors"),
        ({"guarantors": (Guarantor(party=Party("partner/JP"), amount_minor=120_001),)}, "/guarantors/0/amount_minor"),
        ({"guarantors": (Guarantor(party=Party("partner/JP"), amount_minor=0),)}, "/guarantors/0/amount_minor"),
        ({"syndicated": Syndicated(total_minor=120_000, share="1")}, "/syndicated/share"),
        ({"syndicated": Syndicated(total_minor=240_001, share="1/2")}, "/commitment_minor"),
    ],
)
def test_who_is_bound_for_a_loan_is_named_once_and_for_no_more_than_it_is(changes: dict[str, Any], field: str):
    answer = Given(DECIDER).when(propose(**changes)).answer
    assert isinstance(answer, Refused)
    assert answer.field == field


def test_a_loan_is_charged_in_full_to_each_who_borrows_it_and_to_guarantors_with_what_they_guarantee():
    joint, owner, state = BorrowerCode("joint-mines"), Guarantor(party=Party("borrower/owner")), Party("partner/JP")
    bound = {"joint_borrowers": (joint,), "guarantors": (owner, Guarantor(party=state, amount_minor=7))}
    syndicated = Syndicated(total_minor=360_000, share="1/3")
    approved = Given(DECIDER, propose(**bound, syndicated=syndicated)).when(APPROVE).events[0]
    assert {"borrower/hillgrove-mines", "borrower/joint-mines"} <= {*approved.keys}
    assert approved.commitment_minor == 120_000, "the Reserve's share"
    assert approved.guaranteed == (Guaranteed(key="borrower/owner", amount=120_000), Guaranteed(key="partner/JP", amount=7))


@pytest.mark.parametrize("company", ["hillgrove-mines", "joint-mines", "owner"])
def test_who_has_an_interest_in_anybody_who_is_bound_does_not_approve(company: str):
    bound = {"joint_borrowers": (BorrowerCode("joint-mines"),), "guarantors": (Guarantor(party=Party("borrower/owner")),)}
    capacity = may("sub_approver", START, conflicts=frozenset({interest_in("company", company)}))
    signed = ApproveLoan(signing=signing(named("proposal"), capacity=capacity))
    Given(DECIDER, propose(**bound)).when(signed).refused("conflict_of_interest")


def test_an_act_that_is_withdrawn_is_approved_no_more():
    waive = act(WaiveCondition(name="permit", until=None))
    loan = committed().given(waive, WithdrawAct(act=waive.act, reason="the permit came"))
    happened = loan.events
    assert names(happened) == ["ActProposed", "ActWithdrawn"]
    loan.when(sign_act()).refused("act_not_found")


def test_a_proposal_is_approved_by_a_second_person_and_committed_by_its_facility():
    loan = Given(DECIDER, propose(), APPROVE, CommitLoan(on=START))
    happened = loan.events
    assert names(happened) == ["LoanProposed", "LoanApproved", "AuthorityCited", "LoanCommitted"]
    assert happened[1].keys == (
        "instrument/loan",
        "account/national_interest",
        "borrower/hillgrove-mines",
        "project/hillgrove",
        "element/Sb",
    )
    assert (loan.state.status, loan.state.undrawn_minor) == ("committed", 120_000)


def test_a_facility_without_headroom_leaves_the_loan_proposed():
    loan = Given(DECIDER, propose(), APPROVE, RefuseCommitment(reason="limit_exceeded", detail="none is left"))
    happened = loan.events
    assert (loan.state.status, names(happened)[-1]) == ("proposed", "CommitmentRefused")
    assert loan.given(APPROVE, CommitLoan(on=START)).state.status == "committed"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"by": "sub_operator"}, "approval_by_proposer"),
        ({"document": named("another")}, "approval_of_another_document"),
        ({"purpose": "decision"}, "approval_of_another_document"),
        ({"key": "revoked"}, "approver_key_revoked"),
        ({"key": "unknown"}, "approver_key_not_found"),
        ({"signature_valid": False}, "approval_signature_invalid"),
    ],
)
def test_what_is_no_second_person_s_signature_over_the_proposal_approves_nothing(given: dict[str, Any], code: str):
    loan = Given(DECIDER, propose())
    command = ApproveLoan(signing=signing(**{"document": named("proposal")} | given))
    loan.when(command).refused(code)


def test_an_approval_that_somebody_else_sends_is_refused():
    loan = Given(DECIDER, propose())
    sent = signing(named("proposal"))
    other = msgspec.structs.replace(sent, capacity=may("sub_other", START))
    loan.when(ApproveLoan(signing=other)).refused("approval_of_another_approver")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"commitment_minor": 0}, "amount_invalid", "/commitment_minor"),
        ({"base_pct": "-1"}, "loan_rate_invalid", "/base_pct"),
        ({"base_pct": "1000"}, "loan_rate_invalid", "/base_pct"),
        ({"base_pct": "99"}, "loan_rate_invalid", "/margin_pct"),
        ({"available_until": date(2026, 1, 5), "sunset_on": START}, "loan_terms_invalid", "/available_until"),
        ({"sunset_on": date(2027, 1, 1)}, "loan_terms_invalid", "/sunset_on"),
        ({"elements": ()}, "loan_terms_invalid", None),
        ({"precedents": (PERMIT, PERMIT)}, "condition_invalid", "/precedents"),
        (
            {"schedule": ScheduleTerms(kind="equal", start=START, every="1m", periods=12, day_count="30/360", interest_only_periods=12)},
            "schedule_invalid",
            "/schedule/interest_only_periods",
        ),
        (
            {"schedule": ScheduleTerms(kind="balloon", start=START, every="1m", periods=12, day_count="30/360", balloon_minor=120_001)},
            "schedule_invalid",
            "/schedule/balloon_minor",
        ),
    ],
)
def test_terms_that_no_loan_can_have_are_refused(changes: dict[str, Any], code: str, field: str | None):
    Given(DECIDER).when(propose(**changes)).refused(code, field)


def test_a_condition_that_nothing_could_meet_is_refused():
    nothing = type(PERMIT)(name="x", text="x", condition=AllShown(kind="permit", subjects=()))
    Given(DECIDER).when(propose(precedents=(nothing,))).refused("condition_invalid", "/precedents/0/condition")


def test_a_rate_of_zero_is_a_rate():
    loan = lent(base_pct="0", margin_pct="0")
    assert loan.state.figures is not None
    assert loan.state.figures.next_due_minor == 10_000


# Advances


def test_an_advance_waits_until_every_condition_is_met_by_what_is_established():
    loan = committed().given(request())
    happened = loan.events
    assert names(happened) == ["AdvanceRequested"]
    answer = loan.when(pay_out()).refused("conditions_unmet")
    assert "offtake is not evaluated" in answer.detail
    assert "permit is open" in answer.detail
    loan = loan.given(learn(evidence("output", 100), evidence("offtake", 79), evidence("permit")))
    happened = loan.events
    assert names(happened) == ["ConditionsEvaluated"]
    assert [seen.evaluation.status for seen in happened[0].precedents] == ["open", "met"]
    loan = loan.given(learn(evidence("offtake", 1, "fct_more")))
    happened = loan.events
    assert names(happened) == ["ConditionsEvaluated", "AdvanceCleared"]
    loan = loan.given(pay_out())
    happened = loan.events
    (paid,) = happened
    assert [(seen.name, seen.evaluation.status) for seen in paid.seen] == [("offtake", "met"), ("permit", "met")]
    assert set(paid.seen[0].evaluation.evidence) == {"fct_output", "fct_offtake", "fct_more"}
    assert minor(paid.change) == {"cash": -120_000, "principal": 120_000}


def test_what_was_met_is_looked_at_again_on_the_day_that_an_advance_is_paid():
    loan = committed(learn(*SHOWN), request())
    assert loan.state.advances["adv_a"].cleared  # type: ignore[index]
    loan = loan.given(learn(forgotten=("fct_permit",)))
    loan.when(pay_out()).refused("conditions_unmet")


def test_a_condition_that_has_expired_is_met_no_longer():
    permit = evidence("permit", until=date(2026, 2, 1))
    loan = committed(learn(evidence("output", 100), evidence("offtake", 80), permit), request())
    loan.when(pay_out(paid_on=date(2026, 2, 2))).refused("conditions_unmet")
    assert loan.given(pay_out(paid_on=date(2026, 2, 1))).events


def test_an_advance_is_never_more_than_what_is_left_of_the_commitment():
    loan = committed(learn(*SHOWN), request("a", 50_000), request("b", 50_000))
    answer = loan.when(request("c", 20_001)).refused("advance_beyond_commitment", "/amount_minor")
    assert answer.accepted == "at most 20000"
    loan.when(request("c", 0)).refused("amount_invalid")
    loan = loan.given(pay_out("a"))
    loan.when(request("c", 20_001)).refused("advance_beyond_commitment")
    loan.when(pay_out("a")).refused("advance_not_found")


@pytest.mark.parametrize(
    ("paid_on", "on", "code"),
    [
        (date(2026, 1, 5), START, "date_before_loan"),
        (date(2026, 1, 7), START, "date_in_future"),
        (date(2027, 1, 1), date(2027, 1, 2), "advance_outside_availability"),
    ],
)
def test_an_advance_has_its_day_within_the_commitment(paid_on: date, on: date, code: str):
    committed(learn(*SHOWN), request()).when(pay_out(paid_on=paid_on, on=on)).refused(code)


def test_an_advance_for_another_day_says_why():
    loan, late = committed(learn(*SHOWN), request()), pay_out(paid_on=START, on=date(2026, 1, 8))
    loan.when(msgspec.structs.replace(late, dated_because=None)).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    assert loan.when(late).events[0].dated_because == "not_recordable"
    assert loan.when(pay_out()).events[0].dated_because is None


def test_the_sunset_ends_a_commitment_whose_conditions_are_not_met():
    end = EndAvailability(cause="sunset", on=date(2026, 7, 1))
    loan = committed(request()).given(end)
    happened = loan.events
    assert names(happened) == ["AdvanceWithdrawn", "CommitmentCancelled"]
    assert (loan.state.undrawn_minor, happened[1].cause) == (0, "sunset")
    for other in (committed(learn(*SHOWN)), lent()):
        other.when(end).then()
    committed().when(EndAvailability(cause="sunset", on=date(2026, 6, 30))).then()


def test_a_commitment_s_ends_are_timers():
    happened = Given(DECIDER, propose(), APPROVE, CommitLoan(on=START)).events
    assert {timer.name: timer.due for timer in timers(happened[3])} == {"sunset": date(2026, 7, 1), "availability": date(2027, 1, 1)}  # type: ignore[union-attr]


def test_a_fee_on_what_is_not_advanced_is_billed_when_the_first_period_ends():
    loan = Given(DECIDER, propose(commitment_fee_pct="1"), APPROVE, CommitLoan(on=START))
    happened = loan.events
    (period,) = (timer for timer in timers(happened[3]) if timer.name == "period")
    assert isinstance(period, Timer)
    assert period.due == date(2026, 2, 6)
    loan = loan.given(period.command)
    happened = loan.events
    assert (names(happened), loan.state.booked.fees_minor) == (["PeriodClosed"], 100)


def test_a_condition_subsequent_that_is_not_met_by_its_day_is_said_to_be_missed():
    insured = Subsequent(name="insurance", text="the plant is insured", condition=Shown(kind="insurance"), due=date(2026, 3, 31))
    late = LookAtSubsequent(name="insurance", on=date(2026, 4, 1))
    loan = Given(DECIDER, propose(subsequents=(insured,)), APPROVE, CommitLoan(on=START), late)
    happened = loan.events
    assert (names(happened)[-1], happened[-1].seen.evaluation.status) == ("SubsequentMissed", "open")
    assert {timer.name: timer.due for timer in timers(happened[3])}["subsequent/insurance"] == date(2026, 4, 1)  # type: ignore[union-attr]
    for on, learnt in ((date(2026, 3, 31), ()), (date(2026, 4, 1), (evidence("insurance"),))):
        told_of = loan.given(learn(*learnt)) if learnt else loan
        told_of.when(LookAtSubsequent(name="insurance", on=on)).then()


def test_no_more_is_cancelled_than_is_neither_advanced_nor_asked_for():
    loan = committed(learn(*SHOWN), request("a", 50_000), pay_out("a"), request("b", 30_000))
    answer = loan.when(CancelCommitment(amount_minor=40_001, reason="enough", on=START)).refused("nothing_to_cancel")
    assert answer.accepted == "1 to 40000"
    loan = loan.given(CancelCommitment(amount_minor=None, reason="enough", on=START))
    assert loan.state.undrawn_minor == 30_000


# Acts


def test_a_condition_is_amended_only_by_a_second_person_s_signature():
    amended = AmendCondition(name="offtake", text="75% sold", condition=ShareAtLeast(part="offtake", whole="output", share="3/4"))
    shown = learn(evidence("output", 100), evidence("offtake", 75), evidence("permit"))
    loan = committed(shown, request(), act(amended))
    loan.when(pay_out()).refused("conditions_unmet")
    loan.when(sign_act(by="sub_operator")).refused("approval_by_proposer")
    loan = loan.given(sign_act(), pay_out())
    happened = loan.events
    assert names(happened) == ["ActApproved", "AuthorityCited", "AdvanceCleared", "AdvancePaid"]
    assert loan.state.terms is not None
    assert loan.state.terms.precedents[0].text == "75% sold"


def test_a_waiver_counts_through_its_last_day_and_says_that_it_is_one():
    waived = WaiveCondition(name="offtake", until=date(2026, 2, 1))
    loan = committed(learn(evidence("permit")), request(), act(waived), sign_act())
    loan.when(pay_out(paid_on=date(2026, 2, 2))).refused("conditions_unmet")
    (paid,) = loan.given(pay_out(paid_on=date(2026, 2, 1))).events
    assert [seen.evaluation.status for seen in paid.seen] == ["waived", "met"]


def test_an_advance_that_waited_for_what_is_waived_is_cleared_by_the_waiver():
    waived = WaiveCondition(name="permit", until=None)
    shown = [evidence("output", 100), evidence("offtake", 80)]
    loan = committed(learn(*shown), request()).given(act(waived), sign_act())
    happened = loan.events
    assert names(happened) == ["ActProposed", "ActApproved", "AuthorityCited", "AdvanceCleared"]
    assert loan.given(pay_out()).events


def test_an_amended_condition_is_another_one_and_the_waiver_was_of_the_first():
    waived, amended = WaiveCondition(name="offtake", until=None), AmendCondition(name="offtake", text="x", condition=OFFTAKE.condition)
    loan = committed(learn(evidence("permit")), request(), act(waived), sign_act(), act(amended, "b"), sign_act("b"))
    loan.when(pay_out()).refused("conditions_unmet")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (WaiveCondition(name="nothing", until=None), "condition_not_found"),
        (AmendCondition(name="permit", text="x", condition=AllShown(kind="a", subjects=())), "condition_invalid"),
        (WaiveCovenant(kind="llcr", until=START), "covenant_not_found"),
    ],
)
def test_an_act_that_changes_nothing_there_is_refused_when_it_is_proposed(content: Any, code: str):
    committed().when(act(content)).refused(code)


# Loans that another system kept


def test_an_imported_loan_is_committed_like_any_other_and_its_balance_brought_forward():
    command = ImportLoan(
        loan=LoanId("lon_2"),
        terms=terms(),
        document=named("import"),
        reference="OLD-7",
        as_of=START,
        advanced_minor=100_000,
        repaid_minor=40_000,
        by="sub_administrator",
        on=START,
    )
    loan = Given(DECIDER, command, CommitLoan(on=START))
    happened = loan.events
    assert names(happened) == ["LoanImported", "LoanCommitted", "BalanceBroughtForward"]
    assert minor(happened[2].change) == {"cash": -60_000, "principal": 60_000}
    assert (loan.state.undrawn_minor, happened[2].after.principal_minor, happened[2].after.repaid_minor) == (20_000, 60_000, 40_000)
    unsigned = Given(DECIDER, command, RefuseCommitment(reason="limit_exceeded", detail="none is left"))
    own = ApproveLoan(signing=signing(named("import"), by="sub_administrator"))
    unsigned.when(own).refused("approval_by_proposer")
    worse = type(command)(**{name: getattr(command, name) for name in command.__struct_fields__} | {"repaid_minor": 100_001})
    Given(DECIDER).when(worse).refused("amount_invalid")


# What is seen of conditions fits in an event


def subjects(count: int) -> tuple[str, ...]:
    return tuple(f"{number:0100}" for number in range(count))


@pytest.mark.parametrize(
    "conditions",
    [
        [Shown(kind="permit")] * 70,
        [AllShown(kind="permit", subjects=subjects(40))] * 4,
        [ShareAtLeast(part="p" * 40, whole="w" * 40, share="4/5")] * 40,
    ],
)
def test_whatever_becomes_known_an_event_holds_what_is_seen_of_the_conditions(conditions: list[Any]):
    precedents = tuple(Precedent(name=f"c{number}", text="as agreed", condition=each) for number, each in enumerate(conditions))
    loan, unit = committed(precedents=precedents), "g of " + "x" * 100
    shown = [evidence("permit", reference=f"fct_{number:026}") for number in range(60)]
    counted = [
        msgspec.structs.replace(evidence(kind, 10**15, reference=f"fct_{kind[0]}{number:025}"), unit=unit)
        for kind in ("p" * 40, "w" * 40)
        for number in range(30)
    ]
    for known in batched((*shown, *counted), FACTS_AN_EVENT):
        loan = loan.given(learn(*known))
        happened = loan.events
        assert len(canonical(happened[0])) <= MAX_DATA_BYTES


def test_conditions_that_would_not_fit_are_refused_when_they_are_proposed_or_amended():
    wide = AllShown(kind="permit", subjects=subjects(40))
    many = tuple(Precedent(name=f"c{number}", text="as agreed", condition=wide) for number in range(6))
    Given(DECIDER).when(propose(precedents=many)).refused("condition_invalid")
    loan = committed(precedents=(*many[:4], *(Precedent(name=f"p{number}", text="x", condition=PERMIT.condition) for number in range(10))))
    loan.when(act(AmendCondition(name="p0", text="x", condition=wide))).refused("condition_invalid")


def test_a_schedule_that_is_over_before_anything_is_advanced_is_refused():
    over = ScheduleTerms(kind="equal", start=date(1990, 1, 1), every="1m", periods=12, day_count="30/360")
    Given(DECIDER).when(propose(schedule=over)).refused("schedule_invalid", "/schedule/start")
