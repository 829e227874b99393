"""A round shared out: pool by pool, size by size, class by class, until everyone who is still in it reaches its minimum.

What is entitled is a rational; what is awarded is whole units. Unit after unit goes to whoever lacks most of what it is due (entitlement
plus the carry of earlier rounds): the method of largest remainders, with memory. A claimant can retrace its award from what is published
(the parameter, and the lack at which the units ran out: the cut-off) and, told to it alone, its rank among those who tie there.

Four decisions:
- A claim counts in whole units (`counted`). What cannot be shipped is not owed, so an award is never above its claim.
- Several unit sizes are handed out largest first. At each size the rule speaks of *all* that has been handed out so far, so what rounding
  to large units gave to one claimant is made up to the others in small ones.
- Pools are handed out one after the other, and what a claimant was entitled to by earlier ones is the least that it is entitled to after
  the next. So a claimant that may have of few pools gets more of those than others do, and whoever may not have of a pool is not owed it.
- A minimum useful quantity that is not reached makes its award zero; the rule then runs again without that claimant, one at a time. In a
  round of more than 100 claims, half of those that fell short leave at once, those furthest from their minimum.
"""

from collections.abc import Collection, Sequence
from fractions import Fraction
from math import lcm

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.rules.claims import (
    Claim,
    Counted,
    Method,
    Pool,
    RuleInputError,
    counted,
    pools_in_order,
    require_sound,
)
from services.allocation.domain.rules.families import Branch, entitle, solve
from services.allocation.domain.rules.order import order_keys
from services.allocation.domain.rules.rounding import hand_out, is_tied, units_above

# A carry is exact until its denominator passes this; then it is the nearest rational with a smaller one (off by less than 2^-128 g a
# round). Unbounded, a denominator is the product of all rounds' totals: after some hundred rounds even Python's str(int) refuses it.
MAX_CARRY_DENOMINATOR = 2**128
FEW_CLAIMS = 100  # of a round in which claimants leave one at a time


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is published of handing out one unit size of one pool: enough for each claimant to retrace its own award."""

    priority_class: int | None  # None: the rule does not go by class
    iteration: int  # one more each time a claimant fell short of its minimum
    pool: str | UnsetType = UNSET
    unit_g: int
    parameter: Fraction  # pro rata: the fraction of each claim that is met
    branch: Branch | UnsetType | None = UNSET  # talmud: of which halves the parameter speaks
    cutoff: Fraction  # in units: whoever lacked more than this got a unit
    ties_won: int  # of those who lacked exactly this, how many got one


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one claimant got in one step. `tie_rank`: its place (from 0) among those at the cut-off; None if it was not there."""

    units: int
    tie_rank: int | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One claimant's outcome. `turns` are parallel to the steps of its class and iteration that are of its pools."""

    claim: Claim
    entitlement_g: Fraction
    award_g: int
    carry_g: Fraction
    iteration: int
    turns: tuple[Turn, ...]


class Apportionment(msgspec.Struct, frozen=True, kw_only=True):
    """A whole round: shares by claim id (bytes), the published steps, the pools in their order, and what nobody could be given."""

    shares: tuple[Share, ...]
    steps: tuple[Step, ...]
    pools: tuple[Pool, ...]
    left_g: int


