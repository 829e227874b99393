"""The allocation rules once more, in the plainest way: unit after unit to whoever lacks most.

A rule is a path: what it gives each claimant rises with a time, and time runs until all that is there is given. Nobody gets less than it
was entitled to before, nor more than it may have. What is due is that share and the carry of earlier rounds. Pools are handed out one
after the other, the one that fewest may have of first, and in each the largest size first; at each size a rule speaks of all that has been
handed out so far. Who gets less than a minimum that it could reach leaves, the one furthest from it first, and the others share again.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import ceil, floor

import msgspec

_MAX_DENOMINATOR = 2**128  # of a carry
_MANY = 100  # in a round of more claims than this, half of those that fall short leave at once


class Claim(msgspec.Struct, frozen=True):
    id: str
    claim_g: int
    carry_g: Fraction
    minimum_g: int
    priority_class: int
    cap_g: int | None = None
    right_g: Fraction | None = None
    pools: tuple[str, ...] | None = None  # None: all


class Pool(msgspec.Struct, frozen=True):
    id: str
    kind: str  # "lots" or "rights"
    units: Mapping[int, int]  # unit size in grams -> units


class Outcome(msgspec.Struct, frozen=True):
    award_g: int
    entitlement_g: Fraction
    carry_g: Fraction
    units: Mapping[tuple[str, int], int]  # by pool and size


class UnknownRule(LookupError):
    """No rule of this name is written down here."""


type _Stage = tuple[str, int]  # pool, unit size
type _Stock = dict[_Stage, int]


def in_order(pools: Sequence[Pool], claims: Sequence[Claim]) -> list[Pool]:
    """As they are handed out."""

    def eligible(pool: Pool) -> int:
        return sum(claim.pools is None or pool.id in claim.pools for claim in claims)

    return sorted(pools, key=lambda pool: (eligible(pool), pool.kind == "rights", pool.id.encode()))


def share(rule: str, inside: Mapping[str, str], pools: Sequence[Pool], claims: Sequence[Claim]) -> dict[str, Outcome]:
    """Outcomes by claim. `inside`: by class, for `priority`. Raises UnknownRule."""
    stock = {(pool.id, unit_g): pool.units[unit_g] for pool in in_order(pools, claims) for unit_g in sorted(pool.units, reverse=True)}
    half = len(claims) > _MANY
    if rule != "priority":
        return _share_among(rule, stock, list(claims), half=half)
    outcomes: dict[str, Outcome] = {}
    for tier in sorted({claim.priority_class for claim in claims}):
        own_rule = inside.get(str(tier), inside.get("", "pro_rata"))
        outcomes |= _share_among(own_rule, stock, [claim for claim in claims if claim.priority_class == tier], half=half)
    return outcomes


def _share_among(rule: str, stock: _Stock, claims: list[Claim], *, half: bool) -> dict[str, Outcome]:
    """Takes what it awards out of `stock`."""
    if rule not in _PATHS:
        raise UnknownRule(rule)
    gone: dict[str, Outcome] = {}
    while True:
        outcomes = _hand_out(rule, stock, claims)
        short = [claim for claim in claims if outcomes[claim.id].award_g == 0 < claim.minimum_g and _most_g(rule, claim, list(stock)) > 0]
        if not short:
            for outcome in outcomes.values():
                for stage, units in outcome.units.items():
                    stock[stage] -= units
            return gone | outcomes
        short.sort(
            key=lambda claim: (
                outcomes[claim.id].entitlement_g / claim.minimum_g,
                outcomes[claim.id].carry_g,
                claim.claim_g,
                _descending(claim.id),
            )
        )
        leavers = {claim.id for claim in short[: ceil(len(short) / 2) if half else 1]}
        gone |= {name: outcomes[name] for name in leavers}
        claims = [claim for claim in claims if claim.id not in leavers]


def _hand_out(rule: str, stock: _Stock, claims: Sequence[Claim]) -> dict[str, Outcome]:
    one_unit_g = Fraction(max(unit_g for _, unit_g in stock))
    awards = {claim.id: 0 for claim in claims}
    carries = {claim.id: max(-one_unit_g, min(claim.carry_g, one_unit_g)) for claim in claims}
    entitled = {claim.id: Fraction(0) for claim in claims}
    units: dict[str, dict[_Stage, int]] = {claim.id: {} for claim in claims}
    seen: list[_Stage] = []
    before, handed_g = dict(entitled), 0
    for stage, left in stock.items():
        pool, unit_g = stage
        if not seen or seen[-1][0] != pool:
            before, handed_g = dict(entitled), 0
        seen.append(stage)
        eligible = [claim for claim in claims if claim.pools is None or pool in claim.pools]
        count_g = {claim.id: _counted_g(rule, claim, list(stock), seen) for claim in eligible}
        room = {claim.id: (count_g[claim.id][1] - awards[claim.id]) // unit_g for claim in eligible}
        count = min(left, sum(room.values()))
        handed_g += count * unit_g
        supply_g = handed_g + sum((before[claim.id] for claim in eligible), Fraction(0))
        lines = [_Line(count_g[claim.id][0], claim.right_g, before[claim.id], count_g[claim.id][1]) for claim in eligible]
        for claim, entitlement_g in zip(eligible, _entitlements(rule, supply_g, lines), strict=True):
            entitled[claim.id] = entitlement_g
        dues = {claim.id: (entitled[claim.id] + carries[claim.id] - awards[claim.id]) / unit_g for claim in eligible}
        for name, got in _unit_by_unit(eligible, dues, room, count).items():
            awards[name] += got * unit_g
            units[name][stage] = got
    outcomes = {}
    for claim in claims:
        award_g, carry_g, taken = awards[claim.id], carries[claim.id], units[claim.id]
        if award_g < claim.minimum_g:
            award_g, taken = 0, {}
        else:
            carry_g = carry_g + entitled[claim.id] - award_g
            carry_g = max(-one_unit_g, min(carry_g, one_unit_g)).limit_denominator(_MAX_DENOMINATOR)
        outcomes[claim.id] = Outcome(award_g, entitled[claim.id], carry_g, taken)
    return outcomes


class _Line(msgspec.Struct, frozen=True):
    """A claimant on its path, and between what: nothing below `least_g`, nothing above `most_g`."""

    claim_g: int
    right_g: Fraction | None
    least_g: Fraction
    most_g: int


class _Path(msgspec.Struct, frozen=True):
    """`given(line, time, end)`: what a line has by then; `corners(line, end)`: the times at which it bends, and those at which it has its
    least and its most. `end`: half of the largest claim."""

    given: Callable[[_Line, Fraction, Fraction], Fraction]
    corners: Callable[[_Line, Fraction], list[Fraction]]


def _half_by_half(line: _Line, time: Fraction, end: Fraction) -> Fraction:
    half = Fraction(line.claim_g, 2)
    return min(half, time) if time <= end else line.claim_g - min(half, 2 * end - time)


def _reaching(line: _Line, amount: Fraction, end: Fraction) -> Fraction:
    """When `_half_by_half` gives this much."""
    return amount if 2 * amount <= line.claim_g else 2 * end - (line.claim_g - amount)


def _over(amount: Fraction | int, whole: Fraction | int | None) -> list[Fraction]:
    return [Fraction(amount) / whole] if whole else []


_PRO_RATA = _Path(
    lambda line, time, _: time * line.claim_g,
    lambda line, _: [*_over(line.least_g, line.claim_g), *_over(line.most_g, line.claim_g)],
)
_PATHS: Mapping[str, _Path] = {
    "pro_rata": _PRO_RATA,
    "quota_capped": _PRO_RATA,
    "equal_awards": _Path(lambda line, time, _: time, lambda line, _: [line.least_g, Fraction(line.most_g)]),
    "equal_losses": _Path(
        lambda line, time, end: max(Fraction(0), line.claim_g - 2 * end + time),
        lambda line, end: [amount - line.claim_g + 2 * end for amount in (line.least_g, Fraction(line.most_g))],
    ),
    "talmud": _Path(
        _half_by_half,
        lambda line, end: [
            Fraction(line.claim_g, 2),
            2 * end - Fraction(line.claim_g, 2),
            *(_reaching(line, amount, end) for amount in (line.least_g, Fraction(line.most_g))),
        ],
    ),
    "iep": _Path(
        lambda line, time, _: time * (line.right_g or 0),
        lambda line, _: [*_over(line.least_g, line.right_g), *_over(line.most_g, line.right_g)],
    ),
}


def _entitlements(rule: str, supply_g: Fraction, lines: Sequence[_Line]) -> list[Fraction]:
    """Time runs from corner to corner until the supply is reached; between two corners all that is given rises evenly."""
    path = _PATHS[rule]
    end = Fraction(max((line.claim_g for line in lines), default=0), 2)

    def at(time: Fraction) -> list[Fraction]:
        return [max(line.least_g, min(path.given(line, time, end), Fraction(line.most_g))) for line in lines]

    corners = sorted({corner for line in lines for corner in path.corners(line, end)})
    if not corners:
        return [line.least_g for line in lines]
    found = bisect_left(range(len(corners)), supply_g, key=lambda place: sum(at(corners[place]), Fraction(0)))
    if found == len(corners):
        return at(corners[-1])
    after = at(corners[found])
    reached = sum(after, Fraction(0))
    if found == 0 or reached == supply_g:
        return after
    before = at(corners[found - 1])
    part = (supply_g - sum(before, Fraction(0))) / (reached - sum(before, Fraction(0)))
    return [low + (high - low) * part for low, high in zip(before, after, strict=True)]


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


def _counted_g(rule: str, claim: Claim, all_stages: Sequence[_Stage], seen: Sequence[_Stage]) -> tuple[int, int]:
    """What of a claim counts after these stages, and the most that it may have by then. A minimum that is out of reach in the end makes
    both nothing."""
    if _most_g(rule, claim, all_stages) < claim.minimum_g:
        return 0, 0
    return _whole_g(claim.claim_g, claim, seen), _whole_g(_limit_g(rule, claim), claim, seen)


def _most_g(rule: str, claim: Claim, stages: Sequence[_Stage]) -> int:
    most_g = _whole_g(_limit_g(rule, claim), claim, stages)
    return most_g if most_g >= claim.minimum_g else 0


def _limit_g(rule: str, claim: Claim) -> int:
    """A cap limits an award, and by iep the right does."""
    limits = [claim.claim_g]
    if claim.cap_g is not None:
        limits.append(claim.cap_g)
    if rule == "iep":
        limits.append(floor(claim.right_g or 0))
    return min(limits)


def _whole_g(grams: int, claim: Claim, stages: Sequence[_Stage]) -> int:
    """The most that whole units make up, by any of the stages so far that the claim takes part in: of the sizes seen, the largest first."""
    best_g, sizes = 0, set[int]()
    for pool, unit_g in stages:
        if claim.pools is None or pool in claim.pools:
            sizes.add(unit_g)
            rest_g = grams
            for size_g in sorted(sizes, reverse=True):
                rest_g %= size_g
            best_g = max(best_g, grams - rest_g)
    return best_g


def _descending(name: str) -> tuple[int, ...]:
    """Sorts the larger id, by its bytes, first."""
    return (*(-byte for byte in name.encode()), 1)
