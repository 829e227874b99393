"""What a partner can work out of the others from its own file: a solver that tries every small round, and groups those that look alike."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import msgspec
import pytest

from services.allocation.domain.decisions.composing import compose
from services.allocation.domain.decisions.decision import FORMAT, Claimant, DecisionFile, Format, Opened, canonical_document
from services.allocation.domain.decisions.sealed import OwnFile, OwnLine, SealedDecision, SealedTerms
from services.allocation.domain.rules import RULES
from tests.stories.composed import HOLDINGS, SECOND, claimant, partner_view, position, salt, terms

UNIT_G = 5
NAMES = ("JP", "US", "EU")
MOST = {2: 8, 3: 4}  # units that anybody may claim, by how many take part: everyone knows about how much the others use, and who they are
# Statistics, which everyone has. By these a right is about four units; who has an obligation asks for nothing.
POSITIONS = {name: position(name, 400, 90 + 10 * place, 0, 330) for place, name in enumerate(NAMES, start=1)}
POSITIONS["AU"] = position("AU", 400, 200, 0, 400)
AROUND = Opened(salt=HOLDINGS.salt, content=msgspec.structs.replace(HOLDINGS.content, positions=tuple(POSITIONS.values())))


class World(msgspec.Struct, frozen=True):
    """What a round may have been like, in units: what the first partner claimed and got, what the others did, and what was offered."""

    own: int
    award: int
    claims: tuple[int, ...]
    awards: tuple[int, ...]
    offered: int


@cache
def alike(rule: str, parties: int, form: Format = FORMAT, cap: Fraction | None = None) -> Mapping[bytes, list[World]]:
    """Every round, by what the first partner sees of it."""
    found: defaultdict[bytes, list[World]] = defaultdict(list)
    for claims in product(range(1, MOST[parties] + 1), repeat=parties):
        for offered in range(1, sum(claims) + 2):  # one more than all claims together looks like any larger supply
            the_terms = msgspec.structs.replace(terms(rule, form, g5=offered), cap=cap)
            file = compose(the_terms, AROUND, list(_claimants(rule, claims, None if cap is None else int(cap * offered * UNIT_G))))
            award = {line.content.claimant.partner: line.content.award_g // UNIT_G for line in file.lines}
            if any(award.values()):  # where nobody gets anything, nothing is decided
                others = tuple(award[name] for name in NAMES[1:parties])
                found[_seen(file)].append(World(claims[0], award["JP"], claims[1:], others, offered))
    return found


def _claimants(rule: str, claims: tuple[int, ...], most_g: int | None) -> Iterator[Opened[Claimant]]:
    for place, (name, units) in enumerate(zip(NAMES, claims, strict=False)):
        told: dict[str, Any] = {"position": POSITIONS[name]} if rule == "iep" else {}
        if rule == "priority":
            told["priority_class"] = place % 2  # the first and the third are served first
        if most_g is not None or rule == "quota_capped":
            told["cap_g"] = min(units * UNIT_G, units * UNIT_G if most_g is None else most_g)
        yield Opened(salt=salt(place), content=claimant(f"req_{name}", name, units * UNIT_G, **told))


def _seen(file: DecisionFile) -> bytes:
    """All of a view but its commitments, which tell nothing."""
    view = partner_view(file, "JP")
    if isinstance(view, OwnFile):
        line = msgspec.structs.replace(view.lines[0].content, working="")
        return canonical_document(msgspec.structs.replace(view, decision=_open(view.decision), lines=(Opened(salt="", content=line),)))
    decision = msgspec.structs.replace(view.decision, lines=("",) * len(view.decision.lines))
    return canonical_document(msgspec.structs.replace(view, decision=decision))


def _open(published: SealedDecision) -> SealedDecision:
    return msgspec.structs.replace(published, working="", lines=("",) * len(published.lines))


def known(worlds: Iterable[World], place: int) -> tuple[set[int], set[int]]:
    """What of another is possible: (claims, awards)."""
    return {world.claims[place] for world in worlds}, {world.awards[place] for world in worlds}


def is_told(rule: str, world: World) -> bool:
    """What the rule itself tells, whatever is written down; said in docs/threats.md."""
    last_served = rule == "priority" and world.award < world.own  # who is cut in the first class knows that the next gets nothing
    return world.award == 0 or last_served  # who gets nothing knows that there was next to nothing


@pytest.mark.parametrize("parties", [2, 3])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_partner_of_a_small_round_can_tell_what_another_claimed_or_was_awarded(rule: str, parties: int) -> None:
    groups = alike(rule, parties)
    assert len(groups) >= 10
    told = [
        (worlds[0].own, worlds[0].award, claims, awards)
        for worlds in groups.values()
        for place in range(parties - 1)
        for claims, awards in [known(worlds, place)]
        if min(len(claims), len(awards)) < 2 and not is_told(rule, worlds[0])
    ]
    assert told == []


@pytest.mark.parametrize("parties", [2, 3])
@pytest.mark.parametrize("rule", sorted(RULES))
def test_even_so_it_does_not_tell_what_another_claimed(rule: str, parties: int) -> None:
    """Unless somebody has claimed more who claims nearly the most that anybody may."""
    for worlds in alike(rule, parties).values():
        if is_told(rule, worlds[0]):
            claims = [known(worlds, place)[0] for place in range(parties - 1)]
            assert all(len(each) > 1 or each == {MOST[parties]} for each in claims)


def test_the_solver_would_see_what_the_second_form_told() -> None:
    """Offered, left, parameter and number of lines: one claim and one award are left."""
    groups = alike("pro_rata", 2, SECOND).values()
    told = [worlds for worlds in groups if all(len(each) == 1 for each in known(worlds, 0))]
    assert len(told) > len(groups) / 2


def test_who_knows_what_was_offered_knows_the_other_award_of_a_round_of_two() -> None:
    """Accepted: a minister may publish a total. Whoever is cut then knows what is left for the other."""
    for worlds in alike("pro_rata", 2).values():
        if worlds[0].award < worlds[0].own:
            for offered in {world.offered for world in worlds}:
                assert len(known([world for world in worlds if world.offered == offered], 0)[1]) == 1


def test_a_cap_that_binds_tells_what_was_offered() -> None:
    """Accepted: the cap is a part of what is offered, and a partner sees its own. One that does not bind tells nothing."""
    binding, idle = 0, 0
    for worlds in alike("pro_rata", 2, cap=Fraction(1, 2)).values():
        cap_units = {world.offered // 2 for world in worlds if world.offered // 2 < world.own}
        if cap_units:
            binding += 1
            assert len({world.offered for world in worlds}) <= 2, "that of an even or an odd number of units"
        elif 0 < worlds[0].award < worlds[0].own:
            idle += 1
            assert all(len(each) > 1 for each in known(worlds, 0))
    assert binding > 10


def test_what_a_partner_sees_is_what_the_solver_looks_at() -> None:
    """A member that is published later gives something away, or does not: the solver has to know it."""
    assert OwnFile.__struct_fields__ == ("decision", "lines")
    assert SealedDecision.__struct_fields__ == ("terms", "working", "holdings", "lines")
    policy = ("rule", "inside", "cap", "restraint", "policy", "policy_version")
    assert SealedTerms.__struct_fields__ == ("format", "round", "product", *policy, "disruption")
    assert OwnLine.__struct_fields__ == ("claimant", "award_g", "takes", "days_of_cover", "working")
