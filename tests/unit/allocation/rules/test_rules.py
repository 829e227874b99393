"""Allocation rules: the worked examples, and what holds for all inputs."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain import rules
from services.allocation.domain.rules import (
    MAX_CARRY_DENOMINATOR,
    RULES,
    Apportionment,
    Claim,
    Method,
    Pool,
    RuleInputError,
    Share,
    counted_g,
    rational,
    retrace,
)
from shared.journal.record import MAX_INTEGER


def apportion(rule: str, supply: dict[int, int], claims: list[Claim]) -> Apportionment:
    """One pool for all. By iep everyone has a right to what it claims."""
    entitled = [msgspec.structs.replace(claim, right_g=Fraction(claim.claim_g)) for claim in claims] if rule == "iep" else claims
    return rules.apportion(Method(rule), [Pool(id="all", units=supply)], entitled)


def allocate(rule: str, supply_g: int, claims: dict[str, int], unit_g: int = 1) -> tuple[dict[str, int], int]:
    result = apportion(rule, {unit_g: supply_g // unit_g}, [Claim(id, claim_g) for id, claim_g in claims.items()])
    return awards(result), supply_g - sum(awards(result).values())


def awards(result: Apportionment) -> dict[str, int]:
    return {share.claim.id: share.award_g for share in result.shares}


def share_of(result: Apportionment, id: str) -> Share:
    return next(share for share in result.shares if share.claim.id == id)


# --- worked examples


def test_pro_rata_rounds_to_the_largest_remainder() -> None:
    assert allocate(rule="pro_rata", supply_g=100, claims={"a": 50, "b": 100}, unit_g=1) == ({"a": 33, "b": 67}, 0)


def test_the_working_states_fraction_cutoff_and_ties() -> None:
    result = apportion("pro_rata", {1: 100}, [Claim("a", 50), Claim("b", 100)])
    (step,) = result.steps
    assert (step.parameter, step.cutoff, step.ties_won) == (Fraction(2, 3), Fraction(2, 3), 1)
    assert [share.entitlement_g for share in result.shares] == [Fraction(100, 3), Fraction(200, 3)]
    assert [share.carry_g for share in result.shares] == [Fraction(1, 3), Fraction(-1, 3)]


def test_enough_for_all_gives_each_its_claim_in_whole_units() -> None:
    assert allocate("pro_rata", 100, {"a": 12, "b": 25}, unit_g=5) == ({"a": 10, "b": 25}, 65)


def test_what_is_below_one_unit_stays_in_the_reserve() -> None:
    assert allocate("pro_rata", 13, {"a": 100}, unit_g=5) == ({"a": 10}, 3)


def test_nothing_to_give_gives_nothing() -> None:
    assert allocate("pro_rata", 0, {"a": 5, "b": 0}) == ({"a": 0, "b": 0}, 0)
    assert allocate("priority", 100, {}) == ({}, 100)


def test_a_tie_goes_to_the_larger_carry_then_the_larger_claim_then_the_first_id() -> None:
    assert awards(apportion("pro_rata", {1: 1}, [Claim("b", 1), Claim("a", 1)])) == {"a": 1, "b": 0}
    assert awards(apportion("pro_rata", {1: 1}, [Claim("a", 1), Claim("b", 1, Fraction(1, 9))])) == {"a": 0, "b": 1}
    # Both lack half a unit: one by its carry alone, the other by its claim.
    level = [Claim("a", 2, Fraction(-1, 6)), Claim("b", 1, Fraction(1, 6))]
    assert [share.entitlement_g + share.claim.carry_g for share in apportion("pro_rata", {1: 1}, level).shares] == [Fraction(1, 2)] * 2
    assert awards(apportion("pro_rata", {1: 1}, level)) == {"a": 0, "b": 1}
    # 5 and 3 halved leave the same remainder.
    assert awards(apportion("pro_rata", {1: 4}, [Claim("a", 3), Claim("b", 5)])) == {"a": 1, "b": 3}


def test_ids_are_compared_by_their_bytes() -> None:
    assert awards(apportion("pro_rata", {1: 1}, [Claim("é", 1), Claim("z", 1), Claim("Z", 1)])) == {"Z": 1, "z": 0, "é": 0}


def test_a_carry_is_settled_in_the_next_round() -> None:
    first = apportion("pro_rata", {1: 1}, [Claim("a", 1), Claim("b", 1)])
    second = apportion("pro_rata", {1: 1}, [Claim(share.claim.id, 1, share.carry_g) for share in first.shares])
    assert awards(first) == {"a": 1, "b": 0}
    assert awards(second) == {"a": 0, "b": 1}
    assert [share.carry_g for share in second.shares] == [0, 0]


def test_a_carry_never_gives_more_than_the_claim() -> None:
    assert awards(apportion("pro_rata", {10: 5}, [Claim("a", 10, Fraction(10)), Claim("b", 40)])) == {"a": 10, "b": 40}


def test_a_carry_beyond_one_unit_is_cut_to_one() -> None:
    result = apportion("pro_rata", {5: 0}, [Claim("a", 10, Fraction(99)), Claim("b", 10, Fraction(-99))])
    assert [share.carry_g for share in result.shares] == [5, -5]


def test_a_missed_minimum_gives_its_share_to_the_others_and_is_no_carry() -> None:
    result = apportion("pro_rata", {1: 100}, [Claim("a", 50, Fraction(1, 7), minimum_g=40), Claim("b", 100)])
    assert awards(result) == {"a": 0, "b": 100}
    assert share_of(result, "a").carry_g == Fraction(1, 7)
    assert share_of(result, "a").entitlement_g == Fraction(100, 3)
    assert [step.iteration for step in result.steps] == [0, 1]


def test_one_claimant_leaves_at_a_time_so_that_the_next_may_reach_its_minimum() -> None:
    claims = [Claim("a", 60, minimum_g=60), Claim("b", 60, minimum_g=50), Claim("c", 60, minimum_g=0)]
    assert awards(apportion("pro_rata", {1: 110}, claims)) == {"a": 0, "b": 55, "c": 55}


def test_a_minimum_out_of_reach_counts_as_no_claim() -> None:
    result = apportion("pro_rata", {5: 2}, [Claim("a", 9, minimum_g=6), Claim("b", 5), Claim("c", 5)])
    assert awards(result) == {"a": 0, "b": 5, "c": 5}
    assert len(result.steps) == 1


def test_the_first_class_is_served_before_the_second_shares_the_rest() -> None:
    claims = [Claim("a", 50), Claim("b", 50, priority_class=1), Claim("c", 100, priority_class=1), Claim("d", 9, priority_class=2)]
    result = apportion("priority", {1: 110}, claims)
    assert awards(result) == {"a": 50, "b": 20, "c": 40, "d": 0}
    assert [(step.priority_class, step.parameter) for step in result.steps] == [(0, 1), (1, Fraction(2, 5)), (2, 0)]


def test_a_carry_never_takes_a_unit_from_a_class_before() -> None:
    claims = [Claim("a", 3, Fraction(-1)), Claim("b", 3, Fraction(1), priority_class=1)]
    assert awards(apportion("priority", {1: 4}, claims)) == {"a": 3, "b": 1}


def test_pro_rata_does_not_look_at_classes() -> None:
    assert awards(apportion("pro_rata", {1: 2}, [Claim("a", 2), Claim("b", 2, priority_class=1)])) == {"a": 1, "b": 1}


def test_small_units_make_up_for_what_large_ones_rounded() -> None:
    result = apportion("pro_rata", {1: 5, 5: 1}, [Claim("a", 10), Claim("b", 5)])
    assert awards(result) == {"a": 7, "b": 3}  # 20/3 and 10/3, although the one large unit went to a
    assert [[turn.units for turn in share.turns] for share in result.shares] == [[1, 2], [0, 3]]


def test_units_too_large_for_every_claim_are_left_and_entitle_nobody() -> None:
    result = apportion("pro_rata", {5: 1, 1: 2}, [Claim("a", 4), Claim("b", 4)])
    assert awards(result) == {"a": 1, "b": 1}
    assert [share.entitlement_g for share in result.shares] == [1, 1]
    assert result.left_g == 5


def test_a_supply_of_a_thousand_million_tonnes_in_grams_is_decided_at_once() -> None:
    result, left = allocate("pro_rata", 10**15, {"a": 10**15, "b": 2 * 10**15})
    assert (result, left) == ({"a": 333333333333333, "b": 666666666666667}, 0)


def test_a_hundred_rounds_of_gram_sized_units_leave_a_short_carry() -> None:
    carries = {"a": Fraction(0), "b": Fraction(0), "c": Fraction(0)}
    for number in range(100):
        claims = [Claim(id, 10**9 + 7919 * number + place, carry) for place, (id, carry) in enumerate(carries.items())]
        carries = {share.claim.id: share.carry_g for share in apportion("pro_rata", {1: 10**9 + 1}, claims).shares}
    assert all(carry.denominator <= MAX_CARRY_DENOMINATOR and abs(carry) <= 1 for carry in carries.values())
    assert abs(sum(carries.values(), Fraction(0))) < Fraction(1, 10**30)


# --- bad input


@pytest.mark.parametrize(
    ("code", "field", "call"),
    [
        ("rule_unknown", "rule", lambda: allocate("lottery", 1, {"a": 1})),
        ("quantity_out_of_range", "units", lambda: allocate("pro_rata", MAX_INTEGER + 1, {"a": 1})),
        ("quantity_out_of_range", "units", lambda: apportion("pro_rata", {1: -1}, [])),
        ("quantity_out_of_range", "unit", lambda: apportion("pro_rata", {0: 1}, [])),
        ("quantity_out_of_range", "claims.a", lambda: allocate("pro_rata", 1, {"a": -1})),
        ("quantity_out_of_range", "claims.a", lambda: allocate("pro_rata", 1, {"a": MAX_INTEGER + 1})),
        ("quantity_out_of_range", "claims.a", lambda: allocate("pro_rata", 1, {"a": 1.5})),  # type: ignore[dict-item]
        ("quantity_out_of_range", "claims.a.minimum", lambda: apportion("pro_rata", {1: 1}, [Claim("a", 1, minimum_g=-1)])),
        ("quantity_out_of_range", "claims.a.priority_class", lambda: apportion("priority", {1: 1}, [Claim("a", 1, priority_class=-1)])),
        ("quantity_out_of_range", "supply", lambda: apportion("pro_rata", {2**40: 2**40}, [])),
        ("claim_duplicate", "claims", lambda: apportion("pro_rata", {1: 1}, [Claim("a", 1), Claim("a", 1)])),
        ("claim_id_invalid", "claims", lambda: allocate("pro_rata", 1, {"": 1})),
        ("claim_id_invalid", "claims", lambda: allocate("pro_rata", 1, {"a\0": 1})),
        ("claim_id_invalid", "claims", lambda: allocate("pro_rata", 1, {"\ud800": 1})),
        ("supply_missing", "supply", lambda: apportion("pro_rata", {}, [])),
    ],
)
def test_bad_input_is_named(code: str, field: str, call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RuleInputError) as caught:
        call()
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.detail and caught.value.accepted


@pytest.mark.parametrize(
    "text", ["", "1.5", " 1", "1 ", "+1", "-0", "01", "2/4", "1/0", "1/1", "1e9", "1e999999999", "7/-3", "٣", "1\n", "9" * 500]
)
def test_a_rational_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="rational"):
        rational(text)


@given(st.fractions())
def test_a_rational_is_read_as_written(value: Fraction) -> None:
    assert rational(str(value)) == value


# --- what always holds

RULE_NAMES = st.sampled_from(sorted(RULES))
SUPPLIES = st.dictionaries(st.sampled_from([1, 2, 5, 12, 50]), st.integers(0, 30), min_size=1, max_size=3)
SUPPLIES_OF_ONE_SIZE = st.dictionaries(st.sampled_from([1, 5, 50]), st.integers(0, 60), min_size=1, max_size=1)
CLAIMS = st.lists(
    st.builds(
        Claim,
        id=st.sampled_from("abcdefghé"),
        claim_g=st.integers(0, 400),
        carry_g=st.fractions(-1, 1, max_denominator=12),
        minimum_g=st.one_of(st.just(0), st.integers(0, 150)),
        priority_class=st.integers(0, 2),
    ),
    max_size=7,
    unique_by=lambda claim: claim.id,
)
many = settings(max_examples=100, deadline=None)


@many
@given(RULE_NAMES, SUPPLIES, CLAIMS)
def test_grams_are_conserved_in_whole_units_within_claims_and_minimums(rule: str, supply: dict[int, int], claims: list[Claim]) -> None:
    result = apportion(rule, supply, claims)
    sizes = sorted(supply, reverse=True)
    for share in result.shares:
        assert share.award_g == sum(size * turn.units for size, turn in zip(sizes, share.turns, strict=True))
        assert 0 <= share.award_g <= counted_g(share.claim, sizes) <= share.claim.claim_g
        assert share.award_g == 0 or share.award_g >= share.claim.minimum_g
        assert abs(share.carry_g) <= sizes[0]
        assert 0 <= share.entitlement_g <= share.claim.claim_g
    for place, size in enumerate(sizes):
        assert 0 <= sum(share.turns[place].units for share in result.shares) <= supply[size]
    assert sum(awards(result).values()) + result.left_g == sum(size * units for size, units in supply.items())


@many
@given(RULE_NAMES, SUPPLIES, CLAIMS, st.randoms(use_true_random=False))
def test_the_order_of_claims_changes_nothing(rule: str, supply: dict[int, int], claims: list[Claim], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(claims, len(claims))
    assert apportion(rule, supply, shuffled) == apportion(rule, dict(reversed(supply.items())), claims)


@many
@given(SUPPLIES_OF_ONE_SIZE, CLAIMS)
def test_the_awards_are_those_of_handing_out_one_unit_after_the_other(supply: dict[int, int], claims: list[Claim]) -> None:
    """The definition, as an oracle: each unit to whoever lacks most; ties to the larger carry, the larger claim, the first id."""
    ((size, units),) = supply.items()
    claims = [Claim(claim.id, claim.claim_g, claim.carry_g) for claim in claims]
    room = {claim.id: claim.claim_g // size for claim in claims}
    met = min(Fraction(1), Fraction(units, sum(room.values()) or 1))
    lack = {claim.id: room[claim.id] * met + claim.carry_g / size for claim in claims}
    given_out = dict.fromkeys(room, 0)
    for _ in range(min(units, sum(room.values()))):
        waiting = [claim for claim in claims if room[claim.id]]
        lucky = min(waiting, key=lambda claim: (-lack[claim.id], -claim.carry_g, -claim.claim_g, claim.id.encode())).id
        given_out[lucky] += size
        lack[lucky] -= 1
        room[lucky] -= 1
    assert awards(apportion("pro_rata", supply, claims)) == given_out


@many
@given(RULE_NAMES, SUPPLIES, CLAIMS)
def test_each_claimant_retraces_its_own_share(rule: str, supply: dict[int, int], claims: list[Claim]) -> None:
    result = apportion(rule, supply, claims)
    for share in result.shares:
        assert retrace(Method(rule), share.claim, result.steps, share.iteration, [turn.tie_rank for turn in share.turns]) == share


@many
@given(RULE_NAMES, SUPPLIES_OF_ONE_SIZE, CLAIMS)
def test_nothing_is_left_while_a_claim_that_stayed_is_open(rule: str, supply: dict[int, int], claims: list[Claim]) -> None:
    result = apportion(rule, supply, claims)
    unmet = [s for s in result.shares if s.award_g < counted_g(s.claim, list(supply)) and (s.award_g or not s.claim.minimum_g)]
    assert not unmet or result.left_g == 0


@many
@given(RULE_NAMES, SUPPLIES, CLAIMS)
def test_ample_units_of_every_size_give_each_its_claim_and_keep_its_carry(rule: str, supply: dict[int, int], claims: list[Claim]) -> None:
    sizes = sorted(supply, reverse=True)
    result = apportion(rule, dict.fromkeys(supply, 10_000), claims)
    for share in result.shares:
        assert share.award_g == share.entitlement_g == counted_g(share.claim, sizes)
        assert share.carry_g == share.claim.carry_g


@many
@given(SUPPLIES_OF_ONE_SIZE, CLAIMS)
def test_without_carries_and_minimums_an_award_is_its_entitlement_rounded_up_or_down(supply: dict[int, int], claims: list[Claim]) -> None:
    ((size, _),) = supply.items()
    result = apportion("pro_rata", supply, [Claim(claim.id, claim.claim_g) for claim in claims])
    total = sum(share.entitlement_g for share in result.shares)
    assert total == sum(share.award_g for share in result.shares)
    for share in result.shares:
        assert abs(share.entitlement_g - share.award_g) < size
        assert share.carry_g == share.entitlement_g - share.award_g


@many
@given(RULE_NAMES, SUPPLIES_OF_ONE_SIZE, CLAIMS)
def test_more_supply_never_lowers_an_entitlement_nor_an_award_by_more_than_a_unit(
    rule: str, supply: dict[int, int], claims: list[Claim]
) -> None:
    """An award may drop by one: the Alabama paradox of largest remainders, which the carry settles. Minimums may turn anything around."""
    ((size, units),) = supply.items()
    plain = [Claim(claim.id, claim.claim_g, Fraction(0), 0, claim.priority_class) for claim in claims]
    less, more = apportion(rule, {size: units}, plain), apportion(rule, {size: units + 1}, plain)
    for before, after in zip(less.shares, more.shares, strict=True):
        assert after.entitlement_g >= before.entitlement_g
        assert after.award_g >= before.award_g - size


@many
@given(SUPPLIES_OF_ONE_SIZE, CLAIMS)
def test_equal_claims_and_carries_differ_by_at_most_one_unit(supply: dict[int, int], claims: list[Claim]) -> None:
    ((size, _),) = supply.items()
    got = awards(apportion("pro_rata", supply, [Claim(claim.id, 100) for claim in claims])).values()
    assert not got or max(got) - min(got) <= size


ROUNDS = st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 150), min_size=3, max_size=3)), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 5]), ROUNDS)
def test_over_any_rounds_three_partners_stay_within_one_unit_of_their_entitlements(
    unit_g: int, rounds: list[tuple[int, list[int]]]
) -> None:
    carries, entitled, awarded = [Fraction(0)] * 3, [Fraction(0)] * 3, [0] * 3
    for units, grams in rounds:
        claims = [Claim(id, claim_g, carry) for id, claim_g, carry in zip("abc", grams, carries, strict=True)]
        shares = apportion("pro_rata", {unit_g: units}, claims).shares
        carries = [share.carry_g for share in shares]
        entitled = [total + share.entitlement_g for total, share in zip(entitled, shares, strict=True)]
        awarded = [total + share.award_g for total, share in zip(awarded, shares, strict=True)]
        rounded = Fraction(len(rounds) * 3, MAX_CARRY_DENOMINATOR)
        assert all(abs(due - got) <= unit_g + rounded for due, got in zip(entitled, awarded, strict=True))
        assert abs(sum(carries, Fraction(0))) <= rounded
