"""One iteration of a round: every unit of every pool handed out among those who are still in it.

Claims that are alike in all but their id are worked out once, and a round of ten thousand has far fewer masses, caps and minimums than
claims. Only a tie tells them apart.
"""

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import compress
from math import lcm
from operator import mul

import msgspec
from msgspec import UNSET, UnsetType

from services.allocation.domain.rules.claims import RULES, Claim, counted
from services.allocation.domain.rules.families import Branch, solve
from services.allocation.domain.rules.rounding import hand_out


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


class Stage(msgspec.Struct, frozen=True):
    pool: str
    unit_g: int


class _Column(msgspec.Struct, frozen=True):
    """What takes part in one stage, value by value: lists that are parallel. `parts`: which they are."""

    parts: list[int]
    claims_g: list[int]
    most_g: list[int]
    rights: list[int]  # iep: in 1/right_unit grams
    carries_over: list[int]  # numerators of the carries, at most one unit of the largest size
    carries_under: list[int]

    def of(self, alive: Sequence[bool]) -> "_Column":
        """A copy, of those parts alone."""
        mask = [alive[part] for part in self.parts]
        return _Column(*(list(compress(values, mask)) for values in msgspec.structs.astuple(self)))

    def split(self, part: int, new: int) -> None:
        """`new` is alike."""
        if (at := bisect_left(self.parts, part)) < len(self.parts) and self.parts[at] == part:
            for values in msgspec.structs.astuple(self):
                values.append(values[at])
            self.parts[-1] = new


class Field(msgspec.Struct, frozen=True):
    """The claims of one class, made ready. Those that are alike in all but their id are of one kind, and are worked out once: only ties
    tell them apart. `kinds`: the places of each one's claims; `most_g`: what a claim of it could be given in the end; `columns`: one a
    stage, their parts the kinds."""

    rule: str
    tier: int | None
    claims: list[Claim]
    tie_order: list[int]
    kinds: list[list[int]]
    carries_g: list[Fraction]
    most_g: list[int]
    columns: list[_Column]
    right_unit: int


class Run(msgspec.Struct, frozen=True):
    """One iteration, part by part: claims of one kind that have been given the same so far, each entitled to `entitled / denominators`
    grams. A kind is one part until a tie splits it. By stage: the units of each part, the ranks of those who tied, by place, and all units
    taken."""

    kinds: list[int]
    places: list[list[int]]
    sizes: list[int]
    awards_g: list[int]
    entitled: list[int]
    denominators: list[int]
    steps: list[Step]
    units: list[dict[int, int]]
    ranks: list[dict[int, int]]
    taken: list[int]

    def split(self, part: int, places: list[int]) -> int:
        """Take the places out of a part. The new part."""
        taken = set(places)
        self.places[part] = [place for place in self.places[part] if place not in taken]
        self.places.append(places)
        self.sizes[part] -= len(places)
        self.sizes.append(len(places))
        for values in (self.kinds, self.awards_g, self.entitled, self.denominators):
            values.append(values[part])
        new = len(self.places) - 1
        for units in self.units:
            if part in units:
                units[new] = units[part]
        return new


