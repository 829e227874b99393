"""Groups of connected clients: what is committed to any member counts under the group's limit, once, whatever comes first."""

from collections import Counter
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.controls import CONTROLS, EVENTS
from services.loans.domain.facility.headroom import (
    DECIDER,
    MAX_MEMBERS,
    OpenFacility,
    Reason,
    ReleaseHeadroom,
    ReserveHeadroom,
    SetGroup,
    SetLimits,
)
from services.loans.domain.facility.state import Facility, connected_with
from services.loans.events.facility import CommitmentId, GroupSet, Guaranteed, HeadroomRefused, HeadroomReserved, Limit
from shared.terms.countersigning import ControlReason, countersigned
from tests.stories.facility import CMF, LIMITS, TODAY, opened, rate, reserve
from tests.stories.given import Given

GROUPED = (*LIMITS, Limit(key="group/mining", parent="total", limit_minor=600), Limit(key="borrower/a", parent="total", limit_minor=500))


def connect(*members: str, group: str = "mining") -> SetGroup:
    return SetGroup(group=group, members=members, reason="one holds the other")


def grouped(*happened: Any, limits: tuple[Limit, ...] = GROUPED) -> Given:
    return Given(DECIDER, OpenFacility(facility=CMF, currency="AUD", limits=limits, authority="Act"), *happened)


def guaranteed(commitment: str, amount: int, *keys: str, by: tuple[tuple[str, int], ...], asset: str = "AUD") -> ReserveHeadroom:
    guarantees = tuple(Guaranteed(key=key, amount=part) for key, part in by)
    return ReserveHeadroom(facility=CMF, commitment=CommitmentId(commitment), asset=asset, amount=amount, keys=keys, guaranteed=guarantees)


def used(story: Given, key: str) -> int:
    return int(story.state.used_minor.get(key, 0))


def test_what_is_committed_to_any_member_counts_under_the_limit_of_the_group():
    story = grouped(connect("borrower/a", "borrower/b"), reserve("one", 400, "borrower/a"))
    (refused,) = story.when(reserve("two", 201, "borrower/b")).events
    assert isinstance(refused, HeadroomRefused) and "group/mining" in refused.detail
    (reserved,) = story.when(reserve("two", 200, "borrower/b")).events
    assert isinstance(reserved, HeadroomReserved)
    assert (reserved.keys, reserved.named) == (("borrower/b", "group/mining", "total"), ("borrower/b",))
    (other,) = story.when(reserve("two", 201, "borrower/c")).events
    assert isinstance(other, HeadroomReserved)


def test_a_loan_of_two_members_counts_in_full_under_each_and_once_under_the_group():
    story = grouped(connect("borrower/a", "borrower/b"), reserve("one", 300, "borrower/a", "borrower/b"))
    assert [used(story, key) for key in ("borrower/a", "borrower/b", "group/mining", "total")] == [300, 300, 300, 300]


def test_other_members_count_what_is_committed_again_and_what_exceeds_a_limit_stays():
    story = grouped(reserve("one", 400, "borrower/a"), reserve("two", 300, "borrower/b"))
    (said,) = story.when(connect("borrower/a", "borrower/b")).events
    assert isinstance(said, GroupSet)
    assert (said.committed_minor, said.over) == (700, ("group/mining",))
    joined = story.given(connect("borrower/a", "borrower/b"))
    assert len(joined.state.commitments) == 2, "nothing is undone"
    for borrower in ("borrower/a", "borrower/b"):
        (refused,) = joined.when(reserve("three", 1, borrower)).events
        assert isinstance(refused, HeadroomRefused) and "group/mining" in refused.detail
    left = joined.given(connect("borrower/a", "borrower/c"))
    assert used(left, "group/mining") == 400
    gone = left.given(connect())
    assert (used(gone, "group/mining"), gone.state.groups, gone.state.joined) == (0, story.state.groups, story.state.joined)


def test_the_limit_of_a_group_may_stand_under_another_which_follows_it():
    above = (
        *LIMITS,
        Limit(key="sector/mines", parent="total", limit_minor=700),
        Limit(key="group/x", parent="sector/mines", limit_minor=700),
    )
    story = grouped(connect("borrower/a", "borrower/b", group="x"), reserve("one", 400, "borrower/a"), limits=above)
    assert used(story, "sector/mines") == 400
    assert used(story.given(connect(group="x")), "sector/mines") == 0, "what was charged for the group alone is charged no longer"


def test_a_guarantor_is_charged_beside_the_borrower_with_what_it_guarantees():
    story = grouped(guaranteed("one", 400, "borrower/b", by=(("borrower/a", 150),)))
    assert [used(story, key) for key in ("borrower/a", "borrower/b", "total")] == [150, 400, 400]
    (refused,) = story.when(reserve("two", 351, "borrower/a")).events
    assert isinstance(refused, HeadroomRefused) and "borrower/a" in refused.detail
    less = story.given(ReleaseHeadroom(commitment=CommitmentId("one"), amount=300))
    assert [used(less, key) for key in ("borrower/a", "borrower/b")] == [100, 100], "no more than there is"
    assert used(less.given(ReleaseHeadroom(commitment=CommitmentId("one"), amount=None)), "borrower/a") == 0


