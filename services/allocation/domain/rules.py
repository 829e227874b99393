"""Allocation rules: who gets how many whole units, exactly, and how each claimant can recompute its own award.

A rule is a one-parameter family (Young, "On dividing an amount according to individual claims or liabilities", 1987): `solve` finds the
parameter from all claims, `entitle` applies it to one. What is entitled is a rational; what is awarded is whole units. Unit after unit goes
to whoever lacks most of what it is due (entitlement plus the carry of earlier rounds): the method of largest remainders, with memory. A
claimant can retrace its award from what is published (the parameter, and the lack at which the units ran out: the cut-off) and, told to it
alone, its rank among those who tie there.

Three decisions:
- A claim counts in whole units (`counted_g`). What cannot be shipped is not owed, so an award is never above its claim.
- Several unit sizes are handed out largest first. At each size the rule speaks of *all* that has been handed out so far, so what rounding
  to large units gave to one claimant is made up to the others in small ones.
- A minimum useful quantity that is not reached makes its award zero; the rule then runs again without that claimant, one at a time.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from math import ceil

import msgspec

from shared.record import MAX_INTEGER

# A carry is exact until its denominator passes this; then it is the nearest rational with a smaller one (off by less than 2^-128 g a
# round). Unbounded, a denominator is the product of all rounds' totals: after some hundred rounds even Python's str(int) refuses it.
MAX_CARRY_DENOMINATOR = 2**128

_RATIONAL = re.compile(r"(0|-?[1-9][0-9]{0,399})(/[1-9][0-9]{0,399})?")


class RuleInputError(ValueError):
    """Input that no rule takes. `code` is stable, `field` names the culprit, `accepted` says what would do."""

    def __init__(self, code: str, field: str, detail: str, accepted: str) -> None:
        super().__init__(f"{field}: {detail} (accepted: {accepted})")
        self.code = code
        self.field = field
        self.detail = detail
        self.accepted = accepted


class Claim(msgspec.Struct, frozen=True):
    """One claim on a round. `carry_g`: what rounding owes the claimant (negative: what it had too much) from earlier rounds."""

    id: str
    claim_g: int
    carry_g: Fraction = Fraction(0)
    minimum_g: int = 0
    priority_class: int = 0  # 0 is served first; only rules that go by class look at it


class Rule(msgspec.Struct, frozen=True):
    """A way to share. `solve(supply_g, [counted_g])` gives the published parameter (the supply is at most the sum of the claims), and
    `entitle(parameter, counted_g)` one claimant's entitlement in grams. `by_class`: each class shares what those before it have left."""

    solve: Callable[[int, Sequence[int]], Fraction]
    entitle: Callable[[Fraction, int], Fraction]
    by_class: bool = False


def _fraction_met(supply_g: int, counted: Sequence[int]) -> Fraction:
    return Fraction(supply_g, total) if (total := sum(counted)) else Fraction(1)


def _same_fraction(fraction: Fraction, counted: int) -> Fraction:
    return fraction * counted


RULES: dict[str, Rule] = {
    "pro_rata": Rule(solve=_fraction_met, entitle=_same_fraction),
    "priority": Rule(solve=_fraction_met, entitle=_same_fraction, by_class=True),
}


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is published of handing out one unit size: enough for each claimant to retrace its own award."""

    priority_class: int | None  # None: the rule does not go by class
    iteration: int  # one more each time a claimant fell short of its minimum
    unit_g: int
    parameter: Fraction  # pro rata: the fraction of each claim that is met
    cutoff: Fraction  # in units: whoever lacked more than this got a unit
    ties_won: int  # of those who lacked exactly this, how many got one


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one claimant got in one step. `tie_rank`: its place (from 0) among those at the cut-off; None if it was not there."""

    units: int
    tie_rank: int | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One claimant's outcome. `turns` are parallel to the steps of its class and iteration, largest unit first."""

    claim: Claim
    entitlement_g: Fraction
    award_g: int
    carry_g: Fraction
    iteration: int
    turns: tuple[Turn, ...]


