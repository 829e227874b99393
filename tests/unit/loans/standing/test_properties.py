"""Properties of a loan's standing, whatever happens to it and in whatever order it is learnt."""

from datetime import date, timedelta
from fractions import Fraction

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loans.domain.loan.books import owed_minor
from services.loans.domain.standing.dated_facts import (
    Advanced,
    Contract,
    DatedFact,
    Paid,
    RateFrom,
    order,
)
from services.loans.domain.standing.standing import (
    Account,
    books_on,
    figures_on,
    interest_on,
    minus,
    plus,
    upcoming,
    with_fact,
    without_fact,
)
from services.loans.events.loan import BookChange
from services.loans.events.terms import ScheduleTerms
from tests.stories.standing_by_chance import START, account_of, contracts, happenings
from tests.unit.loans.standing.reference import Loan

LAST_DAY = START + timedelta(days=800)


@settings(deadline=None)
@given(contracts(), happenings(), st.integers(0, 800))
def test_a_standing_is_what_a_naive_fold_from_the_beginning_gives(contract: Contract, facts: list[DatedFact], days: int):
    on = START + timedelta(days=days)
    account = account_of(contract, facts)
    loan = Loan(contract).run(facts, on)
    assert books_on(account, on) == BookChange(
        cash_minor=loan.books["cash"],
        goods_minor=loan.books["goods"],
        principal_minor=loan.undue + loan.owed("principal"),
        interest_minor=loan.owed("interest"),
        default_interest_minor=loan.owed("default"),
        fees_minor=loan.owed("fees"),
        credit_minor=loan.books["credit"],
        interest_income_minor=-loan.books["interest_income"],
        default_interest_income_minor=-loan.books["default_income"],
        fee_income_minor=-loan.books["fee_income"],
        written_off_minor=loan.books["written_off"],
    )
    figures = figures_on(account, on)
    overdue = [debt for debt in loan.debts if debt[1] != "default" and debt[0] < on]
    assert (figures.advanced_minor, figures.repaid_minor) == (loan.advanced, loan.repaid)
    assert figures.overdue_minor == sum(debt[2] for debt in overdue)
    assert figures.overdue_since == min((debt[0] for debt in overdue), default=None)
    of_default = max(0, round(loan.of_default))
    daily = max(0, round(loan.of_overdue)) if loan.fallen_due else 0
    assert figures.due_minor == sum(debt[2] for debt in loan.debts if debt[0] <= on) + of_default + daily
    assert figures.accrued_minor == max(0, round(loan.of_undue + loan.of_overdue)) + of_default
    assert interest_on(account, on) == loan.of_undue + loan.of_overdue


@settings(deadline=None)
@given(contracts(), happenings().flatmap(lambda facts: st.tuples(st.just(facts), st.permutations(facts))))
def test_the_order_in_which_facts_are_learnt_makes_no_difference(contract: Contract, orders: tuple[list[DatedFact], list[DatedFact]]):
    assert account_of(contract, orders[0]) == account_of(contract, orders[1])
    assert [fact.id for fact in account_of(contract, orders[0]).facts] == [fact.id for fact in sorted(orders[0], key=order)]


@settings(deadline=None)
@given(contracts(), happenings().filter(bool), st.data())
def test_a_fact_that_never_was_leaves_no_trace(contract: Contract, facts: list[DatedFact], data: st.DataObject):
    reversed_one = data.draw(st.sampled_from(facts))
    others = [fact for fact in facts if fact is not reversed_one]
    assert without_fact(account_of(contract, facts), reversed_one.id) == account_of(contract, others)


@settings(deadline=None)
@given(contracts(), happenings(), st.integers(0, 800), st.integers(0, 800))
def test_books_sum_to_zero_agree_with_the_figures_and_nothing_is_ever_negative(contract, facts, first, second):
    account = account_of(contract, facts)
    early, late = (START + timedelta(days=days) for days in sorted((first, second)))
    for on in (early, late):
        books, figures = books_on(account, on), figures_on(account, on)
        assert sum(msgspec.structs.astuple(books)) == 0
        assert (books.principal_minor, books.interest_minor) == (figures.principal_minor, figures.interest_minor)
        assert (books.default_interest_minor, books.fees_minor) == (figures.default_interest_minor, figures.fees_minor)
        assert books.credit_minor == -figures.credit_minor
        assert all(value >= 0 for name, value in msgspec.structs.asdict(figures).items() if name.endswith("_minor"))
        assert books.written_off_minor >= 0 >= max(books.interest_income_minor, books.default_interest_income_minor, books.fee_income_minor)
        assert figures.overdue_minor <= figures.due_minor
    change = minus(books_on(account, late), books_on(account, early))
    assert sum(msgspec.structs.astuple(change)) == 0
    assert plus(books_on(account, early), change) == books_on(account, late)


