"""The auditor's own rules against those that decide: two ways of working it out, one outcome."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain import rules as deciding
from services.audit.rules import Claim, UnknownRule, share

SIZES = st.dictionaries(st.sampled_from([1, 2, 3, 5, 7, 10, 50]), st.integers(0, 40), min_size=1, max_size=3)


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
    count = draw(st.integers(1, 5))
    return [
        Claim(
            id=f"req_{number}",
            claim_g=draw(st.integers(0, 300)),
            carry_g=draw(st.fractions(-60, 60, max_denominator=7)),
            minimum_g=draw(st.sampled_from([0, 0, 1, 5, 20, 100])),
            priority_class=draw(st.integers(0, 2)),
        )
        for number in range(count)
    ]


@given(st.sampled_from(["pro_rata", "priority"]), SIZES, claims())
@settings(max_examples=150, deadline=None)
def test_both_ways_give_the_same_awards_entitlements_and_carries(rule: str, supply: dict[int, int], asked: list[Claim]) -> None:
    decided = deciding.apportion(
        rule, supply, [deciding.Claim(each.id, each.claim_g, each.carry_g, each.minimum_g, each.priority_class) for each in asked]
    )
    outcomes = share(rule, supply, asked)
    assert {name: (found.award_g, found.entitlement_g, found.carry_g) for name, found in outcomes.items()} == {
        each.claim.id: (each.award_g, each.entitlement_g, each.carry_g) for each in decided.shares
    }


def test_a_supply_of_any_size_is_shared_at_once() -> None:
    asked = [Claim("a", 3 * 10**14, Fraction(0), 0, 0), Claim("b", 6 * 10**14, Fraction(0), 0, 0)]
    outcomes = share("pro_rata", {1: 10**14}, asked)
    assert (outcomes["a"].award_g, outcomes["b"].award_g) == (33333333333333, 66666666666667)


def test_a_rule_that_the_auditor_does_not_know_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownRule):
        share("lottery", {1: 1}, [])
