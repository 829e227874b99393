"""Rounds of several pools, of caps and of rights: who may have of what, and where it goes."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.rules import (
    RULES,
    Apportionment,
    Claim,
    Method,
    Pool,
    RuleInputError,
    apportion,
    counted_g,
    retrace,
)

LOTS = Pool(id="lots", units={1: 60})
OTHERS = Pool(id="lots_2", units={1: 40})
RIGHTS = Pool(id="rights", units={1: 30}, kind="rights")


def awards(result: Apportionment) -> dict[str, int]:
    return {share.claim.id: share.award_g for share in result.shares}


def entitlements(result: Apportionment) -> dict[str, Fraction]:
    return {share.claim.id: share.entitlement_g for share in result.shares}


def carries(result: Apportionment) -> dict[str, Fraction]:
    return {share.claim.id: share.carry_g for share in result.shares}


# --- pools


def test_what_few_may_have_of_is_handed_out_first_and_counts_when_the_rest_is_shared() -> None:
    claims = [Claim("a", 100), Claim("b", 100, pools=("lots",))]
    result = apportion(Method("pro_rata"), [LOTS, OTHERS], claims)
    assert [pool.id for pool in result.pools] == ["lots_2", "lots"]
    assert [step.pool for step in result.steps] == ["lots_2", "lots"]
    assert awards(result) == {"a": 50, "b": 50}  # a has 40 of the others, so of the common lots it gets 10 and b 50


def test_whoever_has_more_of_what_it_alone_may_have_keeps_it_and_owes_nothing() -> None:
    claims = [Claim("a", 100), Claim("b", 100, pools=("lots",))]
    result = apportion(Method("pro_rata"), [Pool(id="lots", units={1: 10}), OTHERS], claims)
    assert awards(result) == {"a": 40, "b": 10}
    assert carries(result) == {"a": 0, "b": 0}


def test_lots_come_before_rights_where_as_many_may_have_of_both() -> None:
    result = apportion(Method("pro_rata"), [RIGHTS, LOTS], [Claim("a", 70)])
    assert [pool.id for pool in result.pools] == ["lots", "rights"]
    assert [turn.units for turn in result.shares[0].turns] == [60, 10]


def test_what_nobody_may_have_of_is_left() -> None:
    result = apportion(Method("pro_rata"), [LOTS, OTHERS], [Claim("a", 100, pools=("lots",))])
    assert (awards(result), result.left_g) == ({"a": 60}, 40)


def test_a_claim_that_may_have_of_nothing_gets_nothing_and_keeps_its_carry() -> None:
    result = apportion(Method("pro_rata"), [LOTS], [Claim("a", 100, Fraction(1, 3), pools=()), Claim("b", 100)])
    assert awards(result) == {"a": 0, "b": 60}
    assert carries(result)["a"] == Fraction(1, 3)


def test_a_minimum_counts_over_all_pools() -> None:
    claims = [Claim("a", 100, minimum_g=70), Claim("b", 10, pools=("lots",))]
    assert awards(apportion(Method("pro_rata"), [LOTS, OTHERS], claims)) == {"a": 91, "b": 9}


def test_a_pool_of_larger_units_that_comes_later_still_counts_for_a_claim_of_one_unit() -> None:
    pools = [Pool(id="lots", units={20: 1}), Pool(id="rights", units={50: 3}, kind="rights")]
    claims = [Claim("a", 50), Claim("b", 40, pools=("lots",)), Claim("c", 100, pools=("rights",)), Claim("d", 50, pools=("rights",))]
    assert awards(apportion(Method("pro_rata"), pools, claims))["a"] in (0, 20, 50)
    assert awards(apportion(Method("priority"), pools, [Claim("a", 50)])) == {"a": 20}
    assert awards(apportion(Method("pro_rata"), [pools[1], Pool(id="lots", units={20: 0})], [Claim("a", 50)])) == {"a": 50}


# --- caps and rights


def test_a_quota_caps_an_award_and_not_the_claims_part_in_the_sharing() -> None:
    claims = [Claim("a", 100), Claim("b", 200), Claim("c", 300, cap_g=60)]
    result = apportion(Method("quota_capped"), [Pool(id="lots", units={1: 300})], claims)
    assert awards(result) == {"a": 80, "b": 160, "c": 60}
    assert result.steps[0].parameter == Fraction(4, 5)


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"iep"}))
def test_under_any_rule_what_a_cap_holds_back_goes_to_the_others(rule: str) -> None:
    claims = [Claim("a", 100), Claim("b", 100), Claim("c", 100, cap_g=20)]
    assert awards(apportion(Method(rule), [Pool(id="lots", units={1: 150})], claims)) == {"a": 65, "b": 65, "c": 20}


def test_a_cap_counts_in_whole_units() -> None:
    claims = [Claim("a", 100, cap_g=19), Claim("b", 100)]
    assert awards(apportion(Method("pro_rata"), [Pool(id="lots", units={5: 30})], claims)) == {"a": 15, "b": 100}


def test_a_cap_below_a_minimum_gives_nothing() -> None:
    claims = [Claim("a", 100, minimum_g=50, cap_g=20), Claim("b", 100)]
    result = apportion(Method("pro_rata"), [Pool(id="lots", units={1: 90})], claims)
    assert (awards(result), len(result.steps)) == ({"a": 0, "b": 90}, 1)


def test_each_class_shares_by_its_own_rule() -> None:
    claims = [Claim("a", 30), Claim("b", 90), Claim("c", 30, priority_class=1), Claim("d", 90, priority_class=1)]
    pool = Pool(id="lots", units={1: 180})
    method = Method("priority", {"0": "equal_awards", "": "equal_losses"})
    assert awards(apportion(method, [pool], claims)) == {"a": 30, "b": 90, "c": 0, "d": 60}
    assert awards(apportion(method, [Pool(id="lots", units={1: 50})], claims)) == {"a": 25, "b": 25, "c": 0, "d": 0}


def test_rights_are_scaled_to_the_supply_and_never_beyond_one() -> None:
    claims = [Claim("a", 100, right_g=Fraction(90)), Claim("b", 100, right_g=Fraction(30)), Claim("c", 100, right_g=Fraction(0))]
    half = apportion(Method("iep"), [LOTS], claims)
    assert (awards(half), half.steps[0].parameter) == ({"a": 45, "b": 15, "c": 0}, Fraction(1, 2))
    ample = apportion(Method("iep"), [Pool(id="lots", units={1: 500})], claims)
    assert (awards(ample), ample.steps[0].parameter, ample.left_g) == ({"a": 90, "b": 30, "c": 0}, 1, 380)


def test_a_right_beyond_the_claim_gives_the_claim_and_the_others_more() -> None:
    claims = [Claim("a", 10, right_g=Fraction(90)), Claim("b", 100, right_g=Fraction(90))]
    assert awards(apportion(Method("iep"), [LOTS], claims)) == {"a": 10, "b": 50}


# --- bad input


@pytest.mark.parametrize(
    ("code", "field", "method", "pools", "claims"),
    [
        ("pool_unknown", "claims.a.pools", Method("pro_rata"), [LOTS], [Claim("a", 1, pools=("rights",))]),
        ("pool_duplicate", "pools", Method("pro_rata"), [LOTS, LOTS], []),
        ("supply_missing", "supply", Method("pro_rata"), [], []),
        ("position_missing", "positions.a", Method("iep"), [LOTS], [Claim("a", 1)]),
        ("position_missing", "positions.a", Method("priority", {"": "iep"}), [LOTS], [Claim("a", 1)]),
        ("rule_unknown", "inside.0", Method("priority", {"0": "lottery"}), [LOTS], []),
        ("rule_unknown", "inside.0", Method("priority", {"0": "priority"}), [LOTS], []),
        ("quantity_out_of_range", "claims.a.cap", Method("pro_rata"), [LOTS], [Claim("a", 1, cap_g=-1)]),
    ],
)
def test_bad_input_is_named(code: str, field: str, method: Method, pools: list[Pool], claims: list[Claim]) -> None:
    with pytest.raises(RuleInputError) as caught:
        apportion(method, pools, claims)
    assert (caught.value.code, caught.value.field) == (code, field)


# --- what always holds

NAMES = ("lots", "lots_2", "rights")
UNITS = st.dictionaries(st.sampled_from([1, 2, 5, 12, 50]), st.integers(0, 30), min_size=1, max_size=2)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Method, list[Pool], list[Claim]]:
    names = NAMES[: draw(st.integers(1, 3))]
    pools = [Pool(id=name, units=draw(UNITS), kind="rights" if name == "rights" else "lots") for name in names]
    some = st.one_of(st.none(), st.lists(st.sampled_from(names), unique=True).map(tuple))
    claims = draw(
        st.lists(
            st.builds(
                Claim,
                id=st.sampled_from("abcdefghé"),
                claim_g=st.integers(0, 400),
                carry_g=st.fractions(-1, 1, max_denominator=12),
                minimum_g=st.one_of(st.just(0), st.integers(0, 150)),
                priority_class=st.integers(0, 2),
                cap_g=st.one_of(st.none(), st.integers(0, 300)),
                right_g=st.fractions(0, 400, max_denominator=9),
                pools=some,
            ),
            max_size=7,
            unique_by=lambda claim: claim.id,
        )
    )
    rule = draw(st.sampled_from(sorted(RULES)))
    inside = draw(st.dictionaries(st.sampled_from(["", "0", "1"]), st.sampled_from(sorted(set(RULES) - {"priority"})), max_size=2))
    return Method(rule, inside), pools, claims


@settings(max_examples=120, deadline=None)
@given(rounds())
def test_grams_are_conserved_pool_by_pool_within_claims_caps_and_minimums(the_round: tuple[Method, list[Pool], list[Claim]]) -> None:
    method, pools, claims = the_round
    result = apportion(method, pools, claims)
    stages = [(pool.id, unit_g) for pool in result.pools for unit_g in sorted(pool.units, reverse=True)]
    handed = dict.fromkeys(stages, 0)
    for share in result.shares:
        own = [stage for stage in stages if share.claim.pools is None or stage[0] in share.claim.pools]
        assert share.award_g == sum(unit_g * turn.units for (_, unit_g), turn in zip(own, share.turns, strict=True))
        for stage, turn in zip(own, share.turns, strict=True):
            handed[stage] += turn.units
        assert share.award_g <= counted_g(share.claim, [unit_g for _, unit_g in own]) <= share.claim.claim_g
        assert share.award_g <= (share.claim.claim_g if share.claim.cap_g is None else share.claim.cap_g)
        assert share.award_g == 0 or share.award_g >= share.claim.minimum_g
        assert method.rule_of(share.claim.priority_class) != "iep" or share.award_g <= (share.claim.right_g or 0)
    assert all(0 <= handed[pool.id, unit_g] <= units for pool in pools for unit_g, units in pool.units.items())
    offered_g = sum(unit_g * units for pool in pools for unit_g, units in pool.units.items())
    assert sum(awards(result).values()) + result.left_g == offered_g


@settings(max_examples=120, deadline=None)
@given(rounds())
def test_each_claimant_retraces_its_own_share(the_round: tuple[Method, list[Pool], list[Claim]]) -> None:
    method, pools, claims = the_round
    result = apportion(method, pools, claims)
    for share in result.shares:
        assert retrace(method, share.claim, result.steps, share.iteration, [turn.tie_rank for turn in share.turns]) == share


@settings(max_examples=80, deadline=None)
@given(rounds(), st.randoms(use_true_random=False))
def test_the_order_of_claims_and_pools_changes_nothing(the_round: tuple[Method, list[Pool], list[Claim]], random) -> None:  # type: ignore[no-untyped-def]
    method, pools, claims = the_round
    shuffled = apportion(method, random.sample(pools, len(pools)), random.sample(claims, len(claims)))
    assert shuffled == apportion(method, pools, claims)
