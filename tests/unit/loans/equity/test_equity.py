"""Equity: proposed, approved, committed; subscribed, valued, paid dividends on, divested, written down, closed."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.equity.decider import DECIDER, CancelUncalled, CommitHolding, RefuseHolding, WithdrawHolding
from services.loans.domain.equity.flows import ReverseDividend, SubscribeShares
from services.loans.domain.equity.state import HoldingStatus, Reason, units_on
from services.loans.domain.equity.write_downs import WithdrawWriteDown
from services.loans.events.authority import AuthorityCited
from services.loans.events.equity import (
    EquityFlowId,
    HoldingApproved,
    HoldingChange,
    HoldingClosed,
    HoldingValued,
    HoldingWrittenOff,
    SharesDivested,
)
from shared.journal.decider import Refused
from shared.terms.acting import ApprovalReason
from shared.terms.dating import Dated, DatingReason
from tests.stories.equity import (
    COMMITTED_ON,
    DOCUMENT,
    HOLDING,
    TERMS,
    TODAY,
    approve,
    approve_write_down,
    committed,
    divest,
    dividend,
    propose,
    subscribe,
    value,
    write_down,
)
from tests.stories.given import Given


def test_a_second_person_approves_and_the_facility_is_asked_for_the_whole_commitment():
    event, cited = Given(DECIDER, propose()).when(approve()).events
    assert isinstance(event, HoldingApproved)
    assert (event.commitment_minor, event.facility) == (500_000, "cmf")
    assert isinstance(cited, AuthorityCited)
    assert (cited.matter, cited.cited.act, cited.cited.amount_minor) == (HOLDING, "commit_holding", 500_000)
    assert event.keys == ("instrument/equity", "account/national_interest", "borrower/larvotto", "project/hillgrove", "element/Sb")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (approve(by="operator-1"), ApprovalReason.BY_PROPOSER),
        (approve(document="cd" * 32), ApprovalReason.ANOTHER_DOCUMENT),
        (approve(purpose="loan_proposal"), ApprovalReason.ANOTHER_DOCUMENT),
        (approve(key="revoked"), ApprovalReason.KEY_REVOKED),
        (approve(key="unknown"), ApprovalReason.KEY_NOT_FOUND),
        (approve(signature_valid=False), ApprovalReason.SIGNATURE_INVALID),
    ],
)
def test_an_approval_that_is_not_a_second_person_s_over_this_proposal_is_refused(command: Any, reason: ApprovalReason):
    Given(DECIDER, propose()).when(command).refused(reason)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"commitment_minor": 0}, "/commitment_minor"),
        ({"units": 0}, "/units"),
        ({"unit_price_minor": "0"}, "/unit_price_minor"),
        ({"unit_price_minor": "501"}, "/unit_price_minor"),
        ({"elements": ()}, "/elements"),
        ({"elements": ("Sb", "Sb")}, "/elements"),
    ],
)
def test_terms_that_no_holding_can_have_are_refused(changed: dict[str, Any], field: str):
    answer = Given(DECIDER).when(propose(msgspec.structs.replace(TERMS, **changed))).answer
    assert isinstance(answer, Refused)
    assert answer.field == field


def test_what_the_facility_refuses_is_as_it_was_proposed():
    holding = Given(DECIDER, propose(), approve(), RefuseHolding(reason="limit_exceeded", detail="full"))
    assert holding.state.status is HoldingStatus.PROPOSED
    assert holding.given(approve(), CommitHolding(on=TODAY)).state.status is HoldingStatus.COMMITTED


def test_the_facility_s_answer_to_nothing_changes_nothing():
    for holding in (Given(DECIDER), Given(DECIDER, propose()), committed()):
        holding.when(CommitHolding(on=TODAY)).then()
        holding.when(RefuseHolding(reason="limit_exceeded", detail="")).then()


def test_nothing_is_subscribed_before_the_commitment_nor_withdrawn_after_it():
    Given(DECIDER, propose(), approve()).when(subscribe(1, 1)).refused(Reason.STATUS)
    Given(DECIDER, propose(), WithdrawHolding(reason="no")).when(approve()).refused(Reason.STATUS)
    committed().when(WithdrawHolding(reason="no")).refused(Reason.STATUS)
    Given(DECIDER).when(WithdrawHolding(reason="no")).refused(Reason.NOT_FOUND)


def test_tranches_are_paid_up_to_the_commitment_and_never_above_it():
    holding = committed(subscribe(400, 200_000), subscribe(500, 250_000, reference="s2"))
    assert (holding.state.figures.units, holding.state.figures.cost_minor, holding.state.figures.uncalled_minor) == (900, 450_000, 50_000)
    holding.when(subscribe(100, 50_001, reference="s3")).refused(Reason.BEYOND_COMMITMENT, "/amount_minor")
    holding.when(subscribe(101, 50_000, reference="s3")).refused(Reason.UNITS_INVALID, "/units")
    holding.when(subscribe(100, 0, reference="s3")).refused(Reason.BEYOND_COMMITMENT, "/amount_minor")
    holding.when(subscribe(0, 1, reference="s3")).refused(Reason.UNITS_INVALID, "/units")
    holding.when(subscribe(100, 50_000, reference="s")).refused(Reason.REFERENCE_USED, "/reference")


@pytest.mark.parametrize("on", [COMMITTED_ON - timedelta(days=1), TODAY + timedelta(days=1)])
def test_a_day_before_the_holding_or_in_the_future_is_refused(on: date):
    for command in (subscribe(1, 1, on, "x"), dividend(1, on), divest(1, 1, on), value(1, on), write_down(1, on)):
        committed(subscribe(10, 100)).when(command).refused(Reason.DATE_IN_FUTURE if on > TODAY else Reason.DATE_INVALID)


def test_a_dividend_of_the_past_counts_once_and_can_be_taken_back():
    holding = committed(subscribe(100, 50_000), dividend(700, date(2026, 3, 1)))
    assert holding.state.figures.dividends_minor == 700
    holding.when(dividend(700)).refused(Reason.REFERENCE_USED, "/reference")
    (event,) = holding.when(ReverseDividend(flow=EquityFlowId("eqf_d"), reason="another company's")).events
    assert event.change == HoldingChange(cash_minor=-700, dividend_income_minor=700)
    holding = holding.given(ReverseDividend(flow=EquityFlowId("eqf_d"), reason="another company's"))
    assert holding.state.figures.dividends_minor == 0
    holding.when(ReverseDividend(flow=EquityFlowId("eqf_d"), reason="again")).refused(Reason.DIVIDEND_NOT_FOUND)


@pytest.mark.parametrize(
    ("holding", "command"),
    [(committed(), subscribe(1, 1, TODAY)), (committed(subscribe(10, 100)), divest(1, 1))],
)
def test_shares_for_another_day_than_that_of_the_proposal_say_why(holding: Given, command: Any):
    proposed = TODAY - timedelta(days=2)
    signed_later = msgspec.structs.replace(command, reported_on=proposed)
    holding.when(signed_later).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    assert holding.when(msgspec.structs.replace(signed_later, dated_because="paper_late")).events[0].dated_because == "paper_late"
    of_its_day = {"paid_on" if isinstance(command, SubscribeShares) else "received_on": proposed}
    assert holding.when(msgspec.structs.replace(signed_later, **of_its_day)).events[0].dated_because is None


def test_a_dividend_is_above_zero_and_on_shares_that_were_subscribed():
    committed().when(dividend(1)).refused(Reason.NOTHING_HELD)
    early = dividend(1, date(2026, 3, 1), because=None)
    committed(subscribe(1, 1)).when(early).refused(DatingReason.WITHOUT_REASON, "/dated_because")
    committed(subscribe(1, 1)).when(dividend(0)).refused(Reason.AMOUNT_INVALID, "/amount_minor")
    committed(subscribe(1, 1)).when(dividend(-5)).refused(Reason.AMOUNT_INVALID, "/amount_minor")


def test_what_is_sold_leaves_at_its_average_cost_and_the_rest_is_gain():
    holding = committed(subscribe(3, 100))
    (event,) = holding.when(divest(1, 50)).events
    assert isinstance(event, SharesDivested)
    assert (event.cost_minor, event.gain_minor, event.after.cost_minor) == (33, 17, 67)
    assert event.change == HoldingChange(cash_minor=50, cost_minor=-33, divestment_income_minor=-17)


def test_what_was_written_down_is_no_cost_of_what_is_sold():
    holding = committed(subscribe(10, 100), write_down(50), approve_write_down(), divest(5, 60))
    assert (holding.state.figures.sold_cost_minor, holding.state.figures.cost_minor) == (25, 25)


def test_the_last_share_sold_closes_the_holding_and_the_last_dividend_may_still_come():
    holding = committed(subscribe(10, 100))
    sold, closed = holding.when(divest(10, 80)).events
    assert (sold.cost_minor, sold.gain_minor) == (100, -20)
    assert isinstance(closed, HoldingClosed)
    assert closed.uncalled_minor == 499_900
    holding = holding.given(divest(10, 80), dividend(5))
    assert (holding.state.status, holding.state.figures.dividends_minor) == (HoldingStatus.CLOSED, 5)
    holding.when(subscribe(1, 1, reference="late")).refused(Reason.STATUS)


def test_more_is_not_sold_than_was_held_on_the_day_and_ever_after():
    spring, summer = date(2026, 3, 1), date(2026, 6, 1)
    holding = committed(subscribe(10, 100, spring), subscribe(10, 100, summer, "s2"), divest(15, 300, TODAY))
    holding.when(divest(6, 90, TODAY, "v2")).refused(Reason.UNITS_INVALID, "/units")
    holding.when(divest(6, 90, spring, "v2")).refused(Reason.UNITS_INVALID, "/units")
    assert holding.given(divest(5, 90, spring, "v2")).state.figures.units == 0
    early = committed(subscribe(10, 100, spring), subscribe(90, 100, TODAY, "s2"))
    early.when(divest(11, 90, summer)).refused(Reason.UNITS_INVALID, "/units")


def test_a_valuation_says_what_was_held_on_its_day():
    holding = committed(subscribe(10, 100, date(2026, 3, 1)), subscribe(10, 100, date(2026, 6, 1), "s2"))
    (event,) = holding.when(value(900, date(2026, 4, 1))).events
    assert isinstance(event, HoldingValued)
    assert (event.units, event.value_minor) == (10, 900)
    holding.when(value(-1)).refused(Reason.AMOUNT_INVALID, "/value_minor")


def test_a_write_down_is_of_what_the_books_hold_and_the_shares_stay():
    holding = committed(subscribe(10, 100))
    holding.when(write_down(101)).refused(Reason.BEYOND_COST, "/amount_minor")
    holding.when(write_down(0)).refused(Reason.BEYOND_COST, "/amount_minor")
    holding = holding.given(write_down(40))
    assert (holding.state.figures.cost_minor, holding.state.figures.written_down_minor) == (100, 0)
    holding = holding.given(approve_write_down())
    assert (holding.state.figures.units, holding.state.figures.cost_minor, holding.state.figures.written_down_minor) == (10, 60, 40)
    holding.when(approve_write_down()).refused(Reason.WRITE_DOWN_NOT_FOUND)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (approve_write_down(by="operator-1"), ApprovalReason.BY_PROPOSER),
        (approve_write_down(document="cd" * 32), ApprovalReason.ANOTHER_DOCUMENT),
        (approve_write_down(purpose="equity_proposal"), ApprovalReason.ANOTHER_DOCUMENT),
        (approve_write_down(key="revoked"), ApprovalReason.KEY_REVOKED),
        (approve_write_down(signature_valid=False), ApprovalReason.SIGNATURE_INVALID),
        (approve_write_down(flow="eqf_other"), Reason.WRITE_DOWN_NOT_FOUND),
    ],
)
def test_nothing_is_written_down_on_one_person_s_word(command: Any, reason: Any):
    committed(subscribe(10, 100), write_down(40)).when(command).refused(reason)


def test_a_write_down_that_is_withdrawn_is_not_approved_any_more():
    withdraw = WithdrawWriteDown(flow=EquityFlowId("eqf_w"), reason="found again")
    holding = committed(subscribe(10, 100), write_down(40), withdraw)
    holding.when(approve_write_down()).refused(Reason.WRITE_DOWN_NOT_FOUND)
    holding.when(withdraw).refused(Reason.WRITE_DOWN_NOT_FOUND)


def test_a_write_down_that_is_too_much_by_now_is_refused():
    holding = committed(subscribe(10, 100), write_down(60), write_down(60, flow="eqf_2"), approve_write_down())
    holding.when(approve_write_down(flow="eqf_2")).refused(Reason.BEYOND_COST)


def test_what_is_written_off_is_held_no_more_and_closes():
    off, closed, cited = committed(subscribe(10, 100), write_down(None)).when(approve_write_down()).events
    assert isinstance(off, HoldingWrittenOff)
    assert (off.units, off.amount_minor, off.after.units, off.after.cost_minor) == (10, 100, 0, 0)
    assert (off.approval.subject, off.document) == ("approver-1", DOCUMENT)
    assert isinstance(closed, HoldingClosed)
    assert isinstance(cited, AuthorityCited)
    assert (cited.cited.act, cited.cited.amount_minor, cited.cited.currency) == ("write_off", 100, "AUD")
    later = committed(subscribe(10, 100, date(2026, 3, 1)), subscribe(10, 100, date(2026, 6, 1), "s2"))
    later.when(write_down(None, date(2026, 4, 1))).refused(Reason.DATE_INVALID, "/on")


def test_a_write_down_for_an_earlier_day_says_why():
    early, holding = date(2026, 4, 1), committed(subscribe(10, 100, date(2026, 3, 1)))
    holding.when(write_down(1, early, because=None)).refused("dated_without_reason", "/dated_because")
    [late] = holding.when(write_down(1, early)).events
    [today] = holding.when(write_down(1)).events
    assert (late.dated_because, today.dated_because) == (Dated.PAPER_LATE, None)
    assert holding.given(write_down(1, early), approve_write_down()).events


def test_a_commitment_that_is_never_called_is_cancelled_and_closes_what_holds_nothing():
    cancelled, closed = committed().when(CancelUncalled(reason="not needed")).events
    assert (cancelled.amount_minor, closed.uncalled_minor) == (500_000, 0)
    holding = committed(subscribe(10, 100))
    (cancelled,) = holding.when(CancelUncalled(reason="not needed")).events
    assert cancelled.amount_minor == 499_900
    holding.given(CancelUncalled(reason="x")).when(CancelUncalled(reason="again")).refused(Reason.NOTHING_UNCALLED)


DAYS = st.dates(COMMITTED_ON, TODAY)
STEPS = st.one_of(
    st.builds(subscribe, st.integers(0, 400), st.integers(0, 200_000), DAYS, st.uuids().map(str)),
    st.builds(divest, st.integers(0, 400), st.integers(0, 300_000), DAYS, st.uuids().map(str)),
    st.builds(dividend, st.integers(-1, 5_000), DAYS, st.uuids().map(str)),
    st.builds(value, st.integers(-1, 900_000), DAYS),
    st.builds(write_down, st.none() | st.integers(0, 50_000), DAYS),
    st.just(approve_write_down()),
    st.just(CancelUncalled(reason="enough")),
)


@given(st.lists(STEPS, max_size=30))
def test_units_are_never_below_zero_and_every_cent_paid_is_held_or_sold_or_lost(steps: list[Any]):
    holding = committed()
    books = HoldingChange()
    for step in steps:
        after = holding.when(step)
        if isinstance(after.answer, Refused):
            continue
        holding = after
        for event in holding.events:
            if (change := getattr(event, "change", None)) is not None:
                assert sum(msgspec.structs.astuple(change)) == 0
                books = HoldingChange(**{name: getattr(books, name) + getattr(change, name) for name in HoldingChange.__struct_fields__})
        figures = holding.state.figures
        assert all(units_on(holding.state, move.on) >= 0 for move in holding.state.moves)
        assert figures.units == units_on(holding.state, TODAY) >= 0
        assert figures.cost_minor + figures.sold_cost_minor + figures.written_down_minor == figures.subscribed_minor
        assert figures.subscribed_minor <= TERMS.commitment_minor - figures.uncalled_minor
        assert figures.units or not figures.cost_minor
        assert books == HoldingChange(
            cash_minor=figures.proceeds_minor + figures.dividends_minor - figures.subscribed_minor,
            cost_minor=figures.cost_minor,
            dividend_income_minor=-figures.dividends_minor,
            divestment_income_minor=figures.sold_cost_minor - figures.proceeds_minor,
            written_down_minor=figures.written_down_minor,
        )
