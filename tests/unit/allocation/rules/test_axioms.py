"""What each rule promises, without any rounding: known answers, and the axioms of the literature on claims problems."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.allocation.domain.rules import Claim, IepFigures, Method, Pool, RuleInputError, apportion, group_of, right_g
from services.allocation.domain.rules.families import solve

BY_CLAIMS = ["equal_awards", "equal_losses", "pro_rata", "quota_capped", "talmud"]
DUAL_OF = {"pro_rata": "pro_rata", "quota_capped": "quota_capped", "equal_awards": "equal_losses", "talmud": "talmud"}
ESTATE = {"a": 100, "b": 200, "c": 300}

rules = st.sampled_from(BY_CLAIMS)
claims = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 500), min_size=1)
parts = st.fractions(0, 1, max_denominator=60)
many = settings(max_examples=80, deadline=None)


@st.composite
def caps(draw: st.DrawFn, asked: dict[str, int]) -> dict[str, int]:
    return {name: draw(st.integers(0, 500)) for name in asked if draw(st.booleans())}


def amounts(*texts: str) -> dict[str, Fraction]:
    return dict(zip("abc", (Fraction(text) for text in texts), strict=True))


def divide(rule: str, supply: Fraction, claims: Mapping[str, int], caps: Mapping[str, int] = {}) -> dict[str, Fraction]:
    """What a rule that shares by claims alone entitles each claimant to, without any rounding: the rule as the literature has it."""
    grams = list(claims.values())
    most = [min(claim, caps.get(name, claim)) for name, claim in claims.items()]
    found = solve(rule, supply.numerator, grams, most, [0] * len(grams), [1] * len(grams), scale=supply.denominator)
    return {name: Fraction(numerator, found.denominator) for name, numerator in zip(claims, found.numerators, strict=True)}


# --- known answers


@pytest.mark.parametrize(
    ("rule", "supply", "shares"),
    [
        ("pro_rata", 100, ("50/3", "100/3", "50")),
        ("pro_rata", 200, ("100/3", "200/3", "100")),
        ("pro_rata", 300, ("50", "100", "150")),
        ("quota_capped", 100, ("50/3", "100/3", "50")),
        ("quota_capped", 200, ("100/3", "200/3", "100")),
        ("quota_capped", 300, ("50", "100", "150")),
        ("equal_awards", 100, ("100/3", "100/3", "100/3")),
        ("equal_awards", 200, ("200/3", "200/3", "200/3")),
        ("equal_awards", 300, ("100", "100", "100")),
        ("equal_losses", 100, ("0", "0", "100")),
        ("equal_losses", 200, ("0", "50", "150")),
        ("equal_losses", 300, ("0", "100", "200")),
        ("talmud", 100, ("100/3", "100/3", "100/3")),  # the Mishna, Ketubot 93a
        ("talmud", 200, ("50", "75", "75")),
        ("talmud", 300, ("50", "100", "150")),
        ("talmud", 400, ("50", "125", "225")),
        ("talmud", 500, ("200/3", "500/3", "800/3")),
    ],
)
def test_an_estate_of_three_wives(rule: str, supply: int, shares: tuple[str, str, str]) -> None:
    assert divide(rule, Fraction(supply), ESTATE) == amounts(*shares)


@pytest.mark.parametrize(
    ("rule", "awards"),
    [
        ("pro_rata", ((17, 33, 50), (33, 67, 100), (50, 100, 150))),
        ("quota_capped", ((17, 33, 50), (33, 67, 100), (50, 100, 150))),
        ("equal_awards", ((33, 33, 34), (66, 67, 67), (100, 100, 100))),  # of equal remainders, the larger claims' are met
        ("equal_losses", ((0, 0, 100), (0, 50, 150), (0, 100, 200))),
        ("talmud", ((33, 33, 34), (50, 75, 75), (50, 100, 150))),
        ("priority", ((100, 0, 0), (100, 100, 0), (100, 200, 0))),  # a before b before c
        ("iep", ((17, 33, 50), (33, 67, 100), (50, 100, 150))),  # each has a right to what it claims
    ],
)
def test_the_estate_in_whole_grams_under_every_rule(rule: str, awards: tuple[tuple[int, ...], ...]) -> None:
    for supply, expected in zip((100, 200, 300), awards, strict=True):
        claims = [Claim(name, grams, priority_class=place, right_g=Fraction(grams)) for place, (name, grams) in enumerate(ESTATE.items())]
        result = apportion(Method(rule), [Pool(id="estate", units={1: supply})], claims)
        assert tuple(share.award_g for share in result.shares) == expected
        assert all(share.carry_g == share.entitlement_g - share.award_g for share in result.shares)
        assert sum(share.entitlement_g for share in result.shares) == supply


def test_the_contested_garment_is_shared_three_quarters_to_one() -> None:
    """Bava Metzia 2a: one says all of it is mine, the other half of it is mine."""
    assert divide("talmud", Fraction(100), {"a": 100, "b": 50}) == {"a": 75, "b": 25}


def test_what_a_cap_holds_back_goes_to_the_others_by_the_same_fraction() -> None:
    assert divide("quota_capped", Fraction(300), ESTATE, caps={"c": 60}) == amounts("80", "160", "60")


# --- axioms


@many
@given(rules, claims, parts, st.data())
def test_all_that_may_be_given_is_given_and_nobody_gets_more_than_its_claim_or_cap(
    rule: str, asked: dict[str, int], part: Fraction, data: st.DataObject
) -> None:
    capped = data.draw(caps(asked))
    supply = part * sum(asked.values())
    shares = divide(rule, supply, asked, capped)
    most = {name: min(claim, capped.get(name, claim)) for name, claim in asked.items()}
    assert sum(shares.values()) == min(supply, sum(most.values()))
    assert all(0 <= share <= most[name] for name, share in shares.items())


@many
@given(rules, claims, parts)
def test_equal_claims_are_treated_equally_and_a_larger_one_no_worse(rule: str, asked: dict[str, int], part: Fraction) -> None:
    shares = divide(rule, part * sum(asked.values()), asked)
    in_order = sorted(asked, key=asked.__getitem__)
    for smaller, larger in pairwise(in_order):
        assert shares[smaller] <= shares[larger]
        assert asked[smaller] != asked[larger] or shares[smaller] == shares[larger]
        assert asked[smaller] - shares[smaller] <= asked[larger] - shares[larger]  # nor does it lose less


@many
@given(rules, claims, parts, parts, st.data())
def test_more_supply_takes_nothing_from_anybody(
    rule: str, asked: dict[str, int], one: Fraction, other: Fraction, data: st.DataObject
) -> None:
    capped, total = data.draw(caps(asked)), sum(asked.values())
    less, more = sorted([one * total, other * total])
    before, after = divide(rule, less, asked, capped), divide(rule, more, asked, capped)
    assert all(before[name] <= after[name] for name in asked)


@many
@given(st.sampled_from(sorted(DUAL_OF)), claims, parts)
def test_awards_by_a_rule_are_the_losses_by_its_dual(rule: str, asked: dict[str, int], part: Fraction) -> None:
    """Equal awards and equal losses are each other's; pro rata and talmud are their own."""
    total = sum(asked.values())
    awards, losses = divide(rule, part * total, asked), divide(DUAL_OF[rule], total - part * total, asked)
    assert all(awards[name] == asked[name] - losses[name] for name in asked)


