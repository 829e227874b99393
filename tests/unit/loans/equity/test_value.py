"""What a holding is worth on a day, and the flows that its return is reckoned from."""

from datetime import date

from services.loans.domain.equity.money_weighted import Flow
from services.loans.domain.equity.value import HoldingFlow, Valuation, Worth, cash_flows, worth_on

SPRING, SUMMER, AUTUMN = date(2026, 3, 1), date(2026, 6, 1), date(2026, 9, 1)
BOUGHT = HoldingFlow(SPRING, 100, -1_000, 1_000)
SOLD = HoldingFlow(AUTUMN, -40, 700, -400)
WRITTEN_DOWN = HoldingFlow(SUMMER, 0, 0, -300)


def test_without_a_valuation_a_holding_is_worth_what_the_books_hold_it_at():
    assert worth_on([BOUGHT, WRITTEN_DOWN, SOLD], [], SPRING) == Worth(1_000, "cost")
    assert worth_on([BOUGHT, WRITTEN_DOWN, SOLD], [], SUMMER) == Worth(700, "cost")


def test_the_last_valuation_until_the_day_counts_for_each_unit_that_is_held():
    valuations = [Valuation(SUMMER, 100, 1_500), Valuation(SPRING, 100, 1_100), Valuation(date(2026, 10, 1), 60, 60)]
    assert worth_on([BOUGHT, SOLD], valuations, SUMMER) == Worth(1_500, "valuation", SUMMER)
    assert worth_on([BOUGHT, SOLD], valuations, AUTUMN) == Worth(900, "valuation", SUMMER)


def test_nothing_held_is_worth_nothing():
    sold_out = HoldingFlow(SUMMER, -100, 1_200, -1_000)
    assert worth_on([BOUGHT, sold_out], [Valuation(SPRING, 100, 1_100)], SUMMER) == Worth(0, "nothing_held")
    assert worth_on([BOUGHT], [], date(2026, 2, 28)) == Worth(0, "nothing_held")


def test_flows_until_a_day_end_with_what_is_held_then():
    flows = [BOUGHT, WRITTEN_DOWN, SOLD]
    assert cash_flows(flows, Worth(1_500, "valuation", SUMMER), SUMMER) == [Flow(SPRING, -1_000), Flow(SUMMER, 1_500)]
    assert cash_flows(flows, Worth(0, "nothing_held"), date(2026, 2, 28)) == []
