"""Whatever happens to a loan or a holding, its books in the ledger are its own figures, at every step."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from equity_story import COMMITTED_ON, DECIDER, TODAY, approve, divest, dividend, propose, subscribe, value, write_down
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.accounts import Balance, Key, Side, post
from services.ledger.postings import postings
from services.loans.domain.equity import CancelUncalled, CommitHolding
from services.loans.domain.equity_flows import ReverseDividend
from services.loans.domain.equity_state import Holding, HoldingStatus
from services.loans.events.equity import EquityFlowId
from shared.decider import Refused


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


def told(commands: Iterable[Any]) -> Iterator[tuple[Any, Holding]]:
    """Each command's events, and how the holding stands after them."""
    holding = Holding()
    for command in (propose(), approve(), CommitHolding(on=COMMITTED_ON), *commands):
        events = DECIDER.decide(command, holding)
        if isinstance(events, Refused):
            continue
        for event in events:
            holding = DECIDER.evolve(holding, event)
        yield events, holding


numbers = st.integers(1, 900)
days = st.integers(0, 300).map(lambda ahead: min(COMMITTED_ON + timedelta(days=ahead), TODAY))
references = st.integers(0, 10**6).map(str)
flows = st.one_of(
    st.builds(lambda units, each, on, name: subscribe(units, units * each, on, f"s{name}"), numbers, numbers, days, references),
    st.builds(lambda amount, on, name: dividend(amount, on, f"d{name}"), numbers, days, st.integers(0, 5)),
    st.builds(lambda name: ReverseDividend(flow=EquityFlowId(f"eqf_d{name}"), reason="another's"), st.integers(0, 5)),
    st.builds(lambda units, amount, on, name: divest(units, amount, on, f"v{name}"), numbers, numbers, days, references),
    st.builds(lambda amount, on: write_down(amount, on), st.one_of(numbers, numbers, numbers, st.none()), days),
    st.builds(value, numbers, days),
    st.builds(lambda: CancelUncalled(reason="enough")),
)


@given(st.lists(flows, max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_books_say_what_a_holding_says(commands):
    books = Books("holding/eqh_1")
    for events, holding in told(commands):
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
