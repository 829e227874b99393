"""Whatever happens to a loan, a holding or a material loan, its books in the ledger are its own figures, at every step."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.accounts import Balance, Key, Side, post
from services.ledger.postings import postings
from services.loans.domain.equity import decider as equity
from services.loans.domain.equity.decider import CommitHolding
from services.loans.domain.equity.state import HoldingStatus
from services.loans.domain.loan.agreement import CommitLoan
from services.loans.domain.loan.servicing import ImportLoan
from services.loans.domain.material.decider import DECIDER as MATERIAL
from services.loans.domain.material.terms import CommitMaterialLoan
from services.loans.events.loan import BookChange
from services.loans.events.material import ContainedChange, MaterialCashSettled, MaterialReplaced
from tests.stories import loan as facility_loan
from tests.stories import material
from tests.stories.equity import COMMITTED_ON, approve, propose
from tests.stories.lending_by_chance import (
    BEGUN,
    events_of_a_loan,
    flows,
    told,
    turns,
)


class Books:
    """The ledger's, of one owner."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balances: dict[Key, Balance] = {}

    def take(self, events: Iterable[Any]) -> None:
        """Each event's postings sum to zero, of each asset and status, and overdraw nothing."""
        for event in events:
            sums = Counter[tuple[str, str, str]]()
            lines = postings(event)
            for line in lines:
                sums[line.side, line.asset, line.status] += line.amount
            assert not any(sums.values())
            assert post(self.balances, lines) == []

    def of(self, account: str, asset: str = "AUD") -> Balance:
        return self.balances.get(Key(Side.TITLE, asset, account), Balance())

    def posted(self, *names: str) -> list[int]:
        return [self.of(f"{self.owner}/{name}").posted for name in names]


# Facility loans


@given(st.lists(events_of_a_loan, max_size=25))
@settings(max_examples=80, deadline=None)
def test_the_books_say_what_a_loan_says(commands):
    books = Books("loan/lon_1")
    for events, loan in told(facility_loan.DECIDER, (*BEGUN, *commands)):
        books.take(events)
        if (figures := loan.figures) is None:
            continue
        names = ("principal", "interest", "default_interest", "fees", "credit")
        owed = [figures.principal_minor, figures.interest_minor, figures.default_interest_minor, figures.fees_minor, -figures.credit_minor]
        assert books.posted(*names) == owed
        shared = {"cash": "facility/cash", "goods": "facility/goods"}
        for field in BookChange.__struct_fields__:
            name = field.removesuffix("_minor")
            assert books.of(shared.get(name, f"loan/lon_1/{name}")).posted == getattr(loan.booked, field)
        assert figures.advanced_minor == loan.advanced_minor
        assert books.of("loan/lon_1/commitment") == Balance(0, loan.undrawn_minor)
        assert books.of("facility/cmf/committed") == Balance(0, -loan.undrawn_minor)


def test_the_books_say_what_an_imported_loan_says():
    books = Books("loan/lon_1")
    terms = facility_loan.terms()
    imported = ImportLoan(
        loan=facility_loan.LOAN,
        terms=terms,
        document=facility_loan.named("a contract"),
        reference="old 7",
        as_of=facility_loan.START,
        advanced_minor=100_000,
        repaid_minor=30_000,
        by="sub_administrator",
        on=facility_loan.months(2),
    )
    for events, _ in told(facility_loan.DECIDER, (imported, CommitLoan(on=facility_loan.months(2)))):
        books.take(events)
    assert books.posted("principal") == [70_000]
    assert books.of("facility/cash").posted == -70_000
    assert books.of("loan/lon_1/commitment") == Balance(0, 20_000)


# Equity


@given(st.lists(flows, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_books_say_what_a_holding_says(commands):
    books = Books("holding/eqh_1")
    for events, holding in told(equity.DECIDER, [propose(), approve(), CommitHolding(on=COMMITTED_ON), *commands]):
        books.take(events)
        figures = holding.figures
        assert books.posted("cost", "written_down", "dividend_income", "divestment_income") == [
            figures.cost_minor,
            figures.written_down_minor,
            -figures.dividends_minor,
            figures.sold_cost_minor - figures.proceeds_minor,
        ]
        assert books.of("facility/cash").posted == figures.dividends_minor + figures.proceeds_minor - figures.subscribed_minor
        pending = figures.uncalled_minor if holding.status is HoldingStatus.COMMITTED else 0
        assert books.of("holding/eqh_1/commitment") == Balance(0, pending)
        assert books.of("facility/cmf/committed") == Balance(0, -pending)


# Material loans


@given(st.lists(turns, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_books_say_what_a_material_loan_says(commands):
    books = Books(f"partner/JP/loan/{material.LOAN}")
    opening = (material.offer(), material.propose, material.sign, CommitMaterialLoan(), material.draw(5 * material.UNIT_G, undrawn_g=1))
    money_minor = 0
    for events, loan in told(MATERIAL, (*opening, *commands)):
        books.take(events)
        own = loan.books
        for name in ContainedChange.__struct_fields__:
            owner = books.owner if name in ("lent_g", "excess_g") else f"lending/{material.LOAN}"
            assert books.of(f"{owner}/{name.removesuffix('_g')}", "contained/Sb").posted == getattr(own, name)
        assert own.lent_g == loan.out_g
        pending_g = sum(each.pending_g for each in loan.returns.values())
        assert books.of(f"lending/{material.LOAN}/stock", "contained/Sb").pending == pending_g
        assert books.of(f"{books.owner}/returning", "contained/Sb") == Balance(0, -pending_g)
        for event in events:
            match event:
                case MaterialCashSettled():
                    money_minor += event.amount_minor
                case MaterialReplaced():
                    money_minor -= event.cost_minor
        assert books.of("facility/cash").posted == money_minor
