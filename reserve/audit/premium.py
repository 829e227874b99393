"""Premium: what is owed of a material loan, worked out again from its draws, its terms and its deferrals.

Of `out_g` of a draw, out_g * (1 + (base + step * ceil(days / step_days) + deferrals) / 100) is owed after so many days, rounded
half-even. What comes back pays the oldest draw first. Where it does not pay all of a draw, it pays so many whole grams as it covers with
their premium.
"""

from datetime import date
from fractions import Fraction

import msgspec

from services.loans.events.material import Premium


class _Draw(msgspec.Struct):
    name: str
    lent_on: date
    out_g: int


class Owed:
    """What is out of one loan."""

    def __init__(self) -> None:
        self._draws: list[_Draw] = []
        self._further: list[tuple[date, Fraction]] = []  # per cent, from a day on

    def lend(self, draw: str, lent_on: date, lent_g: int) -> None:
        self._draws.append(_Draw(draw, lent_on, lent_g))
        self._draws.sort(key=lambda each: (each.lent_on, each.name))

    def take_back(self, draw: str, lent_g: int) -> None:
        """Its own grams first."""
        self._pay(sorted(self._draws, key=lambda each: each.name != draw), lent_g)

    def defer(self, from_on: date, pct: str) -> None:
        self._further.append((from_on, Fraction(pct)))

    def pay(self, principal_g: int) -> None:
        self._pay(self._draws, principal_g)

    def paid_by(self, returned_g: int, on: date, premium: Premium) -> tuple[int, int, int]:
        """What so many grams pay on a day: principal, premium, and what is beyond all that is owed."""
        principal_g = premium_g = 0
        for draw in self._draws:
            if draw.lent_on > on:
                continue
            factor = self._factor(draw, on, premium)
            owed_g = round(draw.out_g * factor)
            paid_g = min(returned_g, owed_g)
            part_g = draw.out_g if paid_g == owed_g else paid_g * factor.denominator // factor.numerator
            principal_g, premium_g, returned_g = principal_g + part_g, premium_g + paid_g - part_g, returned_g - paid_g
        return principal_g, premium_g, returned_g

    def _pay(self, draws: list[_Draw], grams: int) -> None:
        for draw in draws:
            paid_g = min(draw.out_g, grams)
            draw.out_g, grams = draw.out_g - paid_g, grams - paid_g
        self._draws = [draw for draw in self._draws if draw.out_g]

    def _factor(self, draw: _Draw, on: date, premium: Premium) -> Fraction:
        periods = -(-max(0, (on - draw.lent_on).days) // premium.step_days)
        deferred = sum(pct for from_on, pct in self._further if from_on <= on)
        return 1 + (Fraction(premium.base_pct) + Fraction(premium.step_pct) * periods + deferred) / 100
