"""Money-weighted returns: as spreadsheets and textbooks have them, and zero net value at any rate that is found."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.equity.money_weighted import Flow, NoReturn, money_weighted


def net_value(flows: Sequence[Flow], rate: Decimal) -> Decimal:
    """What the flows are worth on the first of their days, at a rate a year."""
    with localcontext(prec=40):
        first = min(flow.on for flow in flows)
        return sum((flow.amount_minor / (1 + rate) ** (Decimal((flow.on - first).days) / 365) for flow in flows), Decimal(0))


def flows(*pairs: tuple[str, int]) -> list[Flow]:
    return [Flow(date.fromisoformat(on), amount) for on, amount in pairs]


def test_the_example_of_the_spreadsheet_s_documentation():
    """XIRR in Microsoft's and LibreOffice's documentation: 0.373362535 (37.34 %)."""
    found = money_weighted(
        flows(("2008-01-01", -10_000), ("2008-03-01", 2_750), ("2008-10-30", 4_250), ("2009-02-15", 3_250), ("2009-04-01", 2_750))
    )
    assert (found.rate, found.certain) == ("0.373363", True)


@pytest.mark.parametrize(
    ("received", "rate"),
    [(110, "0.100000"), (100, "0.000000"), (50, "-0.500000"), (1_000, "9.000000"), (1, "-0.990000")],
)
def test_a_year_of_365_days_is_a_year(received: int, rate: str):
    assert money_weighted(flows(("2025-01-01", -100), ("2026-01-01", received))).rate == rate


def test_half_a_year_counts_as_its_days():
    found = money_weighted(flows(("2025-01-01", -100), ("2025-07-02", 110)))  # 182 days
    assert found.rate is not None
    assert math.isclose(float(found.rate), 1.1 ** (365 / 182) - 1, abs_tol=1e-6)


def test_a_total_loss_is_minus_one():
    assert money_weighted(flows(("2025-01-01", -100), ("2026-01-01", 0))).rate == "-1.000000"
    assert money_weighted(flows(("2025-01-01", -100))).rate == "-1.000000"


@pytest.mark.parametrize(
    ("given_flows", "reason"),
    [
        ((), NoReturn.NOTHING_PAID),
        ((("2025-01-01", 100),), NoReturn.NOTHING_PAID),
        ((("2025-01-01", -100), ("2025-01-01", 100)), NoReturn.ONE_DAY),
        ((("2025-01-01", -100), ("2025-01-01", 90)), NoReturn.ONE_DAY),
        ((("2025-01-01", -100), ("2025-01-02", 200)), NoReturn.NONE_FITS),
        ((("2025-01-01", -100), ("2026-01-01", 50), ("2026-01-01", -60)), NoReturn.NONE_FITS),
    ],
)
def test_where_there_is_no_rate_it_says_why(given_flows: tuple[tuple[str, int], ...], reason: NoReturn):
    found = money_weighted(flows(*given_flows))
    assert (found.rate, found.reason) == (None, reason)


def test_flows_with_two_rates_give_the_one_nearest_to_zero_and_say_that_it_is_not_certain():
    """-100, 230, -132 a year apart: 10 % and 20 %."""
    found = money_weighted(flows(("2025-01-01", -100), ("2026-01-01", 230), ("2027-01-01", -132)))
    assert (found.rate, found.certain) == ("0.100000", False)


def test_the_order_in_which_flows_are_named_is_nothing():
    some = flows(("2025-01-01", -100), ("2025-06-01", -50), ("2026-01-01", 60), ("2026-06-01", 120))
    assert money_weighted(some) == money_weighted(reversed(some))


FLOWS = st.lists(st.tuples(st.integers(1, 4_000), st.integers(-(10**12), 10**12)), min_size=1, max_size=30)


@given(st.integers(1, 10**12), FLOWS)
def test_at_its_rate_the_flows_are_worth_nothing(paid: int, later: list[tuple[int, int]]):
    first = date(2020, 1, 1)
    some = [Flow(first, -paid), *(Flow(first + timedelta(days=days), amount) for days, amount in later)]
    found = money_weighted(some)
    if found.rate is None or found.rate == "-1.000000":
        return
    rate, half = Decimal(found.rate), Decimal("0.00000051")
    if rate - half > -1:  # between the neighbours of six digits the worth changes its sign
        assert net_value(some, rate - half) * net_value(some, rate + half) <= 0 or not found.certain
