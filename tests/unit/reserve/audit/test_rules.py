"""The auditor's own rules against those that decide: two ways of working it out, one outcome."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reserve.audit.rules import Claim, Pool, UnknownRule, in_order, share
from services.allocation.domain import rules as deciding

POOLS = ("lots", "lots_2", "rights")
RULES = sorted(deciding.RULES)
SIZES = st.dictionaries(st.sampled_from([1, 2, 3, 5, 7, 10, 50]), st.integers(0, 40), min_size=1, max_size=3)


@st.composite
def offers(draw: st.DrawFn) -> list[Pool]:
    count = draw(st.sampled_from([1, 1, 2, 3]))
    return [Pool(name, draw(st.sampled_from(["lots", "rights"])), draw(SIZES)) for name in POOLS[:count]]


@st.composite
def claims(draw: st.DrawFn, pools: list[Pool], most: int = 6) -> list[Claim]:
    count = draw(st.integers(1, most))
    names = [pool.id for pool in pools]
    some = st.lists(st.sampled_from(names), unique=True).map(tuple)
    different = [
        Claim(
            id="",
            claim_g=draw(st.integers(0, 300)),
            carry_g=draw(st.fractions(-60, 60, max_denominator=7)),
            minimum_g=draw(st.sampled_from([0, 0, 1, 5, 20, 100])),
            priority_class=draw(st.integers(0, 2)),
            cap_g=draw(st.one_of(st.none(), st.none(), st.integers(0, 200))),
            right_g=draw(st.fractions(0, 300, max_denominator=11)),
            pools=draw(st.one_of(st.none(), some)),
        )
        for _ in range(count)
    ]
    alike = [each for each in different for _ in range(draw(st.sampled_from([1, 1, 2, 3])))]
    return [msgspec.structs.replace(each, id=f"req_{number}") for number, each in enumerate(draw(st.permutations(alike)))]


def decided(rule: str, inside: dict[str, str], offered: list[Pool], asked: list[Claim]) -> deciding.Apportionment:
    pools = [deciding.Pool(id=pool.id, kind=pool.kind, units=pool.units) for pool in offered]  # type: ignore[arg-type]
    return deciding.apportion(deciding.Method(rule, inside), pools, [deciding.Claim(**msgspec.structs.asdict(each)) for each in asked])


def assert_same(rule: str, inside: dict[str, str], offered: list[Pool], asked: list[Claim]) -> None:
    found = decided(rule, inside, offered, asked)
    outcomes = share(rule, inside, offered, asked)
    assert {name: (one.award_g, one.entitlement_g, one.carry_g) for name, one in outcomes.items()} == {
        each.claim.id: (each.award_g, each.entitlement_g, each.carry_g) for each in found.shares
    }
    assert [pool.id for pool in in_order(offered, asked)] == [pool.id for pool in found.pools]


@given(st.data(), st.sampled_from(RULES), st.dictionaries(st.sampled_from(["", "0", "1"]), st.sampled_from(RULES), max_size=2))
@settings(max_examples=150, deadline=None)
def test_both_ways_give_the_same_awards_entitlements_and_carries(data: st.DataObject, rule: str, inside: dict[str, str]) -> None:
    inside = {tier: name for tier, name in inside.items() if name != "priority"}
    offered = data.draw(offers())
    assert_same(rule, inside, offered, data.draw(claims(offered)))


@pytest.mark.parametrize("rule", RULES)
def test_both_ways_let_half_of_those_that_fall_short_in_a_large_round_leave_at_once(rule: str) -> None:
    asked = [
        Claim(f"req_{number:03}", 50 + number % 90, Fraction(number % 5, 7), number % 4 * 30, number % 2, right_g=Fraction(90 + number % 9))
        for number in range(120)
    ]
    offered = [Pool("lots", "lots", {7: 300, 1: 500})]
    assert len({step.iteration for step in decided(rule, {}, offered, asked).steps}) in range(3, 20)
    assert_same(rule, {}, offered, asked)


def test_a_supply_of_any_size_is_shared_at_once() -> None:
    asked = [Claim("a", 3 * 10**14, Fraction(0), 0, 0), Claim("b", 6 * 10**14, Fraction(0), 0, 0)]
    outcomes = share("pro_rata", {}, [Pool("lots", "lots", {1: 10**14})], asked)
    assert (outcomes["a"].award_g, outcomes["b"].award_g) == (33333333333333, 66666666666667)


def test_a_rule_that_the_auditor_does_not_know_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownRule):
        share("lottery", {}, [Pool("lots", "lots", {1: 1})], [])