@settings(deadline=None)
@given(contracts(), happenings(), st.lists(st.integers(0, 800), min_size=1, max_size=6))
def test_who_pays_what_is_due_on_a_day_owes_nothing_that_is_due_on_it(contract: Contract, facts: list[DatedFact], days: list[int]):
    account = account_of(contract, facts)
    for number, day in enumerate(days):
        on = START + timedelta(days=day)
        if due_minor := figures_on(account, on).due_minor:
            account = with_fact(account, Paid(id=f"zz_{number}", on=on, amount_minor=due_minor, due_first=True))
        figures = figures_on(account, on)
        assert (figures.due_minor, figures.overdue_minor, figures.overdue_since) == (0, 0, None)


@settings(deadline=None)
@given(contracts(), happenings(), st.integers(0, 800))
def test_who_prepays_all_that_is_owed_on_a_day_owes_nothing_from_then_on(contract: Contract, facts: list[DatedFact], day: int):
    on = START + timedelta(days=day)
    account = account_of(contract, [fact for fact in facts if (fact.on <= on and not isinstance(fact, Advanced)) or fact.on < on])
    before = figures_on(account, on)
    if owed := owed_minor(before):
        account = with_fact(account, Paid(id="zz", on=on, amount_minor=owed, prepays="instalment", due_first=True))
    figures = figures_on(account, on)
    assert owed_minor(figures) == 0
    assert figures.credit_minor >= before.credit_minor  # interest that was paid for days to come is given back


@settings(deadline=None)
@given(contracts(), happenings())
def test_who_pays_all_that_is_ever_due_repays_the_principal_and_owes_nothing(contract: Contract, facts: list[DatedFact]):
    all_of_it = (
        Paid(id="zz_arrears", on=LAST_DAY, amount_minor=10**9),
        Paid(id="zz_more", on=LAST_DAY, amount_minor=10**9, prepays="instalment"),
    )
    account = account_of(contract, [*facts, *all_of_it])
    on = LAST_DAY
    while (following := figures_on(account, on).next_billing) is not None:
        assert following > on
        on = following
    books, figures = books_on(account, on), figures_on(account, on)
    assert (figures.principal_minor, figures.interest_minor, figures.fees_minor, figures.due_minor) == (0, 0, 0, 0)
    assert (upcoming(account, on), figures.next_due, figures.accrued_minor) == ((), None, 0)
    loan = Loan(contract).run([*facts, *all_of_it], on)
    assert figures.repaid_minor == figures.advanced_minor + loan.capitalised - loan.lost
    earned = -books.interest_income_minor - books.default_interest_income_minor - books.fee_income_minor
    assert books.cash_minor + books.goods_minor + books.written_off_minor == earned + figures.credit_minor


@settings(deadline=None)
@given(contracts(), happenings(), st.integers(0, 800))
def test_an_account_survives_being_written_down(contract: Contract, facts: list[DatedFact], days: int):
    account = account_of(contract, facts)
    assert msgspec.json.decode(msgspec.json.encode(account), type=Account) == account
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(account), type=Account) == account


def test_fractions_of_a_cent_are_never_lost_between_days():
    """What accrues in two spans is what accrues in both together."""
    contract = Contract(
        currency="AUD",
        commitment_minor=100_000,
        committed_on=START,
        schedule=ScheduleTerms(kind="bullet", start=START, every="3m", periods=4, day_count="30/360"),
        rate_pct="19/3",
        default_margin_pct="0",
        commitment_fee_pct="0",
        available_until=START,
        establishment_fee_minor=0,
    )
    account = account_of(contract, [Advanced(id="adv_1", on=START, amount_minor=99_999)])
    same_rate = with_fact(account, RateFrom(id="rate_1", on=date(2024, 1, 31), rate_pct="38/6"))
    assert interest_on(same_rate, date(2024, 2, 15)) == interest_on(account, date(2024, 2, 15)) == Fraction(99_999 * 19, 300 * 12)
