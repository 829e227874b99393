"""Facility: headroom under limits that are a tree."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loans.domain.facility.headroom import DECIDER, OpenFacility, Reason, ReleaseHeadroom, SetLimits
from services.loans.events.facility import CommitmentId, HeadroomRefused, HeadroomReserved, Limit, RateRecorded
from tests.stories.facility import CMF, LIMITS, opened, rate, reserve
from tests.stories.given import Given


def test_a_commitment_is_charged_to_its_keys_and_all_above_them_once():
    facility = opened(reserve("a", 300, "project/hillgrove", "instrument/loan", "element/Sb"))
    assert dict(facility.state.used_minor) == {"total": 300, "instrument/loan": 300, "project/hillgrove": 300, "element/Sb": 300}


def test_no_limit_is_exceeded_wherever_it_stands():
    facility = opened(reserve("a", 500, "project/hillgrove"))
    for amount, key in ((1, "project/hillgrove"), (301, "instrument/loan"), (501, "element/Ga")):
        (event,) = facility.when(reserve("b", amount, key)).events
        assert isinstance(event, HeadroomRefused), key
        assert event.reason == Reason.LIMIT_EXCEEDED
    (event,) = facility.when(reserve("b", 300, "instrument/loan")).events
    assert isinstance(event, HeadroomReserved)


def test_who_comes_near_a_limit_is_warned_before_it_is_reached():
    (event,) = opened().when(reserve("a", 599, "instrument/loan")).events
    assert event.warned == ()
    (event,) = opened().when(reserve("a", 600, "instrument/loan")).events
    assert event.warned == ("instrument/loan",)


def test_a_commitment_has_its_headroom_once():
    (event,) = opened(reserve("a", 1, "total")).when(reserve("a", 1, "total")).events
    assert isinstance(event, HeadroomRefused)
    assert event.reason == Reason.COMMITTED_ALREADY


def test_what_comes_back_is_headroom_again_and_never_more_than_was_there():
    facility = opened(reserve("a", 500, "project/hillgrove"), ReleaseHeadroom(commitment=CommitmentId("a"), amount=200))
    assert facility.state.used_minor["total"] == 300
    facility = facility.given(ReleaseHeadroom(commitment=CommitmentId("a"), amount=900))
    assert (facility.state.used_minor["total"], facility.state.used_minor["project/hillgrove"], len(facility.state.commitments)) == (
        0,
        0,
        0,
    )
    facility.when(ReleaseHeadroom(commitment=CommitmentId("a"), amount=None)).then()


def test_another_currency_needs_a_rate_and_is_valued_anew_with_each():
    (event,) = opened().when(reserve("a", 100, "instrument/loan", asset="USD")).events
    assert (type(event), event.reason) == (HeadroomRefused, Reason.RATE_MISSING)
    facility = opened(rate("1.505"), reserve("a", 101, "instrument/loan", asset="USD"))
    assert facility.state.used_minor["total"] == 153  # 152.005, rounded up
    risen = facility.given(rate("3"), rate("6"))
    (recorded,) = risen.when(rate("8")).events
    assert isinstance(recorded, RateRecorded)
    assert (recorded.before_minor, recorded.after_minor, recorded.over) == (606, 808, ("instrument/loan",))
    assert risen.given(rate("8")).state.used_minor["instrument/loan"] == 808


@pytest.mark.parametrize("value", ["0", "-1.5", "abc", "1/0", ""])
def test_a_rate_is_above_zero(value: str):
    opened().when(rate(value)).refused(Reason.RATE_INVALID, "/rate")


def test_a_rate_is_not_of_tomorrow_nor_of_the_facility_s_own_currency():
    for command, code in ((rate("2", quoted_on=date(2026, 1, 7)), Reason.DATE_IN_FUTURE), (rate("2", asset="AUD"), Reason.RATE_OWN)):
        opened().when(command).refused(code)


@pytest.mark.parametrize(
    "limits",
    [
        (),
        (Limit(key="a", parent="b", limit_minor=1), Limit(key="b", parent="a", limit_minor=1)),
        (*LIMITS, Limit(key="x", parent="y", limit_minor=1), Limit(key="y", parent="x", limit_minor=1)),
        (Limit(key="total", parent=None, limit_minor=1), Limit(key="other", parent=None, limit_minor=1)),
        (*LIMITS, LIMITS[1]),
        (*LIMITS, Limit(key="x", parent="nowhere", limit_minor=1)),
        (Limit(key="total", parent=None, limit_minor=1, warn_at="11/10"),),
    ],
)
def test_limits_that_are_no_tree_are_refused(limits: tuple[Limit, ...]):
    command = OpenFacility(facility=CMF, currency="AUD", limits=limits, authority="Act")
    Given(DECIDER).when(command).refused(Reason.LIMITS_INVALID)


def test_other_limits_charge_what_is_committed_to_the_keys_above_them():
    facility = opened(reserve("a", 300, "element/Sb"))
    moved = (*LIMITS, Limit(key="element/Sb", parent="instrument/loan", limit_minor=200))
    facility = facility.given(SetLimits(limits=moved, authority="Act", reason="concentration"))
    assert facility.state.used_minor["instrument/loan"] == 300
    (event,) = facility.when(reserve("b", 1, "element/Sb")).events
    assert isinstance(event, HeadroomRefused)


KEYS = st.lists(st.sampled_from(["total", "instrument/loan", "project/hillgrove", "element/Sb", "element/Ga"]), min_size=1, max_size=3)
STEPS = st.one_of(
    st.builds(
        lambda n, amount, keys, asset: reserve(f"c{n}", amount, *keys, asset=asset),
        st.integers(0, 9),
        st.integers(1, 400),
        KEYS,
        st.sampled_from(["AUD", "USD"]),
    ),
    st.builds(
        lambda n, amount: ReleaseHeadroom(commitment=CommitmentId(f"c{n}"), amount=amount),
        st.integers(0, 9),
        st.none() | st.integers(1, 400),
    ),
    st.builds(rate, st.sampled_from(["1.1", "1.5", "2"])),
)


@given(st.lists(STEPS, max_size=40))
def test_used_is_the_sum_of_commitments_and_no_reservation_ever_exceeds_a_limit(steps: list[Any]):
    facility = opened()
    for step in steps:
        for event in facility.when(step).events:
            facility = facility.given(event)
            for key, used in facility.state.used_minor.items():
                assert used == sum(each.value_minor for each in facility.state.commitments.values() if key in each.keys)
                if isinstance(event, HeadroomReserved) and key in event.keys and key in facility.state.limits:
                    assert used <= facility.state.limits[key].limit_minor
            for each in facility.state.commitments.values():
                worth = each.amount * (1 if each.asset == "AUD" else Fraction(facility.state.rates["USD"]))
                assert 0 <= each.value_minor - worth < 1


def test_a_rate_of_an_earlier_day_does_not_come_after_a_later_one():
    facility = opened(rate("1.5"))
    facility.when(rate("1.2", quoted_on=date(2026, 1, 5))).refused(Reason.RATE_OUTDATED)
    assert opened(rate("1.5"), rate("1.6")).state.rates["USD"] == "1.6", "one of the same day puts it right"