def apportion(method: Method, pools: Sequence[Pool], claims: Collection[Claim]) -> Apportionment:
    """Share the pools among the claims. Raises `RuleInputError`."""
    require_sound(method, pools, claims)
    ordered = pools_in_order(pools, claims)
    stages = [_Stage(pool.id, unit_g) for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    stock = [pool.units[unit_g] for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    contenders = _contenders(method, claims, stages)
    steps: list[Step] = []
    shares: list[Share] = []
    for tier in sorted({claim.priority_class for claim in claims}) if method.by_class else [None]:
        rule = method.rule if tier is None else method.rule_of(tier)
        members = [each for each in contenders if tier in (None, each.claim.priority_class)]
        tier_steps, tier_shares = _share_out(rule, tier, stages, stock, members, few=len(claims) <= FEW_CLAIMS)
        steps += tier_steps
        shares += tier_shares
        own = {each.claim.id: each.turn_at for each in members}
        for share in tier_shares:
            for place, turn in zip(own[share.claim.id], share.turns, strict=True):
                stock[place] -= turn.units
    shares.sort(key=lambda share: share.claim.id.encode())
    left_g = sum(stage.unit_g * units for stage, units in zip(stages, stock, strict=True))
    return Apportionment(shares=tuple(shares), steps=tuple(steps), pools=tuple(ordered), left_g=left_g)


def retrace(method: Method, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None]) -> Share:
    """One claimant's share from what a round published and its own line. Raises `RuleInputError` if the steps cannot have decided this
    claim."""
    tier = claim.priority_class if method.by_class else None
    of_tier = [step for step in steps if step.priority_class == tier]
    own = [step for step in of_tier if step.iteration == iteration and _may_have_of(claim, step.pool)]
    if not of_tier or len(own) != len(tie_ranks) or min(step.unit_g for step in of_tier) < 1 or not (own or claim.pools == ()):
        raise RuleInputError(
            "steps_unfit", "steps", "there is not one step a turn", "the steps of the claim's class and iteration, one a turn"
        )
    share = _follow(method.rule_of(claim.priority_class), claim, own, iteration, tie_ranks, max(step.unit_g for step in steps))
    last = max(step.iteration for step in of_tier)
    counts = _counted(method, claim, [step.unit_g for step in own])
    fell_short = share.award_g == 0 < claim.minimum_g and bool(counts) and counts[-1].most_g > 0
    if fell_short != (iteration < last):
        raise RuleInputError(
            "iteration_unfit",
            "iteration",
            f"the claim cannot have left in iteration {iteration} of {last}",
            "the last, unless its minimum was missed",
        )
    return share


class _Stage(msgspec.Struct, frozen=True):
    pool: str
    unit_g: int


class _Contender(msgspec.Struct, frozen=True):
    """A claim, made ready. `turn_at`: of each stage that it takes part in, the how-manieth of its own that is."""

    claim: Claim
    turn_at: dict[int, int]
    counted: list[Counted]  # by turn
    carry_g: Fraction  # at most one unit of the largest size
    tie_place: int  # among all claims: the larger carry, the larger claim, the first id

    @property
    def most_g(self) -> int:
        return self.counted[-1].most_g if self.counted else 0


class _Standing(msgspec.Struct):
    """How one contender stands in the course of an iteration. Entitled to `entitled / denominator` grams."""

    contender: _Contender
    award_g: int = 0
    entitled: int = 0
    denominator: int = 1
    turns: list[Turn] = []

    @property
    def fell_short(self) -> bool:
        """Whether a minimum within reach was missed. One out of reach counts as no claim at all, so nobody gains by its leaving."""
        return self.award_g < self.contender.claim.minimum_g and self.contender.most_g > 0


def _contenders(method: Method, claims: Collection[Claim], stages: Sequence[_Stage]) -> list[_Contender]:
    """By id."""
    ordered = sorted(claims, key=lambda claim: claim.id.encode())
    largest_g = max(stage.unit_g for stage in stages)
    carries = order_keys([claim.carry_g.numerator for claim in ordered], [claim.carry_g.denominator for claim in ordered])
    in_ties = sorted(range(len(ordered)), key=lambda place: (-carries[place], -ordered[place].claim_g, place))
    tie_place = {place: rank for rank, place in enumerate(in_ties)}
    own: dict[tuple[str, ...] | None, dict[int, int]] = {}
    found = []
    for place, claim in enumerate(ordered):
        if claim.pools not in own:
            mine = [number for number, stage in enumerate(stages) if _may_have_of(claim, stage.pool)]
            own[claim.pools] = {number: turn for turn, number in enumerate(mine)}
        turn_at = own[claim.pools]
        sizes = [stages[number].unit_g for number in turn_at]
        counts = _counted(method, claim, sizes)
        found.append(_Contender(claim, turn_at, counts, _capped(claim.carry_g, largest_g), tie_place[place]))
    return found


def _share_out(
    rule: str, tier: int | None, stages: Sequence[_Stage], stock: Sequence[int], members: list[_Contender], *, few: bool
) -> tuple[list[Step], list[Share]]:
    """Run the rule until everyone who is still in it reaches its minimum."""
    steps: list[Step] = []
    gone: list[Share] = []
    for iteration in range(len(members) + 1):
        own_steps, standings = _hand_out(rule, tier, iteration, stages, stock, members)
        steps += own_steps
        if not (short := [standing for standing in standings if standing.fell_short]):
            return steps, gone + [_share_of(standing, iteration, stages) for standing in standings]
        leaving = _furthest_first(short)[: 1 if few else (len(short) + 1) // 2]
        gone += [_share_of(standing, iteration, stages) for standing in leaving]
        left = {standing.contender.claim.id for standing in leaving}
        members = [each for each in members if each.claim.id not in left]
    raise AssertionError("each iteration but the last takes a claimant out")


def _hand_out(
    rule: str, tier: int | None, iteration: int, stages: Sequence[_Stage], stock: Sequence[int], members: list[_Contender]
) -> tuple[list[Step], list[_Standing]]:
    """One iteration: the published steps, and how everyone stands after them."""
    steps: list[Step] = []
    standings = [_Standing(each, turns=[]) for each in members]
    pool, floors, scale, handed_g = None, list[int](), 1, 0
    for number, stage in enumerate(stages):
        eligible = [standing for standing in standings if number in standing.contender.turn_at]
        if stage.pool != pool:
            pool, handed_g = stage.pool, 0
            scale = lcm(*{standing.denominator for standing in eligible})
            floors = [standing.entitled * (scale // standing.denominator) for standing in eligible]
        counts = [standing.contender.counted[standing.contender.turn_at[number]] for standing in eligible]
        demands = [(count.most_g - standing.award_g) // stage.unit_g for count, standing in zip(counts, eligible, strict=True)]
        units = min(stock[number], sum(demands))
        handed_g += units * stage.unit_g
        found = solve(
            rule,
            sum(floors) + handed_g * scale,
            [count.claim_g for count in counts],
            [count.most_g for count in counts],
            floors,
            [standing.contender.claim.right_g or Fraction(0) for standing in eligible] if rule == "iep" else (),
            scale,
        )
        for standing, numerator in zip(eligible, found.numerators, strict=True):
            standing.entitled, standing.denominator = numerator, found.denominator
        dues = [_due(standing, stage.unit_g) for standing in eligible]
        handed = hand_out(units, [due[0] for due in dues], [due[1] for due in dues], demands)
        rank = {place: rank for rank, place in enumerate(sorted(handed.tied, key=lambda place: eligible[place].contender.tie_place))}
        for place, (standing, whole) in enumerate(zip(eligible, handed.units, strict=True)):
            tie_rank = rank.get(place)
            got = whole + (tie_rank is not None and tie_rank < handed.ties_won)
            standing.award_g += got * stage.unit_g
            standing.turns.append(Turn(units=got, tie_rank=tie_rank))
        steps.append(
            Step(
                priority_class=tier,
                iteration=iteration,
                pool=stage.pool,
                unit_g=stage.unit_g,
                parameter=found.parameter.value,
                branch=found.parameter.branch,
                cutoff=handed.cutoff,
                ties_won=handed.ties_won,
            )
        )
    return steps, standings


def _due(standing: _Standing, unit_g: int) -> tuple[int, int]:
    """(numerator, denominator) of the units that the claimant lacks."""
    carry_g = standing.contender.carry_g
    lacks, denominator = standing.entitled - standing.award_g * standing.denominator, standing.denominator
    if carry_g:
        lacks = lacks * carry_g.denominator + carry_g.numerator * denominator
        denominator *= carry_g.denominator
    return lacks, denominator * unit_g


def _furthest_first(short: list[_Standing]) -> list[_Standing]:
    """Those that fell short, the one furthest from its minimum first."""
    parts = order_keys(
        [standing.entitled for standing in short], [standing.denominator * standing.contender.claim.minimum_g for standing in short]
    )
    keys = {
        place: (-parts[place], -standing.contender.carry_g, -standing.contender.claim.claim_g, standing.contender.claim.id.encode())
        for place, standing in enumerate(short)
    }
    return [short[place] for place in sorted(keys, key=keys.__getitem__, reverse=True)]


def _share_of(standing: _Standing, iteration: int, stages: Sequence[_Stage]) -> Share:
    contender = standing.contender
    largest_g = max(stage.unit_g for stage in stages)
    entitlement_g = Fraction(standing.entitled, standing.denominator)
    return _settled(contender.claim, entitlement_g, standing.award_g, contender.carry_g, iteration, standing.turns, largest_g)


def _follow(rule: str, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None], largest_g: int) -> Share:
    """One claim through its steps of one iteration, by what is published of them."""
    carry_g = _capped(claim.carry_g, largest_g)
    entitlement_g, floor_g, award_g, turns = Fraction(0), Fraction(0), 0, list[Turn]()
    counts = counted(claim, [step.unit_g for step in steps], _limit_g(rule, claim))
    pool: object = None
    for step, count, rank in zip(steps, counts, tie_ranks, strict=True):
        if step.pool != pool:
            pool, floor_g = step.pool, entitlement_g
        branch = None if step.branch is UNSET else step.branch
        entitlement_g = entitle(rule, step.parameter, branch, count.claim_g, count.most_g, floor_g, claim.right_g)
        demand = (count.most_g - award_g) // step.unit_g
        due = (entitlement_g + carry_g - award_g) / step.unit_g
        # A rank that ought to be there and is not reads as 0, and so differs from the line that left it out.
        tie_rank = (rank or 0) if is_tied(step.cutoff, due, demand) else None
        units = units_above(step.cutoff, due, demand) + (tie_rank is not None and tie_rank < step.ties_won)
        award_g += units * step.unit_g
        turns.append(Turn(units=units, tie_rank=tie_rank))
    return _settled(claim, entitlement_g, award_g, carry_g, iteration, turns, largest_g)


def _settled(
    claim: Claim, entitlement_g: Fraction, award_g: int, carry_g: Fraction, iteration: int, turns: Sequence[Turn], largest_g: int
) -> Share:
    """The outcome of what was handed out: nothing, and no other carry, where that is less than the minimum."""
    if award_g < claim.minimum_g:
        award_g, turns = 0, [Turn(units=0, tie_rank=turn.tie_rank) for turn in turns]
    else:
        carry_g = _capped(carry_g + entitlement_g - award_g, largest_g)
        if carry_g.denominator > MAX_CARRY_DENOMINATOR:
            carry_g = carry_g.limit_denominator(MAX_CARRY_DENOMINATOR)
    return Share(claim=claim, entitlement_g=entitlement_g, award_g=award_g, carry_g=carry_g, iteration=iteration, turns=tuple(turns))


def _counted(method: Method, claim: Claim, sizes: Sequence[int]) -> list[Counted]:
    return counted(claim, sizes, _limit_g(method.rule_of(claim.priority_class), claim))


def _limit_g(rule: str, claim: Claim) -> int | None:
    """An allocation right counts in whole units, as a cap does."""
    return int(claim.right_g or 0) if rule == "iep" else None


def _may_have_of(claim: Claim, pool: str | UnsetType) -> bool:
    return claim.pools is None or pool in claim.pools


def _capped(carry_g: Fraction, cap_g: int) -> Fraction:
    return max(Fraction(-cap_g), min(carry_g, Fraction(cap_g))) if carry_g else carry_g