@many
@given(rules, claims, parts, st.data())
def test_when_one_leaves_with_its_share_the_others_keep_theirs(
    rule: str, asked: dict[str, int], part: Fraction, data: st.DataObject
) -> None:
    capped = data.draw(caps(asked))
    supply = part * sum(min(claim, capped.get(name, claim)) for name, claim in asked.items())
    shares = divide(rule, supply, asked, capped)
    leaver = data.draw(st.sampled_from(sorted(asked)))
    rest = {name: claim for name, claim in asked.items() if name != leaver}
    assert divide(rule, supply - shares[leaver], rest, capped) == {name: shares[name] for name in rest}


@many
@given(claims, parts)
def test_talmud_gives_two_claimants_of_any_what_the_contested_garment_gives_them(asked: dict[str, int], part: Fraction) -> None:
    """The property by which Aumann and Maschler found the rule: each pair shares what it has together by concession."""
    shares = divide("talmud", part * sum(asked.values()), asked)
    for one in asked:
        for other in asked:
            if one != other:
                together = shares[one] + shares[other]
                conceded = {one: max(together - asked[other], Fraction(0)), other: max(together - asked[one], Fraction(0))}
                assert shares[one] == conceded[one] + (together - conceded[one] - conceded[other]) / 2


# --- iep


def position(partner: str, base_g: int, commitment_g: int, production_g: int, imports_g: int) -> IepFigures:
    return IepFigures(
        partner=partner, base_g=base_g, commitment_g=commitment_g, production_g=production_g, imports_g=imports_g, source="statistics"
    )


def test_a_groups_shortfall_is_drawn_from_reserves_and_the_rest_is_a_right_or_an_obligation() -> None:
    """Worked by hand: 1,000 g of base at 93/100 is 930 g; 720 g are there; 210 g of 300 g of reserves must be drawn."""
    positions = [position("JP", 600, 200, 0, 300), position("US", 300, 100, 150, 100), position("AU", 100, 0, 170, 0)]
    group = group_of(positions, Fraction(93, 100))
    assert (group.permissible_g, group.supplies_g, group.shortfall_g, group.kappa) == (930, 720, 210, Fraction(7, 10))
    rights = [right_g(each, Fraction(93, 100), group.kappa) for each in positions]
    assert rights == [558 - 140 - 300, 279 - 70 - 250, 93 - 170]
    assert sum(rights) == 0  # what some may have is what others must give


def test_a_group_without_a_shortfall_draws_nothing() -> None:
    group = group_of([position("AU", 100, 50, 300, 0)], Fraction(9, 10))
    assert (group.shortfall_g, group.kappa) == (0, 0)


def test_a_shortfall_beyond_all_reserves_draws_more_than_was_undertaken_and_is_said_so() -> None:
    assert group_of([position("JP", 100, 9, 0, 0)], Fraction(9, 10)).kappa == 10


@pytest.mark.parametrize("restraint", [Fraction(0), Fraction(-1), Fraction(3, 2)])
def test_a_restraint_is_a_part_of_consumption(restraint: Fraction) -> None:
    with pytest.raises(RuleInputError) as caught:
        group_of([], restraint)
    assert caught.value.code == "restraint_invalid"