def test_under_a_group_of_guarantors_a_loan_counts_with_their_sum_and_never_with_more_than_all_of_it():
    story = grouped(
        connect("borrower/a", "borrower/g"), guaranteed("one", 400, "borrower/b", by=(("borrower/a", 150), ("borrower/g", 300)))
    )
    assert used(story, "group/mining") == 400
    with_borrower = story.given(connect("borrower/a", "borrower/b"))
    assert used(with_borrower, "group/mining") == 400


def test_a_guarantee_in_another_currency_is_revalued_with_its_loan():
    story = grouped(rate("1.5"), guaranteed("one", 100, "borrower/b", by=(("borrower/a", 50),), asset="USD"), rate("2"))
    assert [used(story, key) for key in ("borrower/a", "borrower/b")] == [100, 200]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        (("borrower/a",), Reason.GROUP_INVALID),
        (("borrower/a", "borrower/a"), Reason.GROUP_INVALID),
        (tuple(f"borrower/{n}" for n in range(MAX_MEMBERS + 1)), Reason.GROUP_INVALID),
        (("borrower/b", "borrower/a"), Reason.GROUP_UNCHANGED),
    ],
)
def test_a_group_connects_several_each_once(members: tuple[str, ...], code: Reason):
    grouped(connect("borrower/a", "borrower/b")).when(connect(*members)).refused(code, "/members")
    Given(DECIDER).when(connect(*members)).refused(Reason.NOT_FOUND)


def test_nobody_sets_one_alone():
    story = Given(countersigned(DECIDER, CONTROLS, EVENTS))
    story.when(connect("borrower/a", "borrower/b")).refused(str(ControlReason.NEEDED))


def test_who_is_connected_with_whom():
    story = grouped(connect("borrower/a", "borrower/b"), connect("borrower/b", "partner/JP", group="other"))
    assert connected_with(story.state, ["borrower/a"]) == ("borrower/b",)
    assert connected_with(story.state, ["borrower/b"]) == ("borrower/a", "partner/JP")
    assert connected_with(story.state, ["borrower/c"]) == ()


PARTIES = ["borrower/a", "borrower/b", "project/c", "partner/JP"]
MEMBERS = st.lists(st.sampled_from(PARTIES), unique=True, max_size=4).filter(lambda members: len(members) != 1)
LIMIT_SETS = st.sampled_from([LIMITS, GROUPED, (*GROUPED, Limit(key="group/other", parent="group/mining", limit_minor=300))])
NAMES = st.integers(0, 6).map(lambda n: f"c{n}")
STEPS = st.one_of(
    st.builds(
        lambda name, amount, keys, by, asset: guaranteed(name, amount, *keys, by=tuple(by.items()), asset=asset),
        NAMES,
        st.integers(1, 300),
        st.lists(st.sampled_from(PARTIES), min_size=1, max_size=3, unique=True),
        st.dictionaries(st.sampled_from([*PARTIES, "borrower/g"]), st.integers(1, 300), max_size=2),
        st.sampled_from(["AUD", "USD"]),
    ),
    st.builds(lambda name, amount: ReleaseHeadroom(commitment=CommitmentId(name), amount=amount), NAMES, st.none() | st.integers(1, 300)),
    st.builds(lambda members, group: connect(*members, group=group), MEMBERS, st.sampled_from(["mining", "other"])),
    st.builds(lambda limits: SetLimits(limits=limits, authority="Act", reason="x"), LIMIT_SETS),
    st.builds(rate, st.sampled_from(["1.1", "1.5", "2"])),
)


def _worth(facility: Facility, asset: str, amount: int) -> int:

    return amount if asset == "AUD" else ceil(amount * Fraction(facility.rates[asset]))


def _once(facility: Facility, group: str) -> int:
    """The sum over the commitments of members, each once, written down anew: no tree is above a party here."""
    total = 0
    nested = {"mining": ["mining", "other"]} if facility.limits.get("group/other", LIMITS[0]).parent == "group/mining" else {}
    members = {party for name in nested.get(group, [group]) for party in facility.groups.get(name, ())}
    for each in facility.commitments.values():
        if members & {*each.keys}:
            total += each.value_minor
        else:
            ways = [_worth(facility, each.asset, min(part.amount, each.amount)) for part in each.guaranteed if part.key in members]
            total += min(each.value_minor, sum(ways))
    return total


@given(st.lists(STEPS, max_size=30))
def test_used_under_a_group_is_the_sum_over_the_distinct_commitments_of_its_members_whatever_comes_first(steps: list[Any]):
    story = opened(rate("1.5"))
    for step in steps:
        later = story.when(step)
        if isinstance(later.answer, list | tuple):
            story = later
        for group in ("mining", "other"):
            assert used(story, f"group/{group}") == _once(story.state, group), (step, TODAY)
        assert used(story, "total") == sum(each.value_minor for each in story.state.commitments.values())
        counted = Counter({key: minor for key, minor in story.state.used_minor.items() if minor})
        assert all(minor > 0 for minor in counted.values())