def make_ready(rule: str, tier: int | None, claims: list[Claim], stages: Sequence[Stage], tie_order: list[int], largest_g: int) -> Field:
    kinds: dict[tuple[object, ...], list[int]] = {}
    for place, claim in enumerate(claims):
        ratios = claim.carry_g.as_integer_ratio(), None if claim.right_g is None else claim.right_g.as_integer_ratio()
        kinds.setdefault((claim.claim_g, claim.cap_g, claim.minimum_g, claim.pools, *ratios), []).append(place)
    firsts = [claims[places[0]] for places in kinds.values()]
    by_right = RULES[rule].by_right
    right_unit = lcm(*{claim.right_g.denominator for claim in firsts if claim.right_g is not None}) if by_right else 1
    carries_g = [capped(claim.carry_g, largest_g) for claim in firsts]
    columns = [_Column([], [], [], [], [], []) for _ in stages]
    most = [0] * len(firsts)
    for kind, claim in enumerate(firsts):
        own = [number for number, stage in enumerate(stages) if may_have_of(claim, stage.pool)]
        counts = counted(claim, [stages[number].unit_g for number in own], limit_g(rule, claim))
        right = claim.right_g.numerator * (right_unit // claim.right_g.denominator) if by_right and claim.right_g is not None else 0
        values = (right, *carries_g[kind].as_integer_ratio())
        for number, count in zip(own, counts, strict=True):
            for column, value in zip(msgspec.structs.astuple(columns[number]), (kind, count.claim_g, count.most_g, *values), strict=True):
                column.append(value)
            most[kind] = count.most_g
    return Field(rule, tier, claims, tie_order, list(kinds.values()), carries_g, most, columns, right_unit)


def run_rule(field: Field, iteration: int, stages: Sequence[Stage], stock: Sequence[int], kinds: Sequence[list[int]]) -> Run:
    """One iteration among those who are left of each kind."""
    size = len(kinds)
    run = Run(list(range(size)), list(kinds), list(map(len, kinds)), [0] * size, [0] * size, [1] * size, [], [], [], [])
    awards_g, entitled, denominators = run.awards_g, run.entitled, run.denominators
    alive = [bool(places) for places in kinds]
    columns = [column.of(alive) for column in field.columns]
    pool, floors, scale, handed_g = None, list[int](), 1, 0
    for number, (stage, units_left, column) in enumerate(zip(stages, stock, columns, strict=True)):
        parts, unit_g = column.parts, stage.unit_g
        many = [run.sizes[part] for part in parts]
        if stage.pool != pool:
            pool, handed_g = stage.pool, 0
            scale = lcm(*{denominators[part] for part in parts})
            floors = [own * (scale // den) for own, den in zip(entitled, denominators, strict=True)]
        lows = [floors[part] for part in parts]
        so_far = [awards_g[part] for part in parts]
        demands = [(most - award) // unit_g for most, award in zip(column.most_g, so_far, strict=True)]
        units = min(units_left, sum(map(mul, demands, many)))
        handed_g += units * unit_g
        supply = sum(map(mul, lows, many)) + handed_g * scale
        found = solve(field.rule, supply, column.claims_g, column.most_g, lows, many, column.rights, field.right_unit, scale)
        # What each lacks: entitlement plus carry less award, in units.
        den = found.denominator
        lacks = [
            (numerator - award * den) * under + over * den
            for numerator, award, over, under in zip(found.numerators, so_far, column.carries_over, column.carries_under, strict=True)
        ]
        handed = hand_out(units, lacks, [den * unit_g * under for under in column.carries_under], demands, many)
        for part, award, got, numerator in zip(parts, so_far, handed.units, found.numerators, strict=True):
            awards_g[part] = award + got * unit_g
            entitled[part] = numerator
            denominators[part] = den
        run.units.append(dict(zip(parts, handed.units, strict=True)))
        run.taken.append(units)
        part_of = {place: parts[at] for at in handed.tied for place in run.places[parts[at]]}
        tied = sorted(part_of, key=field.tie_order.__getitem__)
        run.ranks.append({place: rank for rank, place in enumerate(tied)})
        won: dict[int, list[int]] = {}
        for place in tied[: handed.ties_won]:
            won.setdefault(part_of[place], []).append(place)
        for part, places in won.items():
            winners = part
            if len(places) < run.sizes[part]:
                winners = run.split(part, places)
                floors.append(floors[part])
                for later in columns[number + 1 :]:
                    later.split(part, winners)
            awards_g[winners] += unit_g
            run.units[-1][winners] += 1
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


def limit_g(rule: str, claim: Claim) -> int | None:
    """An allocation right counts in whole units, as a cap does."""
    return int(claim.right_g or 0) if rule == "iep" else None


def may_have_of(claim: Claim, pool: str | UnsetType) -> bool:
    return claim.pools is None or pool in claim.pools


def capped(carry_g: Fraction, cap_g: int) -> Fraction:
    return max(Fraction(-cap_g), min(carry_g, Fraction(cap_g))) if carry_g else carry_g
