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

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import compress
from math import lcm

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.rules.claims import (
    RULES,
    Claim,
    Method,
    Pool,
    RuleInputError,
    counted,
    pools_in_order,
    require_sound,
)
from services.allocation.domain.rules.families import Branch, entitle, solve
from services.allocation.domain.rules.order import order_keys
from services.allocation.domain.rules.rounding import HandedOut, hand_out, is_tied, units_above

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
    stages = [_Stage(pool.id, unit_g) for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    stock = [pool.units[unit_g] for pool in ordered for unit_g in sorted(pool.units, reverse=True)]
    by_id = sorted(claims, key=lambda claim: claim.id.encode())
    tie_place = _order_of_ties(by_id)
    largest_g = max(stage.unit_g for stage in stages)
    steps: list[Step] = []
    shares: list[Share] = []
    for tier in sorted({claim.priority_class for claim in claims}) if method.by_class else [None]:
        rule = method.rule if tier is None else method.rule_of(tier)
        members = [claim for claim in by_id if tier in (None, claim.priority_class)]
        field = _field(rule, tier, members, stages, tie_place, largest_g)
        tier_steps, tier_shares = _share_out(field, stages, stock, largest_g, few=len(claims) <= FEW_CLAIMS)
        steps += tier_steps
        shares += tier_shares
        for share in tier_shares:
            own = [number for number, stage in enumerate(stages) if _may_have_of(share.claim, stage.pool)]
            for number, turn in zip(own, share.turns, strict=True):
                stock[number] -= turn.units
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
    counts = counted(claim, [step.unit_g for step in own], _limit_g(method.rule_of(claim.priority_class), claim))
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


class _Column(msgspec.Struct, frozen=True):
    """What takes part in one stage, value by value: lists that are parallel. `places`: among the members of the class."""

    places: list[int]
    claims_g: list[int]
    most_g: list[int]
    rights: list[int]  # iep: in 1/right_unit grams
    carries_over: list[int]  # numerators of the carries, at most one unit of the largest size
    carries_under: list[int]
    ties: list[int]  # the order in which ties are won

    def of(self, alive: Sequence[bool]) -> "_Column":
        mask = [alive[place] for place in self.places]
        return _Column(*(list(compress(values, mask)) for values in msgspec.structs.astuple(self)))


class _Field(msgspec.Struct, frozen=True):
    """The claims of one class, made ready: a column a stage. `most_g`: what each could be given in the end."""

    rule: str
    tier: int | None
    claims: list[Claim]
    carries_g: list[Fraction]
    most_g: list[int]
    columns: list[_Column]
    right_unit: int

    def fell_short(self, awards_g: Sequence[int], alive: Sequence[bool]) -> list[int]:
        """Who missed a minimum within reach. One out of reach counts as no claim at all, so nobody gains by its leaving."""
        return [
            place
            for place, (claim, most_g) in enumerate(zip(self.claims, self.most_g, strict=True))
            if awards_g[place] < claim.minimum_g and most_g and alive[place]
        ]


class _Run(msgspec.Struct, frozen=True):
    """One iteration. Each is entitled to `entitled / denominators` grams; `handed`: by stage, to whom of its column."""

    steps: list[Step]
    awards_g: list[int]
    entitled: list[int]
    denominators: list[int]
    handed: list[tuple[list[int], HandedOut, dict[int, int]]]

    def turns_of(self, places: Collection[int]) -> dict[int, list[Turn]]:
        wanted: dict[int, list[Turn]] = {place: [] for place in places}
        for column, handed, ranks in self.handed:
            for at, (place, units) in enumerate(zip(column, handed.units, strict=True)):
                if place in wanted:
                    wanted[place].append(Turn(units=units, tie_rank=ranks.get(at)))
        return wanted


def _field(
    rule: str, tier: int | None, claims: list[Claim], stages: Sequence[_Stage], tie_place: Mapping[str, int], largest_g: int
) -> _Field:
    """`claims`: by id."""
    by_pools: dict[tuple[str, ...] | None, list[int]] = {}
    by_right = RULES[rule].by_right
    right_unit = lcm(*{claim.right_g.denominator for claim in claims if claim.right_g is not None}) if by_right else 1
    carries = [capped(claim.carry_g, largest_g) for claim in claims]
    columns = [_Column([], [], [], [], [], [], []) for _ in stages]
    most = [0] * len(claims)
    for place, claim in enumerate(claims):
        if claim.pools not in by_pools:
            by_pools[claim.pools] = [number for number, stage in enumerate(stages) if _may_have_of(claim, stage.pool)]
        own = by_pools[claim.pools]
        counts = counted(claim, [stages[number].unit_g for number in own], _limit_g(rule, claim))
        right = claim.right_g.numerator * (right_unit // claim.right_g.denominator) if by_right and claim.right_g is not None else 0
        values = (right, carries[place].numerator, carries[place].denominator, tie_place[claim.id])
        for number, count in zip(own, counts, strict=True):
            for column, value in zip(msgspec.structs.astuple(columns[number]), (place, count.claim_g, count.most_g, *values), strict=True):
                column.append(value)
            most[place] = count.most_g
    return _Field(rule, tier, claims, carries, most, columns, right_unit)


def _order_of_ties(claims: Sequence[Claim]) -> dict[str, int]:
    """The larger carry, the larger claim, the first id."""
    carries = order_keys([claim.carry_g.numerator for claim in claims], [claim.carry_g.denominator for claim in claims])
    places = sorted(range(len(claims)), key=lambda place: (-carries[place], -claims[place].claim_g, place))
    return {claims[place].id: rank for rank, place in enumerate(places)}


def _share_out(
    field: _Field, stages: Sequence[_Stage], stock: Sequence[int], largest_g: int, *, few: bool
) -> tuple[list[Step], list[Share]]:
    """Run the rule until everyone who is still in it reaches its minimum."""
    steps: list[Step] = []
    shares: list[Share] = []
    alive = [True] * len(field.claims)
    columns = field.columns
    for iteration in range(len(field.claims) + 1):
        run = _hand_out(field, iteration, stages, stock, columns)
        steps += run.steps
        short = field.fell_short(run.awards_g, alive)
        leaving = _furthest_first(field, run, short)[: 1 if few else (len(short) + 1) // 2]
        settled = leaving if short else [place for place, still in enumerate(alive) if still]
        turns = run.turns_of(settled)
        for place in settled:
            entitlement_g = Fraction(run.entitled[place], run.denominators[place])
            carry_g = field.carries_g[place]
            shares.append(_settled(field.claims[place], entitlement_g, run.awards_g[place], carry_g, iteration, turns[place], largest_g))
            alive[place] = False
        if not short:
            return steps, shares
        columns = [column.of(alive) for column in columns]
    raise AssertionError("each iteration but the last takes a claimant out")


def _hand_out(field: _Field, iteration: int, stages: Sequence[_Stage], stock: Sequence[int], columns: Sequence[_Column]) -> _Run:
    """One iteration among those who are left in the columns."""
    size = len(field.claims)
    run = _Run([], [0] * size, [0] * size, [1] * size, [])
    awards_g, entitled, denominators = run.awards_g, run.entitled, run.denominators
    pool, floors, scale, handed_g = None, list[int](), 1, 0
    for stage, units_left, column in zip(stages, stock, columns, strict=True):
        places, unit_g = column.places, stage.unit_g
        if stage.pool != pool:
            pool, handed_g = stage.pool, 0
            scale = lcm(*{denominators[place] for place in places})
            floors = [entitled[place] * (scale // denominators[place]) for place in places]
        so_far = [awards_g[place] for place in places]
        demands = [(most - award) // unit_g for most, award in zip(column.most_g, so_far, strict=True)]
        units = min(units_left, sum(demands))
        handed_g += units * unit_g
        supply = sum(floors) + handed_g * scale
        found = solve(field.rule, supply, column.claims_g, column.most_g, floors, column.rights, field.right_unit, scale)
        # What each lacks: entitlement plus carry less award, in units.
        den = found.denominator
        lacks = [
            (numerator - award * den) * under + over * den
            for numerator, award, over, under in zip(found.numerators, so_far, column.carries_over, column.carries_under, strict=True)
        ]
        handed = hand_out(units, lacks, [den * unit_g * under for under in column.carries_under], demands)
        ranks = {at: rank for rank, at in enumerate(sorted(handed.tied, key=column.ties.__getitem__))}
        for at, rank in ranks.items():
            handed.units[at] += rank < handed.ties_won
        for place, award, got, numerator in zip(places, so_far, handed.units, found.numerators, strict=True):
            awards_g[place] = award + got * unit_g
            entitled[place] = numerator
            denominators[place] = den
        run.handed.append((places, handed, ranks))
        run.steps.append(
            Step(
                priority_class=field.tier,
                iteration=iteration,
                pool=stage.pool,
                unit_g=unit_g,
                parameter=found.parameter.value,
                branch=found.parameter.branch,
                cutoff=handed.cutoff,
                ties_won=handed.ties_won,
            )
        )
    return run


def _furthest_first(field: _Field, run: _Run, short: Sequence[int]) -> list[int]:
    """Those that fell short, the one furthest from its minimum first."""
    minimums = [run.denominators[place] * field.claims[place].minimum_g for place in short]
    parts = order_keys([run.entitled[place] for place in short], minimums)
    keys = {
        place: (-part, -field.carries_g[place], -field.claims[place].claim_g, field.claims[place].id.encode())
        for place, part in zip(short, parts, strict=True)
    }
    return sorted(short, key=keys.__getitem__, reverse=True)


def _follow(rule: str, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None], largest_g: int) -> Share:
    """One claim through its steps of one iteration, by what is published of them."""
    carry_g = capped(claim.carry_g, largest_g)
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
        carry_g = capped(carry_g + entitlement_g - award_g, largest_g)
        if carry_g.denominator > MAX_CARRY_DENOMINATOR:
            carry_g = carry_g.limit_denominator(MAX_CARRY_DENOMINATOR)
    return Share(claim=claim, entitlement_g=entitlement_g, award_g=award_g, carry_g=carry_g, iteration=iteration, turns=tuple(turns))


def _limit_g(rule: str, claim: Claim) -> int | None:
    """An allocation right counts in whole units, as a cap does."""
    return int(claim.right_g or 0) if rule == "iep" else None


def _may_have_of(claim: Claim, pool: str | UnsetType) -> bool:
    return claim.pools is None or pool in claim.pools


def capped(carry_g: Fraction, cap_g: int) -> Fraction:
    return max(Fraction(-cap_g), min(carry_g, Fraction(cap_g))) if carry_g else carry_g
