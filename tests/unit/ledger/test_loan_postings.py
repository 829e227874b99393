"""What a loan's events post: a commitment is pending until it is advanced, and what an event changes in the books is posted as it is."""

from typing import Any, get_args

import pytest

from services.ledger.accounts import Balance, Key, Side, may_go_below_zero, post
from services.ledger.postings import postings
from services.loans.events.loan import AdvancePaid, BookChange, CommitmentCancelled, LoanCommitted, LoanEvent, PaymentRecorded
from services.loans.events.terms import LoanTerms

ADVANCED = BookChange(cash_minor=-700, principal_minor=700, fees_minor=20, fee_income_minor=-20)


def of(kind: Any, **fields: Any) -> Any:
    """An event with these fields; the others say nothing here."""
    known = {"loan": "lon_1", "facility": "cmf", "currency": "AUD"} | fields
    return kind(**{name: known.get(name) for name in kind.__struct_fields__})


def booked(*events: Any) -> dict[str, Balance]:
    books: dict[Key, Balance] = {}
    for event in events:
        assert post(books, postings(event)) == []
    assert {(key.side, key.asset) for key in books} <= {(Side.TITLE, "AUD")}
    return {key.account: balance for key, balance in books.items() if balance != Balance()}


COMMITTED = of(LoanCommitted, commitment_minor=1000)
PAID = of(AdvancePaid, amount_minor=700, change=ADVANCED)


def test_a_commitment_is_pending_from_its_facility():
    assert booked(COMMITTED) == {"facility/cmf/committed": Balance(0, -1000), "loan/lon_1/commitment": Balance(0, 1000)}


def test_an_advance_settles_its_part_of_the_commitment_and_is_owed():
    assert booked(COMMITTED, PAID) == {
        "facility/cmf/committed": Balance(0, -300),
        "facility/cash": Balance(-700),
        "loan/lon_1/commitment": Balance(0, 300),
        "loan/lon_1/principal": Balance(700),
        "loan/lon_1/fees": Balance(20),
        "loan/lon_1/fee_income": Balance(-20),
    }


def test_what_is_cancelled_of_a_commitment_is_pending_no_longer():
    books = booked(COMMITTED, PAID, of(CommitmentCancelled, amount_minor=300))
    assert (books["loan/lon_1/principal"], "loan/lon_1/commitment" in books, "facility/cmf/committed" in books) == (
        Balance(700),
        False,
        False,
    )


def test_an_advance_beyond_the_commitment_overdraws_it():
    books: dict[Key, Balance] = {}
    overdrafts = [found for event in (COMMITTED, PAID, PAID) for found in post(books, postings(event))]
    assert [(overdraft.key.account, overdraft.balance.pending) for overdraft in overdrafts] == [("loan/lon_1/commitment", -400)]


def test_a_repayment_of_more_than_is_owed_overdraws_it():
    repaid = of(PaymentRecorded, change=BookChange(cash_minor=701, principal_minor=-701))
    books: dict[Key, Balance] = {}
    assert [found.key.account for event in (COMMITTED, PAID, repaid) for found in post(books, postings(event))] == ["loan/lon_1/principal"]


@pytest.mark.parametrize("kind", [kind for kind in get_args(LoanEvent) if "change" in kind.__struct_fields__])
def test_every_event_that_changes_the_books_posts_just_that(kind: Any):
    change = BookChange(**{name: place for place, name in enumerate(BookChange.__struct_fields__, start=1)})
    terms = of(LoanTerms, commitment_minor=0)  # nothing is committed: what is pending is another test's
    books: dict[Key, Balance] = {}
    post(books, postings(of(kind, change=change, amount_minor=0, advanced_minor=0, terms=terms)))
    assert {key.account.rpartition("/")[2] + "_minor": balance.posted for key, balance in books.items() if balance.posted} == {
        name: getattr(change, name) for name in BookChange.__struct_fields__
    }


def test_what_is_owed_may_not_go_below_zero_and_what_is_earned_is_there():
    below = {name.removesuffix("_minor") for name in BookChange.__struct_fields__ if may_go_below_zero(f"loan/x/{name[:-6]}")}
    assert below == {"credit", "interest_income", "default_interest_income", "fee_income"}
