"""What a partner can work out of the others from its own file: a solver that tries all that they may have claimed."""

from collections.abc import Iterator, Mapping
from itertools import combinations_with_replacement

import pytest

from services.allocation.domain.decisions.decision import Claimant, Decision, DecisionFile, Opened, compose, partner_view
from tests.stories.composed import HOLDINGS, claimant, decide, salt, terms

MOST = 20  # units that anybody may claim: everyone knows about how much the others use
type Claims = tuple[int, ...]


def consistent(view: DecisionFile) -> dict[Claims, Claims]:
    """Claims of the others, in units, that give all that the partner sees, with the awards that follow."""
    own = [line.content.claimant for line in view.lines]
    unit_g = view.decision.terms.offered[0].unit_g
    found: dict[Claims, Claims] = {}
    for claims in combinations_with_replacement(range(1, MOST + 1), len(view.decision.lines) - len(own)):
        others = [claimant(f"req_x{place}", f"X{place}", units * unit_g) for place, units in enumerate(claims)]
        again = compose(view.decision.terms, HOLDINGS, list(_opened([*own, *others])))
        if _seen(again.decision) == _seen(view.decision) and partner_view(again, own[0].partner).lines[0].content == view.lines[0].content:
            awards = {line.content.claimant.request: line.content.award_g // unit_g for line in again.lines}
            found[claims] = tuple(awards[each.request] for each in others)
    return found


def _opened(claimants: list[Claimant]) -> Iterator[Opened[Claimant]]:
    for place, content in enumerate(claimants, 1):
        yield Opened(salt=salt(place), content=content)


def _seen(decision: Decision) -> object:
    """The published part, without the commitments, which tell nothing."""
    return decision.terms, decision.group, decision.steps, decision.left_g, len(decision.lines)


def round_of(rule: str, **claims: int) -> DecisionFile:
    return decide(terms(rule, g5=10), *(claimant(f"req_{partner}", partner, units * 5) for partner, units in claims.items()))


TWO, THREE, FOUR = {"JP": 8, "US": 13}, {"JP": 8, "US": 13, "EU": 6}, {"JP": 8, "US": 13, "EU": 6, "AU": 4}


@pytest.mark.parametrize(
    ("rule", "claims", "claimed", "awarded"),
    [
        ("pro_rata", TWO, 1, 1),
        ("pro_rata", THREE, 1, 1),
        ("pro_rata", FOUR, 30, 7),
        ("equal_losses", TWO, 1, 1),
        ("equal_losses", THREE, 3, 3),
        ("talmud", TWO, 9, 1),
        ("talmud", THREE, 12, 1),
        ("equal_awards", TWO, 12, 1),
        ("equal_awards", THREE, 60, 1),
    ],
)
def test_how_many_claims_and_awards_of_the_others_fit_what_a_partner_sees(
    rule: str, claims: Mapping[str, int], claimed: int, awarded: int
) -> None:
    """One: it knows. Accepted so far, and said in docs/threats.md: whoever makes this more changes it there, too. Nobody has a carry, a
    minimum or a cap here; where some have, more fits."""
    file = round_of(rule, **claims)
    found = consistent(partner_view(file, "JP"))
    true = {line.content.claimant.partner: line.content.award_g // 5 for line in file.lines}
    order = sorted((units, true[partner]) for partner, units in claims.items() if partner != "JP")
    assert found[tuple(units for units, _ in order)] == tuple(award for _, award in order), "the truth is among what fits"
    assert (len(found), len(set(found.values()))) == (claimed, awarded)


def test_what_a_partner_sees_beside_its_line_is_what_the_solver_looks_at() -> None:
    """A member that is published later gives something away, or does not: the solver has to know it."""
    assert Decision.__struct_fields__ == ("terms", "group", "steps", "left_g", "holdings", "lines")
