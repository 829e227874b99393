"""Money-weighted return: the yearly rate at which all that was paid and received is worth nothing on the first day (an internal rate of
return). Days count as ACT/365, as spreadsheets' XIRR has it: sum of amount / (1 + rate) ^ (days since the first / 365) = 0.

Decimals of a fixed precision and no float: the same flows give the same digits everywhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from enum import StrEnum
from itertools import pairwise

import msgspec

_PRECISION = Context(prec=40, rounding=ROUND_HALF_EVEN)
_DIGITS = Decimal("0.000001")
_YEAR = 365
_REACH = 80  # steps from a rate of 0, each a factor of 2 ** (1/4) in 1 + rate: from -0.999999 to about 1,000,000
_HALVINGS = 120


class Flow(msgspec.Struct, frozen=True, gc=False):
    """Received on a day, or below zero paid. The last of a holding that goes on is what it is worth."""

    on: date
    amount_minor: int


class NoReturn(StrEnum):
    """Why there is no rate."""

    NOTHING_PAID = "nothing_paid"
    ONE_DAY = "all_on_one_day"
    NONE_FITS = "no_rate_fits"  # within reach: what doubles overnight has none


class MoneyWeighted(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: a year, with six digits ("0.373363"), None with its reason. Not `certain`: flows that change between paid and received
    several times may have several rates; it is the one nearest to zero."""

    rate: str | None
    reason: NoReturn | None = None
    certain: bool = True


def money_weighted(flows: Iterable[Flow]) -> MoneyWeighted:
    """Nothing received for what was paid, and nothing left: a rate of -1."""
    flows = tuple(flows)
    if not any(flow.amount_minor < 0 for flow in flows):
        return MoneyWeighted(rate=None, reason=NoReturn.NOTHING_PAID)
    if not any(flow.amount_minor > 0 for flow in flows):
        return MoneyWeighted(rate="-1.000000")
    by_day: defaultdict[date, int] = defaultdict(int)
    for flow in flows:
        by_day[flow.on] += flow.amount_minor
    if len(by_day) == 1:
        return MoneyWeighted(rate=None, reason=NoReturn.ONE_DAY)
    days = sorted(day for day, amount in by_day.items() if amount)
    amounts = [by_day[day] for day in days]
    if not min(amounts, default=0) < 0 < max(amounts, default=0):
        return MoneyWeighted(rate=None, reason=NoReturn.NONE_FITS)
    gaps = [(later - day).days for day, later in pairwise(days)]
    with localcontext(_PRECISION):
        bracket = _bracket(amounts, gaps)
        if bracket is None:
            return MoneyWeighted(rate=None, reason=NoReturn.NONE_FITS)
        return MoneyWeighted(rate=_between(amounts, gaps, *bracket), certain=_has_one_rate(amounts))


def _worth(amounts: Sequence[int], gaps: Sequence[int], growth: Decimal) -> Decimal:
    """On the last day, where money grows by this factor a day: it has the sign of the net value, and no division."""
    total = Decimal(amounts[0])
    for amount, gap in zip(amounts[1:], gaps, strict=True):
        total = total * growth**gap + amount
    return total


def _bracket(amounts: Sequence[int], gaps: Sequence[int]) -> tuple[Decimal, Decimal] | None:
    """Two daily factors between which the worth changes its sign, as near to no growth as there are."""
    step = Decimal(2) ** (Decimal(1) / (4 * _YEAR))
    below = above = Decimal(1)
    low = high = _worth(amounts, gaps, above)
    if not low:
        return above, above
    for _ in range(_REACH):
        further = above * step
        value = _worth(amounts, gaps, further)
        if value * high <= 0:
            return above, further
        above, high = further, value
        further = below / step
        value = _worth(amounts, gaps, further)
        if value * low <= 0:
            return further, below
        below, low = further, value
    return None


def _between(amounts: Sequence[int], gaps: Sequence[int], low: Decimal, high: Decimal) -> str:
    """Halves the bracket until both of its ends are the same six digits."""
    sign = _worth(amounts, gaps, low)
    for _ in range(_HALVINGS):
        if (rate := _rate(low)) == _rate(high):
            return rate
        middle = (low + high) / 2
        value = _worth(amounts, gaps, middle)
        if not value:
            return _rate(middle)
        if value * sign < 0:
            high = middle
        else:
            low, sign = middle, value
    return _rate((low + high) / 2)


def _rate(growth: Decimal) -> str:
    rate = (growth**_YEAR - 1).quantize(_DIGITS)
    return f"{rate if rate else abs(rate):f}"


def _has_one_rate(amounts: Sequence[int]) -> bool:
    """By Descartes' rule of signs: paid first and received later, with one change between."""
    signs = [amount > 0 for amount in amounts]
    return sum(one != next for one, next in pairwise(signs)) == 1
