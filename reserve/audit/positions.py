"""Allocation rights in a shortage, once more, from the articles of the Agreement on an International Energy Program.

7.2 permissible consumption = base x restraint; 7.3 drawdown obligation = own reserve commitment / the group's x the group's shortfall;
7.4 supply right = the first less the second; 7.5 allocation right = supply right less normal domestic production less actual net imports.
"""

from collections.abc import Sequence
from fractions import Fraction

import msgspec


class IepPosition(msgspec.Struct, frozen=True, kw_only=True):
    partner: str
    base_g: int
    commitment_g: int
    production_g: int
    imports_g: int
    source: str


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """As a decision publishes it: rationals as text."""

    commitments_g: int
    permissible_g: str
    supplies_g: int
    shortfall_g: str
    kappa: str


def group_of(positions: Sequence[IepPosition], restraint: str) -> Group:
    """Raises ValueError for a restraint that is no rational."""
    commitments_g, supplies_g, permissible_g = 0, 0, Fraction(0)
    for position in positions:
        commitments_g += position.commitment_g
        supplies_g += position.production_g + position.imports_g
        permissible_g += position.base_g * Fraction(restraint)
    shortfall_g = permissible_g - supplies_g if permissible_g > supplies_g else Fraction(0)
    return Group(
        commitments_g=commitments_g,
        permissible_g=str(permissible_g),
        supplies_g=supplies_g,
        shortfall_g=str(shortfall_g),
        kappa=str(shortfall_g / commitments_g) if commitments_g else "0",
    )


def right_g(position: IepPosition, group: Group, restraint: str) -> Fraction:
    drawdown_g = Fraction(position.commitment_g, group.commitments_g) * Fraction(group.shortfall_g) if group.commitments_g else Fraction(0)
    return position.base_g * Fraction(restraint) - drawdown_g - position.production_g - position.imports_g
