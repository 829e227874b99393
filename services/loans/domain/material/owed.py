"""What is owed of a material loan on a day: what is still out, and the premium that it has earned by the time that it was held.

A partner that draws `lent_g` of contained metal on one day owes, `days_held` later,

    owed_g = lent_g * (1 + (base_pct + step_pct * ceil(days_held / step_days) + further_pct) / 100)

rounded half-even to a whole gram. 1,000,000 g at a base of 1%, and 0.5% for each 30 days begun, are 1,020,000 g after 45 days: two
periods have begun. With one deferral at a further 1% they are 1,030,000 g. The form is that of the exchanges of the US Strategic
Petroleum Reserve: repaid in kind with a premium (10 CFR 626.7), of which a deferral costs more (10 CFR 626.8).

What comes back pays the oldest draw first. Each gram that is returned settles its own premium: R grams on a day with the factor f are
floor(R / f) of principal, and the rest is premium. So what is still out goes on to earn, and what is back does not.
"""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec

from services.loans.domain.standing.instalments import round_half_even
from services.loans.events.material import Premium
from shared.journal.record import MAX_INTEGER

FORMULA = "owed_g = lent_g * (1 + (base_pct + step_pct * ceil(days_held / step_days) + further_pct) / 100), rounded half-even"
EXAMPLE = (
    "1,000,000 g at a base of 1%, and 0.5% for each 30 days begun, are 1,000,000 * (1 + (1 + 0.5 * ceil(45 / 30)) / 100) = 1,020,000 g "
    "after 45 days; with one deferral at a further 1% they are 1,030,000 g"
)


class Tranche(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is still out of one draw, in contained grams."""

    draw: str
    lent_on: date
    lent_g: int
    out_g: int


class Further(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The further premium of a deferral, on what is out from its day on."""

    from_on: date
    pct: str


class Owed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    principal_g: int
    premium_g: int

    @property
    def total_g(self) -> int:
        return self.principal_g + self.premium_g


class Discharged(msgspec.Struct, frozen=True, kw_only=True):
    """What so many grams pay, and what is then still out."""

    principal_g: int
    premium_g: int
    excess_g: int
    tranches: tuple[Tranche, ...]


def factor(premium: Premium, further: Sequence[Further], lent_on: date, on: date) -> Fraction:
    """By which what was lent is multiplied; 1 or more, and never less on a later day."""
    days_held = max(0, (on - lent_on).days)
    steps = -(-days_held // premium.step_days)
    deferred = sum((Fraction(each.pct) for each in further if each.from_on <= on), Fraction(0))
    return 1 + (Fraction(premium.base_pct) + Fraction(premium.step_pct) * steps + deferred) / 100


def owed(tranches: Sequence[Tranche], premium: Premium, further: Sequence[Further], on: date) -> Owed:
    """At most what the books can hold: a premium of 1,000% a day is there within weeks."""
    principal_g = sum(tranche.out_g for tranche in tranches)
    total_g = sum(_owed_g(tranche, factor(premium, further, tranche.lent_on, on)) for tranche in tranches)
    return Owed(principal_g=principal_g, premium_g=min(total_g, MAX_INTEGER) - principal_g)


def discharge(tranches: Sequence[Tranche], premium: Premium, further: Sequence[Further], on: date, paid_g: int) -> Discharged:
    """The oldest draw first; what is lent after `on` cannot have come back on that day, and is not paid."""
    left: list[Tranche] = []
    principal_g = premium_g = 0
    rest_g = paid_g
    for tranche in tranches:
        by = factor(premium, further, tranche.lent_on, on)
        owed_g = _owed_g(tranche, by)
        if not rest_g or tranche.lent_on > on:
            left.append(tranche)
        elif rest_g >= owed_g:
            principal_g += tranche.out_g
            premium_g += owed_g - tranche.out_g
            rest_g -= owed_g
        else:
            paid_off_g = rest_g * by.denominator // by.numerator
            principal_g += paid_off_g
            premium_g += rest_g - paid_off_g
            rest_g = 0
            left.append(msgspec.structs.replace(tranche, out_g=tranche.out_g - paid_off_g))
    return Discharged(principal_g=principal_g, premium_g=premium_g, excess_g=rest_g, tranches=tuple(left))


def _owed_g(tranche: Tranche, by: Fraction) -> int:
    return round_half_even(tranche.out_g * by)
