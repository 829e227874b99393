"""Rules as one-parameter families (Young, "On dividing an amount according to individual claims or liabilities", 1987): a parameter is
found from all claims, and applied to one.

Over the parameter, what a rule gives one claimant rises in straight pieces: along `weight * x + offset`, from what the claimant was
entitled to by earlier pools (its floor) to the most that it may get (its claim, its cap, its right). So a cap is a property of every rule:
what one is capped at goes to the others, by a parameter that is a little higher. All pieces together are one rising line, and the corner at
which it reaches the supply is looked for: exactly, in O(n log n).

- `pro_rata`, `quota_capped`: the same fraction of each claim. By `quota_capped` a quota is a cap; by the other rules it cuts the claim.
- `equal_awards`: the same mass to each, none above its claim (constrained equal awards, max-min).
- `equal_losses`: the same mass short for each, none below nothing (constrained equal losses).
- `talmud` (Aumann and Maschler, "Game theoretic analysis of a bankruptcy problem from the Talmud", 1985): equal awards of half claims; once
  those are met, equal losses of the other halves.
- `iep`: the same fraction, at most 1, of each allocation right (`positions`).
- `priority`: classes, each by a rule of its own.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from operator import mul
from typing import Literal

import msgspec

from services.allocation.domain.rules.order import order_keys

type Branch = Literal["awards", "losses"]

_WEIGHTED = ("pro_rata", "quota_capped", "iep")


class Parameter(msgspec.Struct, frozen=True):
    """What is published of a step. `branch`: for talmud, whether half claims are being met or the other halves."""

    value: Fraction
    branch: Branch | None


class Entitled(msgspec.Struct, frozen=True):
    """Entitlements, parallel to the claims: `numerators / denominator` grams."""

    parameter: Parameter
    numerators: list[int]
    denominator: int


def entitle(
    rule: str, parameter: Fraction, branch: Branch | None, claim_g: int, most_g: int, floor_g: Fraction, right_g: Fraction | None
) -> Fraction:
    """One claimant's entitlement by a published parameter."""
    match rule:
        case "pro_rata" | "quota_capped":
            due = parameter * claim_g
        case "equal_awards":
            due = parameter
        case "equal_losses":
            due = max(claim_g - parameter, Fraction(0))
        case "talmud":
            half = min(Fraction(claim_g, 2), parameter)
            due = half if branch == "awards" else claim_g - half
        case "iep":
            due = parameter * (right_g or 0)
        case _:
            raise AssertionError(f"{rule} gives no entitlements of its own")
    return max(floor_g, min(due, Fraction(most_g)))


def solve(
    rule: str,
    supply: int,
    claims: Sequence[int],
    most: Sequence[int],
    floors: Sequence[int],
    many: Sequence[int],
    rights: Sequence[int] = (),
    right_unit: int = 1,
    scale: int = 1,
) -> Entitled:
    """What each is entitled to of `supply`, and the parameter. `supply` and `floors` are in 1/scale grams, `rights` in 1/right_unit grams,
    the other lists in grams; each is parallel to the claims, of which each stands for `many` that are alike. The supply is at least the
    floors; beyond what all may get it entitles nobody to more."""
    if rule == "talmud":
        return _talmud(
            supply * 2, [claim * 2 * scale for claim in claims], [m * 2 * scale for m in most], [f * 2 for f in floors], many, scale * 2
        )
    tops = [m * scale for m in most] if scale > 1 else list(most)
    weights, offsets, unit = _lines(rule, claims, rights, right_unit, scale)
    x = _walk(supply, weights, offsets, floors, tops, many)
    if x is None:
        x = Fraction(scale, unit) if rule in _WEIGHTED else Fraction(0)
    value = x * unit / scale
    return Entitled(Parameter(-value if rule == "equal_losses" else value, None), *_at(x, weights, offsets, floors, tops, scale))


def _lines(rule: str, claims: Sequence[int], rights: Sequence[int], right_unit: int, scale: int) -> tuple[Sequence[int], list[int], int]:
    """(weights, offsets, by how much the weights are more than what the parameter multiplies)."""
    match rule:
        case "iep":
            return rights, [0] * len(rights), right_unit
        case "equal_awards":
            return [1] * len(claims), [0] * len(claims), 1
        case "equal_losses":
            return [1] * len(claims), [claim * scale for claim in claims], 1
        case _:
            return claims, [0] * len(claims), 1


def _talmud(supply: int, claims: list[int], most: list[int], floors: list[int], many: Sequence[int], scale: int) -> Entitled:
    ones = [1] * len(claims)
    halves = [max(floor, min(claim // 2, m)) for floor, claim, m in zip(floors, claims, most, strict=True)]
    if supply <= sum(map(mul, halves, many)):
        none = [0] * len(claims)
        x = _walk(supply, ones, none, floors, halves, many) or Fraction(0)
        return Entitled(Parameter(x / scale, "awards"), *_at(x, ones, none, floors, halves, scale))
    x = _walk(supply, ones, claims, halves, most, many) or Fraction(0)
    return Entitled(Parameter(-x / scale, "losses"), *_at(x, ones, claims, halves, most, scale))


def _walk(
    supply: int, weights: Sequence[int], offsets: Sequence[int], floors: Sequence[int], tops: Sequence[int], many: Sequence[int]
) -> Fraction | None:
    """The least x at which `sum(many * max(floor, min(top, weight * x + offset)))` reaches the supply, or its last corner; None: there is
    none."""
    rising = [place for place, weight in enumerate(weights) if weight and floors[place] < tops[place]]
    if not rising:
        return None
    count = len(rising)
    # Corners: first where each begins to rise, then where each is at its top.
    slopes = [weights[place] for place in rising]
    heights = [floors[place] - offsets[place] for place in rising] + [tops[place] - offsets[place] for place in rising]
    keys = order_keys(heights, slopes * 2)
    order = sorted(range(2 * count), key=keys.__getitem__)
    # Between two corners the sum is `base + slope * x`. `base` after a corner: less what was constant, more what rises now.
    begins = [many[place] for place in rising]
    signs = begins + [-one for one in begins]
    rises = [sign * slope for sign, slope in zip(signs, slopes * 2, strict=True)]
    steps = [-sign * height for sign, height in zip(signs, heights, strict=True)]
    rises, steps = [rises[corner] for corner in order], [steps[corner] for corner in order]
    bases = list(accumulate(steps, initial=sum(map(mul, floors, many))))
    risen = list(accumulate(rises, initial=0))
    low, high = 0, len(order) - 1
    while low < high:  # the first corner at which the sum has reached the supply
        middle = (low + high) // 2
        corner = order[middle]
        slope = slopes[corner % count]
        reached = bases[middle] * slope + risen[middle] * heights[corner] >= supply * slope
        low, high = (low, middle) if reached else (middle + 1, high)
    corner = order[low]
    at_corner = Fraction(heights[corner], slopes[corner % count])
    if risen[low] == 0 or bases[low] + risen[low] * at_corner < supply:
        return at_corner
    return Fraction(supply - bases[low], risen[low])


def _at(
    x: Fraction, weights: Sequence[int], offsets: Sequence[int], floors: Sequence[int], tops: Sequence[int], scale: int
) -> tuple[list[int], int]:
    """(numerators, denominator) of all entitlements at x."""
    over, under = x.numerator, x.denominator
    lines = [weight * over + offset * under for weight, offset in zip(weights, offsets, strict=True)]
    lows, highs = [floor * under for floor in floors], [top * under for top in tops]
    numerators = [low if line < low else high if line > high else line for line, low, high in zip(lines, lows, highs, strict=True)]
    return numerators, scale * under
