"""Positions of a group in a shortage, after articles 7.1 to 7.6 of the Agreement on an International Energy Program (IEP).

Each member may go on consuming a part of what it did (permissible consumption); the group's shortfall is drawn from the members' reserves
in proportion to what they undertook to hold (drawdown obligation). What a member is then still entitled to, beyond what it produces and
imports itself, is its allocation right. A negative one is an obligation: the member has more than its part.
"""

from collections.abc import Collection
from fractions import Fraction

import msgspec

from services.allocation.domain.rules.claims import RuleInputError
from shared.journal.record import Grams


class IepFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partner's figures for the round's period, and where they are from."""

    partner: str
    base_g: Grams  # what it consumed in the base period
    commitment_g: Grams  # the reserve that it undertook to hold
    production_g: Grams  # its own, in normal times
    imports_g: Grams  # net, as they actually are
    source: str


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All positions together. `kappa`: what of its commitment each member has to draw down; beyond 1, more than all have undertaken."""

    commitments_g: Grams
    permissible_g: Fraction
    supplies_g: Grams  # what the group produces and imports
    shortfall_g: Fraction
    kappa: Fraction


def group_of(positions: Collection[IepFigures], restraint: Fraction) -> Group:
    """`restraint`: the part of its base that each may go on consuming, such as 93/100. Raises `RuleInputError`."""
    if not 0 < restraint <= 1:
        raise RuleInputError("restraint_invalid", "restraint", f"{restraint} is out of range", "a part of consumption, above 0 and up to 1")
    commitments_g = sum(position.commitment_g for position in positions)
    permissible_g = restraint * sum(position.base_g for position in positions)
    supplies_g = sum(position.production_g + position.imports_g for position in positions)
    shortfall_g = max(permissible_g - supplies_g, Fraction(0))
    return Group(
        commitments_g=commitments_g,
        permissible_g=permissible_g,
        supplies_g=supplies_g,
        shortfall_g=shortfall_g,
        kappa=shortfall_g / commitments_g if commitments_g else Fraction(0),
    )


def right_g(position: IepFigures, restraint: Fraction, kappa: Fraction) -> Fraction:
    """The allocation right; below 0, an allocation obligation."""
    supply_right_g = position.base_g * restraint - position.commitment_g * kappa
    return supply_right_g - position.production_g - position.imports_g


def largest_restraint(positions: Collection[IepFigures]) -> Fraction:
    """At which all that the group has undertaken covers its shortfall: at a larger one, members would draw down more than they hold."""
    bases_g = sum(position.base_g for position in positions)
    covered_g = sum(position.production_g + position.imports_g + position.commitment_g for position in positions)
    return Fraction(covered_g, bases_g) if bases_g else Fraction(1)
