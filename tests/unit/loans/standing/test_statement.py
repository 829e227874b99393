"""Statements: each line by the day that it counts for, and all lines together what has changed; and the page that is printed."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.loans.api.standing.statement_page import page_of
from services.loans.domain.loan.advances import CancelCommitment
from services.loans.domain.loan.agreement import ApproveLoan, CommitLoan
from services.loans.domain.loan.decider import DECIDER
from services.loans.domain.loan.payments import ReversePayment
from services.loans.domain.loan.servicing import ChargeFee, ClosePeriod, ResetRate
from services.loans.domain.standing.dated_facts import Contract, DatedFact
from services.loans.domain.standing.standing import books_on, plus
from services.loans.domain.standing.statement import lines_of, owed_by_books, told_in
from services.loans.events.loan import PaymentId
from services.loans.events.terms import WriteOff
from shared.http.print_page import PAGE_HEADERS
from tests.stories.given import Given
from tests.stories.loan import (
    SHOWN,
    START,
    act,
    learn,
    lent,
    minor,
    months,
    named,
    pay_out,
    payment,
    propose,
    request,
    sign_act,
    signing,
)
from tests.stories.standing_by_chance import account_of, contracts, days, happenings

YEAR_END = date(2026, 12, 31)
LINE: dict[str, Any] = {
    "on": date(2026, 3, 1),
    "kind": "payment",
    "amount_minor": 1_234_567,
    "owed_minor": -50,
    "change": {},
    "recorded_on": date(2026, 4, 2),
    "told_late": True,
    "text": "bank/1",
    "place": "loans/0/7",
}
STATEMENT: dict[str, Any] = {
    "loan": "lon_1",
    "facility": "cmf",
    "borrower": "hillgrove-mines",
    "project": "hillgrove",
    "currency": "AUD",
    "since": date(2026, 3, 1),
    "until": date(2026, 3, 31),
    "known_at": None,
    "opening": dict.fromkeys(
        (
            "advanced_minor",
            "repaid_minor",
            "principal_minor",
            "interest_minor",
            "accrued_minor",
            "default_interest_minor",
            "fees_minor",
            "credit_minor",
            "due_minor",
            "overdue_minor",
        ),
        0,
    ),
    "lines": [LINE],
    "sums": {"cash_minor": 1_234_567, "principal_minor": -1_234_567},
    "corrections": [],
}
STATEMENT["closing"] = STATEMENT["opening"] | {"principal_minor": 100_000_050}


def page(**changes: Any) -> str:
    return page_of(STATEMENT | changes)


@settings(max_examples=150)
@given(contracts(), happenings(), days, st.integers(0, 500))
def test_what_was_before_and_all_lines_together_are_what_is_after(contract: Contract, facts: list[DatedFact], since: date, length: int):
    account, until = account_of(contract, facts), since + timedelta(days=length)
    books = books_on(account, since - timedelta(days=1))
    lines = tuple(lines_of(account, since, until))
    for line in lines:
        assert since <= line.on <= until
        books = plus(books, line.change)
        assert line.owed_minor == owed_by_books(books)
    assert books == books_on(account, until)
    assert {fact.id for fact in facts if since <= fact.on <= until} == {line.fact for line in lines} - {None}
    assert [line.on for line in lines] == sorted(line.on for line in lines)


def test_a_statement_of_a_month_has_the_advance_the_payment_and_the_interest_of_that_month_alone():
    loan = lent(payment("a", 11_000, months(1)), ChargeFee(fee="fee_1", text="a visit", amount_minor=500, due_on=months(2), on=months(2)))
    assert loan.state.account is not None
    first = list(lines_of(loan.state.account, START, months(1)))
    assert [line.kind for line in first] == ["advance", "billed", "payment"]
    assert [line.amount_minor for line in first] == [120_000, 1_200, 11_000]
    assert [line.owed_minor for line in first] == [120_000, 121_200, 110_200]
    assert minor(first[2].change) == {"cash": 11_000, "principal": -9_462, "interest": -1_200, "credit": -338}
    second = list(lines_of(loan.state.account, months(1) + timedelta(days=1), months(2)))
    assert [(line.kind, line.fact) for line in second] == [("billed", None), ("fee", "fee_1")]


def test_a_payment_that_is_told_late_is_a_line_of_its_own_day_and_a_reversed_one_of_none():
    late = lent(ClosePeriod(on=months(1)), payment("late", 5_000, months(1), on=months(4)))
    assert late.state.account is not None
    [line] = [each for each in lines_of(late.state.account, START, months(2)) if each.kind == "payment"]
    assert (line.on, line.amount_minor) == (months(1), 5_000)
    undone = late.given(ReversePayment(payment=PaymentId("pay_late"), reason="bounced", on=months(4)))
    assert undone.state.account is not None
    assert "payment" not in [each.kind for each in lines_of(undone.state.account, START, YEAR_END)]


def test_every_dated_fact_is_known_by_the_event_that_told_of_it():
    agreed = (propose(), ApproveLoan(signing=signing(named("proposal"))), CommitLoan(on=START), learn(*SHOWN))
    advances = (request("a", 50_000), pay_out("a"), CancelCommitment(amount_minor=1_000, reason="enough", on=START))
    write_off = WriteOff(amount_minor=100, on=START)
    serviced = (
        payment("a", 5_000, months(1)),
        ChargeFee(fee="fee_1", text="a visit", amount_minor=500, due_on=months(2), on=months(2)),
        ResetRate(base_pct="9", source="BBSW", from_on=months(2), on=months(2)),
        ResetRate(base_pct="8", source="BBSW", from_on=months(2), on=months(2)),
        CancelCommitment(amount_minor=2_000, reason="enough", on=months(2)),
        act(write_off, on=months(2)),
        sign_act(on=months(2)),
    )
    loan = Given(DECIDER, *agreed, *advances, *serviced)
    happened = loan.events
    assert loan.state.account is not None
    versions = told_in(enumerate(happened, 1))
    assert versions.keys() == {fact.id for fact in loan.state.account.facts}
    assert len(set(versions.values())) == len(versions) == 8


def test_amounts_have_the_digits_of_their_currency():
    assert "12,345.67" in page()
    assert "1,000,000.50" in page()
    assert ">-0.50<" in page()
    assert "1,234,567<" in page(currency="JPY")
    assert "1,234.567<" in page(currency="KWD")
    assert "minor units of ZZZ" in page(currency="ZZZ")


def test_a_page_is_whole_in_itself_and_nothing_in_it_is_code():
    hostile = "<script>alert('x')</script>\"&"
    shown = page(borrower=hostile, lines=[LINE | {"text": hostile}], corrections=[LINE | {"kind": "payment_reversed", "text": hostile}])
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;") == 3
    for foreign in ("src=", "href=", "url(", "@import", "http"):
        assert foreign not in shown, foreign
    assert "@page { size: A4" in shown
    assert "@media print" in shown
    assert "default-src 'none'" in PAGE_HEADERS["Content-Security-Policy"]


def test_a_line_that_was_told_late_is_marked():
    assert "Payment: bank/1 *" in page()
    assert "Payment: bank/1 *" not in page(lines=[LINE | {"told_late": False}])
