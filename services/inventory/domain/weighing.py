"""Weighing: what a scale may be wrong by, in one draw, and in many together.

A scale is wrong to either side. What the draws of a product have weighed more or less than they were, each of them within the tolerance,
comes out even in the long run; where it goes to one side, somebody keeps the difference, or a scale is wrong, and another person signs.
"""

from fractions import Fraction

from msgspec.structs import replace

from services.inventory.domain.state import Drift

TOLERANCE = Fraction(1, 200)  # of a draw's mass: what scales and contracts allow for
BLOCK = 500  # draws: the last one to two blocks are summed
# Times the root of the squares of what a scale may be wrong by: scales that are wrong to either side come out so once in 1500 times.
SURE = 4
_MOST = 2**62  # of a sum of squares, so that a snapshot can hold it


def counts(mass_g: int, weighed_g: int | None) -> bool:
    """Whether the draw is summed: it is weighed, and within tolerance."""
    return weighed_g is not None and abs(weighed_g - mass_g) <= mass_g * TOLERANCE


def goes_to_one_side(drift: Drift, mass_g: int, before_g: int | None, weighed_g: int) -> int | None:
    """By how many grams the last draws are out together, this one among them, if that is more than scales are, and more for this one.

    `before_g`: what it weighed before, None for the first time.
    """
    after = weighed(drift, mass_g, before_g, weighed_g)
    out_g, was_g = after.out_g + after.before_out_g, drift.out_g + drift.before_out_g
    more = abs(out_g) > abs(was_g)
    return out_g if more and out_g**2 > SURE**2 * (after.squares + after.before_squares) else None


def weighed(drift: Drift, mass_g: int, before_g: int | None, weighed_g: int) -> Drift:
    """With another weighing of a draw in place of the one before. What is not within tolerance is not summed: two people look at it."""
    counted, counting = counts(mass_g, before_g), counts(mass_g, weighed_g)
    change_g = (weighed_g - mass_g if counting else 0) - (before_g - mass_g if counted and before_g is not None else 0)
    drift = replace(drift, out_g=drift.out_g + change_g)
    if counted or not counting:
        return drift
    if drift.draws == BLOCK:
        drift = Drift(before_out_g=drift.out_g - change_g, before_squares=drift.squares, out_g=change_g)
    square = int(mass_g * TOLERANCE) ** 2
    return replace(drift, draws=drift.draws + 1, squares=min(drift.squares + square, _MOST))
