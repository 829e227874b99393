"""What a holding is worth on a day, and its flows for a money-weighted return."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from services.loans.domain.equity.money_weighted import Flow
from services.loans.domain.standing.instalments import round_half_even

type Basis = Literal["valuation", "cost", "nothing_held"]


class HoldingFlow(msgspec.Struct, frozen=True, gc=False):
    """Below zero: units that are held no longer, cash that was paid, cost that has left or was written down."""

    on: date
    units: int
    cash_minor: int
    cost_minor: int


class Valuation(msgspec.Struct, frozen=True, gc=False):
    on: date
    units: int
    value_minor: int


class Worth(msgspec.Struct, frozen=True, gc=False):
    value_minor: int
    basis: Basis
    valued_on: date | None = None


def worth_on(flows: Sequence[HoldingFlow], valuations: Sequence[Valuation], on: date) -> Worth:
    """By the last valuation until then, a unit held on its day being worth what one held now is; at cost where there is none."""
    units = sum(flow.units for flow in flows if flow.on <= on)
    if not units:
        return Worth(0, "nothing_held")
    if known := [each for each in valuations if each.on <= on and each.units]:
        last = max(known, key=lambda each: each.on)
        return Worth(round_half_even(Fraction(last.value_minor * units, last.units)), "valuation", last.on)
    return Worth(sum(flow.cost_minor for flow in flows if flow.on <= on), "cost")


def cash_flows(flows: Sequence[HoldingFlow], worth: Worth, on: date) -> list[Flow]:
    """All that was paid and received until a day, and as the last flow what is still held."""
    cash = [Flow(flow.on, flow.cash_minor) for flow in flows if flow.cash_minor and flow.on <= on]
    return [*cash, Flow(on, worth.value_minor)] if cash else []
