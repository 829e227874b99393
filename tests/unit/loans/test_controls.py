"""No one person moves the value of a loan, a holding or lent metal: what an outsider did alone is refused, and changes nothing."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.equity.decider import DECIDER as EQUITY
from services.loans.domain.equity.decider import CancelUncalled, WithdrawHolding
from services.loans.domain.equity.flows import ReverseDividend
from services.loans.domain.equity.write_downs import WithdrawWriteDown
from services.loans.domain.facility.headroom import DECIDER as FACILITY
from services.loans.domain.facility.headroom import OpenFacility, RecordRate, SetLimits
from services.loans.domain.loan.advances import CancelCommitment, WithdrawAdvance
from services.loans.domain.loan.agreement import WithdrawAct, WithdrawLoan
from services.loans.domain.loan.covenants import ReportRatio
from services.loans.domain.loan.decider import DECIDER as LOAN
from services.loans.domain.loan.defaults import DeclareDefault
from services.loans.domain.loan.payments import RecordRecovery, ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, CloseLoan, ImportLoan, Regrade, ResetRate
from services.loans.domain.loan.state import LoanStatus
from services.loans.domain.material.decider import DECIDER as MATERIAL
from services.loans.domain.material.defaults import DeclareMaterialDefault, RecordReplacement
from services.loans.domain.material.held import MarkSecurity, SettleInCash
from services.loans.domain.material.returns import WithdrawReturn
from services.loans.domain.material.terms import WithdrawMaterialLoan, WithdrawOffer
from services.loans.domain.offtake.delivery import DECIDER as DELIVERY
from services.loans.domain.offtake.offtake import DECIDER as OFFTAKE
from services.loans.domain.offtake.offtake import AgreeOfftake, EndOfftake
from services.loans.domain.projects.project import DECIDER as PROJECT
from services.loans.events.authority import AuthorityCited
from services.loans.events.controls import CommandApproved, CommandProposed
from services.loans.events.equity import EquityFlowId
from services.loans.events.facility import FacilityId, FacilityOpened, Limit, LimitsSet, RateRecorded
from services.loans.events.loan import FeeCharged, LoanImported, PaymentId, RateReset, RatioReported, Regraded
from services.loans.events.material import (
    MaterialCashSettled,
    MaterialLoanClosed,
    MaterialLoanWithdrawn,
    ReturnId,
    ReturnReceived,
    ReturnTurnedBack,
)
from services.loans.events.offtake import OfftakeAgreed, OfftakeEnded, OfftakeId
from services.loans.events.terms import Covenant, WaiveCondition
from shared.journal.decider import Refused
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault, interest_in
from shared.terms.countersigning import Class, ControlReason, Countersigned, countersigned, without_control
from tests.stories import equity as equity_story
from tests.stories import loan as loan_story
from tests.stories import material as material_story
from tests.stories.countersigned import PROPOSER, SIGNER, approve, by_two, propose
from tests.stories.given import Given
from tests.stories.powers import may

TODAY = loan_story.START
LOANS, FACILITIES, HOLDINGS, MATERIALS, OFFTAKES = (
    countersigned(each, CONTROLS, EVENTS) for each in (LOAN, FACILITY, EQUITY, MATERIAL, OFFTAKE)
)

FEE = ChargeFee(fee="fee_1", text="a visit", amount_minor=999_999_999, due_on=TODAY, on=TODAY)
CHEAPER = ResetRate(base_pct="4", source="none", from_on=TODAY, on=TODAY)
IMPORT = ImportLoan(
    loan=loan_story.LOAN,
    terms=loan_story.terms(),
    document="d1" * 32,
    reference="OLD-1",
    as_of=TODAY,
    advanced_minor=100_000,
    repaid_minor=0,
    by=PROPOSER,
    on=TODAY,
)


def under_control(decider: Any, story: Given) -> Given:
    """What the story has come to, under its controls from now on."""
    later = Given(decider)
    later.state = story.state
    return later


def a_loan(**changes: Any) -> Given:
    return under_control(LOANS, loan_story.lent(**changes))


def metal(*happened: Any) -> Given:
    """Ten tonnes that are lent, and owed with their premium."""
    return under_control(MATERIALS, material_story.lent().given(*happened))


def refused_alone(story: Given, command: Any) -> None:
    assert story.when(command).refused(ControlReason.NEEDED).accepted == "a proposal that another person signs"


def signed(story: Given, command: Any, on: date = TODAY, **changes: Any) -> Given:
    return story.given(propose(command, on)).when(approve(on, **changes))


@pytest.mark.parametrize("decider", [LOAN, FACILITY, EQUITY, MATERIAL, OFFTAKE, PROJECT, DELIVERY], ids=lambda each: each.kind)
def test_every_command_of_loans_has_a_control_and_none_moves_value_by_one_person(decider: Any):
    assert without_control(decider, CONTROLS) == []
    assert Class.ALONE not in CONTROLS.values()


# Of a loan


@pytest.mark.parametrize(
    ("command", "event"),
    [(FEE, FeeCharged), (CHEAPER, RateReset)],
)
def test_a_fee_and_another_rate_are_charged_by_two(command: Any, event: type):
    story = a_loan()
    refused_alone(story, command)
    waits = story.when(propose(command, TODAY)).then(CommandProposed)
    assert (waits.state.figures, waits.state.account) == (story.state.figures, story.state.account)
    waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
    events = waits.when(approve(TODAY)).events
    assert isinstance(events[0], CommandApproved) and isinstance(events[1], event) and isinstance(events[-1], AuthorityCited)
    assert events[-1].matter == loan_story.LOAN


def test_who_signs_may_sign_so_much_money_and_has_no_interest_in_the_borrower():
    waits = a_loan().given(propose(FEE, TODAY))
    small = may(SIGNER, TODAY, limit_minor=FEE.amount_minor - 1, currency="AUD")
    waits.when(approve(TODAY, capacity=small)).refused(Fault.OVER_LIMIT)
    for name in (loan_story.terms().borrower, loan_story.terms().project):
        interested = may(SIGNER, TODAY, conflicts=frozenset({interest_in("company", name)}))
        waits.when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)


def test_a_fixed_rate_is_not_reset_at_all():
    fixed = a_loan(base_rate="Fixed")
    fixed.when(propose(CHEAPER, TODAY)).refused("loan_rate_fixed", "/base_pct")


def test_a_payment_is_taken_back_a_recovery_booked_and_a_commitment_cancelled_by_two():
    paid = a_loan().given(loan_story.payment("a", 10_000, TODAY))
    refused_alone(paid, ReversePayment(payment=PaymentId("pay_a"), reason="none", on=TODAY))
    defaulted = a_loan().given(DeclareDefault(reason="no news", on=TODAY))
    recovery = RecordRecovery(payment=PaymentId("pay_r"), reference="r", amount_minor=5, received_on=TODAY, on=TODAY)
    refused_alone(defaulted, recovery)
    undrawn = under_control(LOANS, loan_story.committed())
    refused_alone(undrawn, CancelCommitment(amount_minor=None, reason="none", on=TODAY))


def test_a_loan_of_another_system_comes_in_by_two():
    empty = Given(LOANS)
    refused_alone(empty, IMPORT)
    signed(empty, IMPORT).then(CommandApproved, LoanImported, AuthorityCited)
    twice = empty.given(propose(IMPORT, TODAY), propose(IMPORT, TODAY, proposal="prp_2"), approve(TODAY))
    twice.when(approve(TODAY, proposal="prp_2")).refused("loan_already_proposed")


def test_a_larger_loss_and_a_smaller_one_are_expected_by_two():
    worse = Regrade(grade="CCC", stage=2, provision_minor=15_000, reason="the mine stands still")
    loan = a_loan()
    graded = loan.given(*by_two(CONTROLS, worse, TODAY))
    for before, provision_minor in ((loan, 15_000), (graded, 15_001), (graded, 14_999)):
        command = msgspec.structs.replace(worse, provision_minor=provision_minor)
        refused_alone(before, command)
        signed(before, command).then(CommandApproved, Regraded, AuthorityCited)


def test_a_breach_is_reported_by_one_and_cured_by_two():
    def ratio(ratio: str) -> ReportRatio:
        return ReportRatio(kind="dscr", ratio=ratio, for_on=TODAY, source="accounts", on=TODAY)

    loan = a_loan(covenants=(Covenant(kind="dscr", minimum="1.30"),))
    breached = loan.when(ratio("1.29")).then(RatioReported)
    refused_alone(breached, ratio("1.31"))
    signed(breached, ratio("1.31")).then(CommandApproved, RatioReported, AuthorityCited)
    loan.when(ratio("1.31")).then(RatioReported)


def test_a_loan_with_a_credit_is_closed_by_two_and_one_without_by_one():
    owed = 120_000
    repaid = a_loan().given(loan_story.payment("a", owed, TODAY, prepays="term"), loan_story.reconcile("a"))
    assert not isinstance(repaid.when(CloseLoan(reason="repaid", on=TODAY)).answer, Refused)
    beyond = a_loan().given(loan_story.payment("a", owed + 500, TODAY, prepays="term"))
    refused_alone(beyond, CloseLoan(reason="repaid", on=TODAY))


# An advance


def test_nobody_pays_what_they_have_asked_for_or_recorded_evidence_for():
    asked = loan_story.committed(loan_story.learn(*loan_story.SHOWN), loan_story.request(amount_minor=120_000))
    recorder = loan_story.SHOWN[0].by
    paying = loan_story.pay_out()
    for by in ({"sub_operator"}, {recorder}, {"sub_payer", "sub_operator"}):
        alone = asked.when(msgspec.structs.replace(paying, by=frozenset(by))).refused("advance_by_one_person")
        assert alone.accepted == "another person, who pays it"
    assert not isinstance(asked.when(paying).answer, Refused)


# A facility

LIMITS = (Limit(key="total", parent=None, limit_minor=1_000_000), Limit(key="project/hillgrove", parent="total", limit_minor=100_000))
OPENING = OpenFacility(facility=FacilityId("cmf"), currency="AUD", limits=LIMITS, authority="an Act")
RATE = RecordRate(asset="USD", rate="1.52", quoted_on=TODAY, source="RBA", on=TODAY)


def a_facility() -> Given:
    return Given(FACILITIES, *by_two(CONTROLS, OPENING, TODAY), *by_two(CONTROLS, RATE, TODAY))


def with_limits(*limits: Limit) -> SetLimits:
    return SetLimits(limits=limits, authority="an Act", reason="a review")


def test_a_facility_is_opened_and_a_rate_recorded_by_two():
    refused_alone(Given(FACILITIES), OPENING)
    signed(Given(FACILITIES), OPENING).then(CommandApproved, FacilityOpened, AuthorityCited)
    refused_alone(a_facility(), RATE)
    signed(a_facility(), msgspec.structs.replace(RATE, rate="1.6")).then(CommandApproved, RateRecorded, AuthorityCited)


@pytest.mark.parametrize("rate", ["9900", "3.05", "0.75"])
def test_a_rate_that_is_far_from_the_last_one_is_put_before_nobody(rate: str):
    refused = a_facility().when(propose(msgspec.structs.replace(RATE, rate=rate), TODAY)).refused("rate_implausible", "/rate")
    assert "1.52" in refused.detail and refused.accepted is not None and refused.accepted.startswith("19/25 to 76/25")


@pytest.mark.parametrize(
    "limits",
    [
        LIMITS,
        (LIMITS[0], msgspec.structs.replace(LIMITS[1], limit_minor=99_999)),
        (LIMITS[0], msgspec.structs.replace(LIMITS[1], limit_minor=0)),
        (*LIMITS, Limit(key="project/nolans", parent="total", limit_minor=1)),
        (LIMITS[0], msgspec.structs.replace(LIMITS[1], limit_minor=100_001)),
        LIMITS[:1],
        (Limit(key="all", parent=None, limit_minor=1), msgspec.structs.replace(LIMITS[1], parent="all")),
    ],
)
def test_limits_are_narrowed_and_widened_by_two(limits: tuple[Limit, ...]):
    command = with_limits(*limits)
    refused_alone(a_facility(), command)
    signed(a_facility(), command).then(CommandApproved, LimitsSet, AuthorityCited)


def test_an_authority_over_a_facility_covers_all_that_it_may_lend():
    waits = a_facility().given(propose(with_limits(LIMITS[0]), TODAY))
    waits.when(approve(TODAY, capacity=may(SIGNER, TODAY, limit_minor=999_999, currency="AUD"))).refused(Fault.OVER_LIMIT)


# Metal

BASIS = material_story.TERMS.cash_basis
CASH = SettleInCash(price_minor="5", source=BASIS, reference="wire 1", on=material_story.TODAY)
MARK = MarkSecurity(price_minor="5", quoted_on=material_story.TODAY, source="Fastmarkets", on=material_story.TODAY)
LATE = material_story.days(1, material_story.DUE)


def test_ten_tonnes_are_not_settled_at_a_price_of_ones_own():
    marked = metal(MARK)
    refused_alone(marked, CASH)
    own = marked.when(propose(msgspec.structs.replace(CASH, source="my own"), CASH.on)).refused("cash_basis_of_the_terms", "/source")
    assert own.accepted == BASIS
    cheap = marked.when(propose(msgspec.structs.replace(CASH, price_minor="0.0001"), CASH.on)).refused("price_implausible", "/price_minor")
    assert cheap.accepted is not None and cheap.accepted.startswith("5/2 to 10")
    named = msgspec.structs.replace(CASH, source=f"  {BASIS.upper()} ")
    signed(marked, named, CASH.on).then(CommandApproved, MaterialCashSettled, MaterialLoanClosed, AuthorityCited)


def test_who_signs_a_settlement_may_settle_so_much_metal_and_money_of_this_partner():
    waits = metal().given(propose(CASH, CASH.on))
    for changes in ({"limit_g": 10_000_000}, {"limit_minor": 50_000_000, "currency": "AUD"}):
        waits.when(approve(CASH.on, capacity=may(SIGNER, CASH.on, **changes))).refused(Fault.OVER_LIMIT)
    interested = may(SIGNER, CASH.on, conflicts=frozenset({interest_in("partner", "JP")}))
    waits.when(approve(CASH.on, capacity=interested)).refused(Fault.CONFLICT)


def test_a_replacement_takes_the_security_by_two_at_a_price_that_can_be():
    defaulted = metal(MARK, DeclareMaterialDefault(reason="no news", on=LATE))
    dear = RecordReplacement(bought_g=10_000, cost_minor=10_000_000_000, source="a friend", on=LATE)
    refused_alone(defaulted, dear)
    refused = defaulted.when(propose(dear, LATE)).refused("price_implausible", "/cost_minor")
    assert refused.accepted is not None and refused.accepted.startswith("25000 to 100000")
    fair = signed(defaulted, msgspec.structs.replace(dear, cost_minor=60_000), LATE)
    assert fair.state.security_minor == defaulted.state.security_minor - 60_000


def test_security_is_marked_and_a_return_settled_by_two():
    refused_alone(metal(), MARK)
    marked = signed(metal(), MARK, MARK.on)
    marked.when(propose(msgspec.structs.replace(MARK, price_minor="0.01"), MARK.on, proposal="prp_2")).refused("price_implausible")
    back = material_story.bring(2, material_story.TODAY)
    refused_alone(metal(back), material_story.check("0.5", material_story.TODAY))


def test_a_return_that_never_came_is_taken_back_by_two():
    """What one operator books keeps the borrower from bringing anything back: all that it owes is on its way."""
    story = metal(material_story.bring(10, material_story.TODAY))
    story.when(material_story.bring(10, material_story.TODAY, name=ReturnId("mrt_2"))).refused("return_exceeds_owed")
    never = WithdrawReturn(returned=material_story.BACK, reason="no truck came")
    refused_alone(story, never)
    back = signed(story, never, material_story.TODAY)
    assert [type(event) for event in back.events] == [CommandApproved, ReturnTurnedBack, AuthorityCited]
    assert (back.events[1].reason, back.events[2].cited.mass_g) == ("never_came", 10_000_000)
    back.when(material_story.bring(10, material_story.TODAY, name=ReturnId("mrt_2"))).then(ReturnReceived)
    back.when(propose(never, material_story.TODAY, proposal="prp_2")).refused("return_not_found")


# Shares, and repayment in kind

AGREE = AgreeOfftake(
    offtake=OfftakeId("oft_1"),
    right="rgt_1",
    loan=loan_story.LOAN,
    loan_status=LoanStatus.COMMITTED,
    product="antimony-metal",
    element="Sb",
    price="1",
    currency="AUD",
    share="1",
    since=TODAY,
    until=loan_story.months(3),
    authority="an Act",
    by=PROPOSER,
    companies=("hillgrove-mines", "hillgrove"),
)
END = EndOfftake(offtake=OfftakeId("oft_1"), loan=loan_story.LOAN, reason="enough", on=TODAY, companies=AGREE.companies)


def a_holding() -> Given:
    return under_control(HOLDINGS, equity_story.committed(equity_story.subscribe(400, 200_000), equity_story.dividend(70)))


@pytest.mark.parametrize(
    "command",
    [
        equity_story.subscribe(1, 300_000, reference="x"),
        equity_story.divest(400, 0),
        equity_story.value(10**9),
        ReverseDividend(flow=EquityFlowId("eqf_d"), reason="none"),
        CancelUncalled(reason="none"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_shares_are_bought_sold_valued_and_given_up_by_two(command: Any):
    held, on = a_holding(), equity_story.TODAY
    refused_alone(held, command)
    waits = held.when(propose(command, on)).then(CommandProposed)
    assert waits.state.figures == held.state.figures
    assert waits.when(approve(on)).events[0].act == CONTROLS[type(command)].act  # type: ignore[union-attr]


def test_who_sells_shares_for_nothing_sells_what_they_have_cost():
    waits = a_holding().given(propose(equity_story.divest(400, 0), equity_story.TODAY))
    small = may(SIGNER, equity_story.TODAY, limit_minor=199_999, currency="AUD")
    waits.when(approve(equity_story.TODAY, capacity=small)).refused(Fault.OVER_LIMIT)


def test_an_offtake_is_agreed_and_ended_by_two_who_have_no_interest_in_the_borrower():
    refused_alone(Given(OFFTAKES), AGREE)
    agreed = signed(Given(OFFTAKES), AGREE).then(CommandApproved, OfftakeAgreed, AuthorityCited)
    refused_alone(agreed, END)
    waits = agreed.given(propose(END, TODAY))
    interested = may(SIGNER, TODAY, conflicts=frozenset({interest_in("company", "hillgrove-mines")}))
    waits.when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)
    waits.when(approve(TODAY)).then(CommandApproved, OfftakeEnded, AuthorityCited)


# What is withdrawn


def test_an_award_of_metal_that_two_have_signed_is_not_taken_back_by_one():
    for story in (material_story.offered(), material_story.proposed()):
        taken = under_control(MATERIALS, story)
        withdraw = WithdrawMaterialLoan(reason="none")
        refused_alone(taken, withdraw)
        waits = taken.given(propose(withdraw, TODAY))
        waits.when(approve(TODAY, by=PROPOSER)).refused(ApprovalReason.BY_PROPOSER)
        interested = may(SIGNER, TODAY, conflicts=frozenset({interest_in("partner", "JP")}))
        waits.when(approve(TODAY, capacity=interested)).refused(Fault.CONFLICT)
        done = waits.when(approve(TODAY)).then(CommandApproved, MaterialLoanWithdrawn, AuthorityCited)
        assert (done.events[-1].cited.act, done.events[-1].cited.mass_g) == ("cancel_release", taken.state.mass_g)
    again = waits.given(WithdrawOffer(reason="stock_short"), material_story.offer(decision="e" * 64))
    again.when(approve(TODAY)).then(CommandApproved, MaterialLoanWithdrawn, AuthorityCited)


WAIVE = loan_story.act(WaiveCondition(name="permit", until=None))
ADVANCE = loan_story.request()
ASKED: dict[str, tuple[Any, Any, str, str]] = {  # what waits; how it is withdrawn; whose it is; under which power another signs
    "loan": (lambda: under_control(LOANS, Given(LOAN, loan_story.propose())), WithdrawLoan, loan_story.propose().by, "cancel_commitment"),
    "act": (
        lambda: under_control(LOANS, loan_story.committed(WAIVE)),
        lambda **by: WithdrawAct(act=WAIVE.act, **by),
        WAIVE.by,
        "amend_conditions",
    ),
    "advance": (
        lambda: under_control(LOANS, loan_story.committed(ADVANCE)),
        lambda **by: WithdrawAdvance(advance=ADVANCE.advance, **by),
        ADVANCE.by,
        "cancel_commitment",
    ),
    "holding": (
        lambda: under_control(HOLDINGS, Given(EQUITY, equity_story.propose())),
        WithdrawHolding,
        equity_story.propose().by,
        "cancel_commitment",
    ),
    "write-down": (
        lambda: a_holding().given(equity_story.write_down(40)),
        lambda **by: WithdrawWriteDown(flow=EquityFlowId("eqf_w"), **by),
        equity_story.write_down(40).by,
        "write_down",
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_waits_for_a_signature_is_withdrawn_by_who_asked_for_it_and_else_by_two(what: str):
    waits, withdraw, owner, act = ASKED[what]
    story = waits()
    own = story.when(withdraw(reason="none", by=frozenset({owner, "another account"})))
    assert len(own.events) == 1 and type(own.events[0]).__name__.endswith("Withdrawn")
    for by in (frozenset({PROPOSER}), frozenset[str]()):
        refused_alone(story, withdraw(reason="none", by=by))
    done = signed(story, withdraw(reason="none")).events
    assert [type(done[0]), type(done[1]), done[-1].cited.act] == [CommandApproved, type(own.events[0]), act]


# Whatever one person does


def evidence_of_their_own(kind: str) -> Any:
    return loan_story.learn(msgspec.structs.replace(loan_story.evidence(kind, reference=f"fct_own_{kind}"), by=PROPOSER))


days = st.integers(0, 60).map(lambda ahead: TODAY + timedelta(days=ahead))
amounts = st.integers(1, 10**9)
alone = st.lists(
    st.one_of(
        st.builds(lambda amount, on: msgspec.structs.replace(FEE, amount_minor=amount, due_on=on), amounts, days),
        st.builds(lambda pct, on: msgspec.structs.replace(CHEAPER, base_pct=str(pct), from_on=on), st.integers(0, 20), days),
        st.builds(lambda: ReversePayment(payment=PaymentId("pay_a"), reason="none", on=TODAY)),
        st.builds(lambda amount: CancelCommitment(amount_minor=amount, reason="none", on=TODAY), st.one_of(st.none(), amounts)),
        st.builds(lambda: DeclareDefault(reason="none", on=TODAY)),
        st.builds(
            lambda amount: RecordRecovery(payment=PaymentId("pay_r"), reference="r", amount_minor=amount, received_on=TODAY, on=TODAY),
            amounts,
        ),
        st.builds(lambda amount: Regrade(grade="AAA", stage=1, provision_minor=amount, reason="none"), st.integers(0, 10**6)),
        st.builds(lambda ratio: ReportRatio(kind="dscr", ratio=str(ratio), for_on=TODAY, source="none", on=TODAY), st.integers(0, 9)),
        st.builds(lambda: CloseLoan(reason="none", on=TODAY)),
        st.builds(evidence_of_their_own, st.sampled_from(["permit", "output", "offtake"])),
        st.builds(lambda amount: msgspec.structs.replace(loan_story.request("own", amount), by=PROPOSER), st.integers(1, 60_000)),
        st.builds(lambda: msgspec.structs.replace(loan_story.pay_out("own"), by=frozenset({PROPOSER}))),
        st.builds(lambda: IMPORT),
    ),
    max_size=10,
)


@given(commands=alone, proposes=st.lists(st.booleans(), min_size=10, max_size=10))
def test_no_sequence_of_acts_by_one_person_moves_value_of_a_loan(commands: list[Any], proposes: list[bool]):
    """They propose, they sign their own, they do it without asking: what is owed, and what may still be lent, stays."""
    told = loan_story.committed(loan_story.learn(*loan_story.SHOWN), loan_story.request("first", 60_000), loan_story.pay_out("first"))
    loss = Regrade(grade="B", stage=2, provision_minor=9_000, reason="a look")
    story = under_control(LOANS, told.given(loan_story.payment("a", 5_000, TODAY), loss))
    before = story.state
    for number, (command, asks) in enumerate(zip(commands, proposes, strict=False)):
        attempts = [propose(command, TODAY, proposal=f"prp_{number}"), approve(TODAY, proposal=f"prp_{number}", by=PROPOSER)]
        for attempt in attempts if asks and isinstance(CONTROLS[type(command)], Countersigned) else [command]:
            tried = story.when(attempt)
            story = story if isinstance(tried.answer, Refused) else tried
    after = story.state
    for name in ("terms", "account", "booked", "figures", "payments", "references", "advanced_minor", "cancelled_minor", "resets"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.provision_minor >= before.provision_minor


@given(
    commands=st.lists(
        st.one_of(
            st.builds(lambda price: msgspec.structs.replace(CASH, price_minor=str(price)), st.integers(1, 20)),
            st.builds(lambda price: msgspec.structs.replace(MARK, price_minor=str(price)), st.integers(1, 20)),
            st.builds(
                lambda grams, cost: RecordReplacement(bought_g=grams, cost_minor=cost, source="none", on=LATE),
                st.integers(1, 10**7),
                st.integers(0, 10**10),
            ),
            st.builds(lambda: DeclareMaterialDefault(reason="none", on=LATE)),
            st.builds(lambda content, fit: material_story.check(content, LATE, fit=fit), st.sampled_from(["0.1", "1"]), st.booleans()),
            st.builds(lambda units: material_story.bring(units, LATE), st.integers(1, 9)),
        ),
        max_size=8,
    ),
    proposes=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_no_sequence_of_acts_by_one_person_moves_value_of_lent_metal(commands: list[Any], proposes: list[bool]):
    story = metal(MARK)
    before = story.state
    for number, (command, asks) in enumerate(zip(commands, proposes, strict=False)):
        attempts = [propose(command, LATE, proposal=f"prp_{number}"), approve(LATE, proposal=f"prp_{number}", by=PROPOSER)]
        for attempt in attempts if asks and isinstance(CONTROLS[type(command)], Countersigned) else [command]:
            tried = story.when(attempt)
            story = story if isinstance(tried.answer, Refused) else tried
    after = story.state
    for name in ("terms", "tranches", "books", "returned_g", "security_minor", "call_minor", "price_minor", "headroom_g"):
        assert getattr(after, name) == getattr(before, name), name
