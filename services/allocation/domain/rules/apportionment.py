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

import msgspec
from msgspec import UNSET

from services.allocation.domain.rules.claims import (
    Claim,
    Method,
    Pool,
    RuleInputError,
    counted,
    pools_in_order,
    require_sound,
)
from services.allocation.domain.rules.families import entitle
from services.allocation.domain.rules.iteration import Field, Run, Stage, Step, capped, limit_g, make_ready, may_have_of, run_rule
from services.allocation.domain.rules.order import order_keys
from services.allocation.domain.rules.rounding import is_tied, units_above

# A carry is exact until its denominator passes this; then it is the nearest rational with a smaller one (off by less than 2^-128 g a
# round). Unbounded, a denominator is the product of all rounds' totals: after some hundred rounds even Python's str(int) refuses it.
MAX_CARRY_DENOMINATOR = 2**128
FEW_CLAIMS = 100  # of a round in which claimants leave one at a time


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
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
    stages = [Stage(pool.id, unit_g) for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    stock = [pool.units[unit_g] for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    by_id = sorted(claims, key=lambda claim: claim.id.encode())
    ties = {claim.id: rank for claim, rank in zip(by_id, _order_of_ties(by_id), strict=True)}
    largest_g = max(stage.unit_g for stage in stages)
    steps: list[Step] = []
    shares: list[Share] = []
    for tier in sorted({claim.priority_class for claim in claims}) if method.by_class else [None]:
        rule = method.rule if tier is None else method.rule_of(tier)
        members = [claim for claim in by_id if tier in (None, claim.priority_class)]
        field = make_ready(rule, tier, members, stages, [ties[claim.id] for claim in members], largest_g)
        tier_steps, tier_shares, taken = _share_out(field, stages, stock, largest_g, few=len(claims) <= FEW_CLAIMS)
        steps += tier_steps
        shares += tier_shares
        stock = [units - less for units, less in zip(stock, taken, strict=True)]
    shares.sort(key=lambda share: share.claim.id.encode())
    left_g = sum(stage.unit_g * units for stage, units in zip(stages, stock, strict=True))
    return Apportionment(shares=tuple(shares), steps=tuple(steps), pools=tuple(ordered), left_g=left_g)


def retrace(method: Method, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None]) -> Share:
    """One claimant's share from what a round published and its own line. Raises `RuleInputError` if the steps cannot have decided this
    claim."""
    tier = claim.priority_class if method.by_class else None
    of_tier = [step for step in steps if step.priority_class == tier]
    own = [step for step in of_tier if step.iteration == iteration and may_have_of(claim, step.pool)]
    if not of_tier or len(own) != len(tie_ranks) or min(step.unit_g for step in of_tier) < 1 or not (own or claim.pools == ()):
        raise RuleInputError(
            "steps_unfit", "steps", "there is not one step a turn", "the steps of the claim's class and iteration, one a turn"
        )
    share = _follow(method.rule_of(claim.priority_class), claim, own, iteration, tie_ranks, max(step.unit_g for step in steps))
    last = max(step.iteration for step in of_tier)
    counts = counted(claim, [step.unit_g for step in own], limit_g(method.rule_of(claim.priority_class), claim))
    fell_short = share.award_g == 0 < claim.minimum_g and bool(counts) and counts[-1].most_g > 0
    if fell_short != (iteration < last):
        raise RuleInputError(
            "iteration_unfit",
            "iteration",
            f"the claim cannot have left in iteration {iteration} of {last}",
            "the last, unless its minimum was missed",
        )
    return share


def _order_of_ties(claims: Sequence[Claim]) -> list[int]:
    """By place. The larger carry, the larger claim, the first id."""
    carries = order_keys([claim.carry_g.numerator for claim in claims], [claim.carry_g.denominator for claim in claims])
    order = [0] * len(claims)
    for rank, place in enumerate(sorted(range(len(claims)), key=lambda place: (-carries[place], -claims[place].claim_g, place))):
        order[place] = rank
    return order


def _share_out(
    field: Field, stages: Sequence[Stage], stock: Sequence[int], largest_g: int, *, few: bool
) -> tuple[list[Step], list[Share], list[int]]:
    """Run the rule until everyone who is still in it reaches its minimum. Also what was taken of each stage's stock."""
    steps: list[Step] = []
    shares: list[Share] = []
    kinds = list(field.kinds)
    for iteration in range(len(field.claims) + 1):
        run = run_rule(field, iteration, stages, stock, kinds)
        steps += run.steps
        short = _fell_short(field, run)
        if not short:
            for part, places in enumerate(run.places):
                shares += _shares(field, run, part, places, iteration, largest_g) if places else []
            return steps, shares, run.taken
        leaving: dict[int, set[int]] = {}
        for part, place in short[: 1 if few else (len(short) + 1) // 2]:
            leaving.setdefault(part, set()).add(place)
        for part, gone in leaving.items():
            shares += _shares(field, run, part, gone, iteration, largest_g)
            kinds[run.kinds[part]] = [place for place in kinds[run.kinds[part]] if place not in gone]
    raise AssertionError("each iteration but the last takes a claimant out")


def _fell_short(field: Field, run: Run) -> list[tuple[int, int]]:
    """(part, place) of who missed a minimum within reach, the one furthest from it first. A minimum out of reach counts as no claim at all,
    so nobody gains by the leaving of who has it."""
    firsts = [field.claims[field.kinds[kind][0]] for kind in run.kinds]
    short = [
        part
        for part, (kind, claim) in enumerate(zip(run.kinds, firsts, strict=True))
        if run.awards_g[part] < claim.minimum_g and field.most_g[kind]
    ]
    reached = order_keys([run.entitled[part] for part in short], [run.denominators[part] * firsts[part].minimum_g for part in short])
    keyed = [
        (-key, -field.carries_g[run.kinds[part]], -firsts[part].claim_g, place, part)
        for part, key in zip(short, reached, strict=True)
        for place in run.places[part]
    ]
    return [(part, place) for *_, place, part in sorted(keyed, reverse=True)]


def _shares(field: Field, run: Run, part: int, places: Collection[int], iteration: int, largest_g: int) -> list[Share]:
    """The outcomes of claims of one part: the same but for their ranks where they tied."""
    entitlement_g = Fraction(run.entitled[part], run.denominators[part])
    carry_g = field.carries_g[run.kinds[part]]
    award_g, carry_g = _settled(field.claims[field.kinds[run.kinds[part]][0]], entitlement_g, run.awards_g[part], carry_g, largest_g)
    units = [(ranks, units[part] if award_g else 0) for units, ranks in zip(run.units, run.ranks, strict=True) if part in units]
    return [
        Share(
            claim=field.claims[place],
            entitlement_g=entitlement_g,
            award_g=award_g,
            carry_g=carry_g,
            iteration=iteration,
            turns=tuple(Turn(units=count, tie_rank=ranks.get(place)) for ranks, count in units),
        )
        for place in places
    ]


def _follow(rule: str, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None], largest_g: int) -> Share:
    """One claim through its steps of one iteration, by what is published of them."""
    carry_g = capped(claim.carry_g, largest_g)
    entitlement_g, floor_g, award_g, turns = Fraction(0), Fraction(0), 0, list[Turn]()
    counts = counted(claim, [step.unit_g for step in steps], limit_g(rule, claim))
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
    award_g, carry_g = _settled(claim, entitlement_g, award_g, carry_g, largest_g)
    if not award_g:
        turns = [Turn(units=0, tie_rank=turn.tie_rank) for turn in turns]
    return Share(claim=claim, entitlement_g=entitlement_g, award_g=award_g, carry_g=carry_g, iteration=iteration, turns=tuple(turns))


def _settled(claim: Claim, entitlement_g: Fraction, award_g: int, carry_g: Fraction, largest_g: int) -> tuple[int, Fraction]:
    """(award, carry) of what was handed out: nothing, and no other carry, where that is less than the minimum."""
    if award_g < claim.minimum_g:
        return 0, carry_g
    carry_g = capped(carry_g + entitlement_g - award_g, largest_g)
    return award_g, carry_g if carry_g.denominator <= MAX_CARRY_DENOMINATOR else carry_g.limit_denominator(MAX_CARRY_DENOMINATOR)
