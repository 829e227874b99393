"""Rounding: whole units to whoever lacks most of what is due to it."""

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import ceil
from operator import mul

import msgspec

from services.allocation.domain.rules.order import order_keys


class HandedOut(msgspec.Struct, frozen=True):
    """`units`: what each lacks so much of that it gets it anyway. Those at the cut-off are `tied`, by place, and `ties_won` of all that
    they stand for get one more."""

    units: list[int]
    cutoff: Fraction
    tied: list[int]
    ties_won: int


def hand_out(count: int, numerators: Sequence[int], denominators: Sequence[int], demands: Sequence[int], many: Sequence[int]) -> HandedOut:
    """`count` units to claimants that are due `numerators / denominators` units, and take at most `demands`; each stands for `many` that
    are alike.

    The (j+1)th unit of a claimant meets a lack of `due - j`, for j below its demand; the units go to the largest lacks. So: find the
    smallest whole number with no more lacks above it than units; then, if units are over, the last lack met in the interval of one below
    that number, where each claimant has at most one. No loop over units: a supply may be 10^15 of them.
    """
    ceilings = [-(-numerator // denominator) for numerator, denominator in zip(numerators, denominators, strict=True)]
    level = _level(count, ceilings, demands, many)
    units = _above(level, ceilings, demands)
    over = count - sum(map(mul, units, many))
    # What each lacks beyond whole units, in (0, 1]: those at the level have no more than one lack in the interval.
    open_places = [place for place, demand in enumerate(demands) if 0 <= ceilings[place] - level < demand]
    dens = [denominators[place] for place in open_places]
    rests = [numerators[place] - (ceilings[place] - 1) * denominators[place] for place in open_places]
    if not over:
        tied = [place for place, rest, den in zip(open_places, rests, dens, strict=True) if rest == den]
        return HandedOut(units, Fraction(level), tied, 0)
    keys = order_keys(rests, dens)
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
    last = order[bisect_left(list(accumulate(many[open_places[at]] for at in order)), over)]
    cut = keys[last]
    for place, key in zip(open_places, keys, strict=True):
        if key > cut:
            units[place] += 1
    tied = [place for place, key in zip(open_places, keys, strict=True) if key == cut]
    return HandedOut(units, Fraction(rests[last], dens[last]) + level - 1, tied, count - sum(map(mul, units, many)))


def units_above(cutoff: Fraction, due: Fraction, demand: int) -> int:
    """What one claimant gets anyway."""
    return min(max(ceil(due - cutoff), 0), demand)


def is_tied(cutoff: Fraction, due: Fraction, demand: int) -> bool:
    place = due - cutoff
    return place.denominator == 1 and 0 <= place < demand


def _level(count: int, ceilings: Sequence[int], demands: Sequence[int], many: Sequence[int]) -> int:
    """The smallest whole number with no more than `count` lacks above it; where all demands are met, one below all lacks."""
    if count >= sum(map(mul, demands, many)):
        return min((top - demand - 1 for top, demand in zip(ceilings, demands, strict=True)), default=0)
    # Dues add up to about what there is to give, so the level is near 0: looked for from there, in steps that double.
    step, low, high = 1, -1, 0
    while _count_above(high, ceilings, demands, many) > count:
        low, high, step = high, high + step, 2 * step
    step = 1
    while _count_above(low, ceilings, demands, many) <= count:
        low, high, step = low - step, low, 2 * step
    return bisect_left(range(low + 1, high), -count, key=lambda level: -_count_above(level, ceilings, demands, many)) + low + 1


def _count_above(level: int, ceilings: Sequence[int], demands: Sequence[int], many: Sequence[int]) -> int:
    return sum(map(mul, _above(level, ceilings, demands), many))


def _above(level: int, ceilings: Sequence[int], demands: Sequence[int]) -> list[int]:
    return [0 if top <= level else top - level if top - level < demand else demand for top, demand in zip(ceilings, demands, strict=True)]
