"""The allocation rules once more, in the plainest way: unit after unit to whoever lacks most.

Pro rata gives each claim the same fraction; by priority, one class after the other. What is due is that share and the carry of earlier
rounds. Sizes are handed out largest first, and at each the fraction is of all that has been handed out so far. Who gets less than a
minimum that it could reach leaves, the one furthest from it first, and the others share again.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import ceil

import msgspec

_MAX_DENOMINATOR = 2**128  # of a carry


class Claim(msgspec.Struct, frozen=True):
    id: str
    claim_g: int
    carry_g: Fraction
    minimum_g: int
    priority_class: int


class Outcome(msgspec.Struct, frozen=True):
    award_g: int
    entitlement_g: Fraction
    carry_g: Fraction


class UnknownRule(LookupError):
    """No rule of this name is written down here."""


def share(rule: str, supply: Mapping[int, int], claims: Sequence[Claim]) -> dict[str, Outcome]:
    """Outcomes by claim. `supply`: unit size in grams -> units. Raises UnknownRule."""
    if rule not in ("pro_rata", "priority"):
        raise UnknownRule(rule)
    stock = {unit_g: supply[unit_g] for unit_g in sorted(supply, reverse=True)}
    if rule == "pro_rata":
        return _share_among(stock, list(claims))
    outcomes: dict[str, Outcome] = {}
    for tier in sorted({claim.priority_class for claim in claims}):
        outcomes |= _share_among(stock, [claim for claim in claims if claim.priority_class == tier])
    return outcomes


def _share_among(stock: dict[int, int], claims: list[Claim]) -> dict[str, Outcome]:
    """Takes what it awards out of `stock`."""
    gone: dict[str, Outcome] = {}
    while True:
        units, outcomes = _hand_out(stock, claims)
        short = [claim for claim in claims if outcomes[claim.id].award_g == 0 < claim.minimum_g and _counted_g(claim, list(stock)) > 0]
        if not short:
            for unit_g in stock:
                stock[unit_g] -= sum(units[unit_g][claim.id] for claim in claims if outcomes[claim.id].award_g)
            return gone | outcomes
        leaver = min(
            short,
            key=lambda claim: (
                outcomes[claim.id].entitlement_g / claim.minimum_g,
                outcomes[claim.id].carry_g,
                claim.claim_g,
                _descending(claim.id),
            ),
        )
        gone[leaver.id] = outcomes[leaver.id]
        claims = [claim for claim in claims if claim.id != leaver.id]


def _hand_out(stock: Mapping[int, int], claims: Sequence[Claim]) -> tuple[dict[int, dict[str, int]], dict[str, Outcome]]:
    """(units by size and claim, outcomes)."""
    sizes = list(stock)
    largest_g = sizes[0]
    awards = {claim.id: 0 for claim in claims}
    carries = {claim.id: max(-Fraction(largest_g), min(claim.carry_g, Fraction(largest_g))) for claim in claims}
    entitled = {claim.id: Fraction(0) for claim in claims}
    units: dict[int, dict[str, int]] = {}
    for place, unit_g in enumerate(sizes, start=1):
        counted = {claim.id: _whole_g(claim.claim_g, sizes[:place]) if _counted_g(claim, sizes) else 0 for claim in claims}
        room = {claim.id: (counted[claim.id] - awards[claim.id]) // unit_g for claim in claims}
        count = min(stock[unit_g], sum(room.values()))
        handed_g, claimed_g = sum(awards.values()) + count * unit_g, sum(counted.values())
        entitled = {claim.id: Fraction(handed_g * counted[claim.id], claimed_g) if claimed_g else Fraction(0) for claim in claims}
        dues = {name: (entitled[name] + carries[name] - awards[name]) / unit_g for name in awards}
        units[unit_g] = _unit_by_unit(claims, dues, room, count)
        for name, got in units[unit_g].items():
            awards[name] += got * unit_g
    outcomes = {}
    for claim in claims:
        award_g, carry_g = awards[claim.id], carries[claim.id]
        if award_g < claim.minimum_g:
            award_g = 0
        else:
            carry_g = carry_g + entitled[claim.id] - award_g
            carry_g = max(-Fraction(largest_g), min(carry_g, Fraction(largest_g))).limit_denominator(_MAX_DENOMINATOR)
        outcomes[claim.id] = Outcome(award_g, entitled[claim.id], carry_g)
    return units, outcomes


def _unit_by_unit(claims: Sequence[Claim], dues: Mapping[str, Fraction], room: Mapping[str, int], count: int) -> dict[str, int]:
    """Ties go to the larger carry, the larger claim, the smaller id.

    A supply may have 10^15 units, so what everyone gets anyway, down to a level of lack that the units reach, is given at once.
    """

    def down_to(level: int) -> dict[str, int]:
        return {name: min(room[name], max(0, ceil(due - level))) for name, due in dues.items()}

    low, high = -1, max((ceil(due) for due in dues.values()), default=0)
    while sum(down_to(low).values()) < count:
        low *= 2
    while low < high:  # the lowest level that the units reach
        middle = (low + high) // 2
        low, high = (low, middle) if sum(down_to(middle).values()) <= count else (middle + 1, high)
    got = down_to(high)
    lacking = [
        (got[claim.id] - dues[claim.id], -claim.carry_g, -claim.claim_g, claim.id.encode(), claim.id)
        for claim in claims
        if got[claim.id] < room[claim.id]
    ]
    heapify(lacking)
    for _ in range(count - sum(got.values())):
        lack, carry_g, claim_g, order, name = heappop(lacking)
        got[name] += 1
        if got[name] < room[name]:
            heappush(lacking, (lack + 1, carry_g, claim_g, order, name))
    return got


def _counted_g(claim: Claim, sizes: Sequence[int]) -> int:
    whole_g = _whole_g(claim.claim_g, sizes)
    return whole_g if whole_g >= claim.minimum_g else 0


def _whole_g(claim_g: int, sizes: Sequence[int]) -> int:
    """What of a claim whole units of these sizes make up."""
    rest_g = claim_g
    for unit_g in sizes:
        rest_g %= unit_g
    return claim_g - rest_g


def _descending(name: str) -> tuple[int, ...]:
    """Sorts the larger id, by its bytes, first."""
    return (*(-byte for byte in name.encode()), 1)