class Apportionment(msgspec.Struct, frozen=True, kw_only=True):
    """A whole round: shares by claim id (bytes), the published steps, and what nobody could be given."""

    shares: tuple[Share, ...]
    steps: tuple[Step, ...]
    left_g: int


def allocate(rule: str, supply_g: int, claims: Mapping[str, int], unit_g: int = 1) -> tuple[dict[str, int], int]:
    """The rules as a calculator: (awards in grams, grams left). The awards and what is left sum to `supply_g`. Raises `RuleInputError`."""
    _require_whole("supply", supply_g)
    _require_whole("unit", unit_g, least=1)
    result = apportion(rule, {unit_g: supply_g // unit_g}, [Claim(id, claim_g) for id, claim_g in claims.items()])
    awards = {share.claim.id: share.award_g for share in result.shares}
    return awards, supply_g - sum(awards.values())


def apportion(rule: str, supply: Mapping[int, int], claims: Collection[Claim]) -> Apportionment:
    """Share `supply` (unit size in grams -> whole units of it) among `claims` by the rule of that name. Raises `RuleInputError`."""
    chosen = find_rule(rule)
    _require_sound(supply, claims)
    stock = {unit_g: supply[unit_g] for unit_g in sorted(supply, reverse=True)}
    steps: list[Step] = []
    shares: list[Share] = []
    for tier in sorted({claim.priority_class for claim in claims}) if chosen.by_class else [None]:
        members = sorted((claim for claim in claims if tier in (None, claim.priority_class)), key=_id_bytes)
        tier_steps, tier_shares = _share_out(chosen, tier, stock, members)
        steps += tier_steps
        shares += tier_shares
        for share in tier_shares:
            for unit_g, turn in zip(stock, share.turns, strict=True):
                stock[unit_g] -= turn.units
    shares.sort(key=lambda share: _id_bytes(share.claim))
    return Apportionment(shares=tuple(shares), steps=tuple(steps), left_g=sum(unit_g * units for unit_g, units in stock.items()))


def retrace(rule: str, claim: Claim, steps: Sequence[Step], iteration: int, tie_ranks: Sequence[int | None]) -> Share:
    """One claimant's share from what a round published and its own line, by the code that decided it. Raises `RuleInputError` if the steps
    cannot have decided this claim."""
    chosen = find_rule(rule)
    tier = claim.priority_class if chosen.by_class else None
    own = [step for step in steps if (step.priority_class, step.iteration) == (tier, iteration)]
    if not own or len(own) != len(tie_ranks) or min(step.unit_g for step in own) < 1:
        raise RuleInputError(
            "steps_unfit", "steps", "there is not one step a turn", "the steps of the claim's class and iteration, one a turn"
        )
    share = _follow(chosen, claim, own, tie_ranks)
    last = max(step.iteration for step in steps if step.priority_class == tier)
    if _fell_short(share, own) != (iteration < last):
        raise RuleInputError(
            "iteration_unfit",
            "iteration",
            f"the claim cannot have left in iteration {iteration} of {last}",
            "the last, unless its minimum was missed",
        )
    return share


def find_rule(name: str) -> Rule:
    if name not in RULES:
        raise RuleInputError("rule_unknown", "rule", f"there is no rule {name!r}", ", ".join(sorted(RULES)))
    return RULES[name]


def counted_g(claim: Claim, sizes: Sequence[int]) -> int:
    """What of a claim can be shipped in units of these sizes (largest first); nothing if that is below its minimum."""
    whole = _whole_g(claim.claim_g, sizes)
    return whole if whole >= claim.minimum_g else 0


def rational(text: str) -> Fraction:
    """A rational from its one spelling: "7/3", "-2", "0"; in lowest terms, no spaces, no exponents. Raises ValueError."""
    if not _RATIONAL.fullmatch(text) or str(value := Fraction(text)) != text:
        raise ValueError("not a rational in lowest terms, such as 7/3")
    return value


def _share_out(rule: Rule, tier: int | None, stock: Mapping[int, int], claims: list[Claim]) -> tuple[list[Step], list[Share]]:
    """Run the rule until everyone who is still in it reaches its minimum."""
    steps: list[Step] = []
    gone: list[Share] = []
    staying = claims
    for iteration in range(len(claims) + 1):
        own_steps, ranks = _hand_out(rule, tier, iteration, stock, staying)
        steps += own_steps
        shares = [_follow(rule, claim, own_steps, ranks[claim.id]) for claim in staying]
        if not (short := [share for share in shares if _fell_short(share, own_steps)]):
            return steps, gone + shares
        leaving = max(short, key=_furthest_from_its_minimum)
        gone.append(leaving)
        staying = [claim for claim in staying if claim.id != leaving.claim.id]
    raise AssertionError("each iteration but the last takes a claimant out")


def _hand_out(
    rule: Rule, tier: int | None, iteration: int, stock: Mapping[int, int], claims: list[Claim]
) -> tuple[list[Step], dict[str, list[int | None]]]:
    """One iteration: the published steps, and each claim's rank among the ties of each."""
    steps: list[Step] = []
    ranks: dict[str, list[int | None]] = {claim.id: [] for claim in claims}
    awards = dict.fromkeys(ranks, 0)
    sizes = list(stock)
    for place, unit_g in enumerate(sizes, start=1):
        counted = [_counted_so_far(claim, sizes, place) for claim in claims]
        demands = [(grams - awards[claim.id]) // unit_g for claim, grams in zip(claims, counted, strict=True)]
        units = min(stock[unit_g], sum(demands))
        parameter = rule.solve(sum(awards.values()) + units * unit_g, counted)
        dues = [
            (rule.entitle(parameter, grams) + _capped(claim.carry_g, sizes[0]) - awards[claim.id]) / unit_g
            for claim, grams in zip(claims, counted, strict=True)
        ]
        cutoff = _cutoff(dues, demands, units)
        above = [_units_above(cutoff, due, demand) for due, demand in zip(dues, demands, strict=True)]
        ties_won = units - sum(above)
        tied = [claim for claim, due, demand in zip(claims, dues, demands, strict=True) if _is_tied(cutoff, due, demand)]
        rank = {claim.id: place for place, claim in enumerate(sorted(tied, key=_first_in_a_tie))}
        for claim, whole in zip(claims, above, strict=True):
            ranks[claim.id].append(rank.get(claim.id))
            awards[claim.id] += unit_g * (whole + (rank.get(claim.id, ties_won) < ties_won))
        steps.append(Step(priority_class=tier, iteration=iteration, unit_g=unit_g, parameter=parameter, cutoff=cutoff, ties_won=ties_won))
    return steps, ranks


def _follow(rule: Rule, claim: Claim, steps: Sequence[Step], tie_ranks: Sequence[int | None]) -> Share:
    """One claim through the steps of one iteration."""
    sizes = [step.unit_g for step in steps]
    carry_g = _capped(claim.carry_g, sizes[0])
    entitlement_g, award_g, turns = Fraction(0), 0, []
    for place, (step, rank) in enumerate(zip(steps, tie_ranks, strict=True), start=1):
        counted = _counted_so_far(claim, sizes, place)
        entitlement_g = rule.entitle(step.parameter, counted)
        demand = (counted - award_g) // step.unit_g
        due = (entitlement_g + carry_g - award_g) / step.unit_g
        # A rank that ought to be there and is not reads as 0, and so differs from the line that left it out.
        tie_rank = (rank or 0) if _is_tied(step.cutoff, due, demand) else None
        units = _units_above(step.cutoff, due, demand) + (tie_rank is not None and tie_rank < step.ties_won)
        award_g += units * step.unit_g
        turns.append(Turn(units=units, tie_rank=tie_rank))
    if award_g < claim.minimum_g:
        award_g, turns = 0, [Turn(units=0, tie_rank=turn.tie_rank) for turn in turns]
    else:
        carry_g = _capped(carry_g + entitlement_g - award_g, sizes[0]).limit_denominator(MAX_CARRY_DENOMINATOR)
    return Share(
        claim=claim, entitlement_g=entitlement_g, award_g=award_g, carry_g=carry_g, iteration=steps[0].iteration, turns=tuple(turns)
    )


def _counted_so_far(claim: Claim, sizes: Sequence[int], place: int) -> int:
    """What counts when only the first `place` sizes have had their turn."""
    return _whole_g(claim.claim_g, sizes[:place]) if counted_g(claim, sizes) else 0


def _whole_g(grams: int, sizes: Sequence[int]) -> int:
    rest = grams
    for unit_g in sizes:
        rest %= unit_g
    return grams - rest


def _fell_short(share: Share, steps: Sequence[Step]) -> bool:
    """Whether a minimum within reach was missed. One out of reach counts as no claim at all, so nobody gains by its leaving."""
    return share.award_g == 0 < share.claim.minimum_g and counted_g(share.claim, [step.unit_g for step in steps]) > 0


def _furthest_from_its_minimum(share: Share) -> tuple[Fraction, Fraction, int, bytes]:
    return -share.entitlement_g / share.claim.minimum_g, -share.carry_g, -share.claim.claim_g, _id_bytes(share.claim)


def _cutoff(dues: Sequence[Fraction], demands: Sequence[int], units: int) -> Fraction:
    """The lack (in units) at which `units` run out.

    The (j+1)th unit of a claimant meets a lack of `due - j`, for j below its demand; the units go to the largest lacks. So: find the
    smallest whole number with no more lacks above it than units; then, if units are over, the last lack met in the interval of one below
    that number, where each claimant has at most one. No loop over units: a supply may be 10^15 of them.
    """
    ceilings = [ceil(due) for due in dues]
    low = min((top - demand - 1 for top, demand in zip(ceilings, demands, strict=True)), default=0)
    high = max(ceilings, default=0)

    def over(level: int) -> int:
        return sum(min(max(top - level, 0), demand) for top, demand in zip(ceilings, demands, strict=True))

    level = bisect_left(range(low, high), -units, lo=0, key=lambda level: -over(level)) + low
    if (rest := units - over(level)) == 0:
        return Fraction(level)
    lacks = [due - top + level for due, top, demand in zip(dues, ceilings, demands, strict=True) if 0 <= top - level < demand]
    return sorted(lacks, reverse=True)[rest - 1]


def _units_above(cutoff: Fraction, due: Fraction, demand: int) -> int:
    return min(max(ceil(due - cutoff), 0), demand)


def _is_tied(cutoff: Fraction, due: Fraction, demand: int) -> bool:
    place = due - cutoff
    return place.denominator == 1 and 0 <= place < demand


def _first_in_a_tie(claim: Claim) -> tuple[Fraction, int, bytes]:
    return -claim.carry_g, -claim.claim_g, _id_bytes(claim)


def _id_bytes(claim: Claim) -> bytes:
    return claim.id.encode()


def _capped(carry_g: Fraction, cap_g: int) -> Fraction:
    return max(Fraction(-cap_g), min(carry_g, Fraction(cap_g)))


def _require_sound(supply: Mapping[int, int], claims: Collection[Claim]) -> None:
    if not supply:
        raise RuleInputError("supply_missing", "supply", "no unit size is offered", "at least one unit size, with 0 or more units")
    for unit_g, units in supply.items():
        _require_whole("unit", unit_g, least=1)
        _require_whole("units", units)
    _require_whole("supply", sum(unit_g * units for unit_g, units in supply.items()))
    for claim in claims:
        if not claim.id.isprintable() or not claim.id:
            raise RuleInputError("claim_id_invalid", "claims", f"{claim.id!r} is no id", "one or more printable characters")
        _require_whole(f"claims.{claim.id}", claim.claim_g)
        _require_whole(f"claims.{claim.id}.minimum", claim.minimum_g)
        _require_whole(f"claims.{claim.id}.priority_class", claim.priority_class)
    if len({claim.id for claim in claims}) < len(claims):
        raise RuleInputError("claim_duplicate", "claims", "an id comes twice", "each id once")


def _require_whole(field: str, value: int, least: int = 0) -> None:
    if type(value) is not int or not least <= value <= MAX_INTEGER:  # also what only claims to be an int: True, 1.5, NaN
        raise RuleInputError("quantity_out_of_range", field, f"{value!r} is out of range", f"a whole number from {least} to {MAX_INTEGER}")
