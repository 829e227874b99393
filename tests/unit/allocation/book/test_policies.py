"""A book and the policy that its rounds are held under."""

from typing import Any

import pytest

from services.allocation.domain.book.lapses import LapseApprovals, PolicyChanged
from services.allocation.domain.book.state import Reason
from services.allocation.events import ApprovalsLapsed, EmergencyPath, IepPosition, PartnerCode, RoundMethod, RoundOpened
from tests.stories.book import JP, UNIT_G, US, Story, a_book, a_proposal, a_round, accept, open_round, submit, surroundings


def one_request(minimum: int = 0) -> Story:
    return a_book(submit("jp", JP, 10, minimum_g=minimum * UNIT_G), accept("jp", 10))


def test_a_round_keeps_what_its_policy_says_of_the_product():
    story = one_request()
    [opened] = story.when(open_round("jp", protected_g=3 * UNIT_G, carry_years=2)).events
    assert isinstance(opened, RoundOpened)
    assert (opened.protected_g, opened.carry_years) == (3 * UNIT_G, 2)


@pytest.mark.parametrize(("minimum", "largest", "fits"), [(5, "1/2", True), (6, "1/2", False), (10, "1", True)])
def test_a_request_that_insists_on_more_than_the_policy_allows_enters_no_round(minimum: int, largest: str, fits: bool):
    story = one_request(minimum)
    opening = open_round("jp", largest_minimum=largest)
    if fits:
        story = story.given(opening)
    else:
        refused = story.when(opening).refused(Reason.MINIMUM_BEYOND_POLICY)
        assert refused.field == "/requests/0"


def test_a_minimum_that_the_policy_admits_no_more_once_less_was_accepted_is_not_decided_on():
    story = one_request(5).given(open_round("jp", largest_minimum="1/2"))
    by_policy = surroundings(largest_minimum="1/2")
    story = story.when(story.propose(around=by_policy))
    assert story.events
    story = story.given(accept("jp", 9))
    story.when(story.propose(around=by_policy)).refused(Reason.MINIMUM_BEYOND_POLICY)
    assert story.when(story.propose()).events


def test_a_rule_that_goes_by_positions_has_one_of_each_partner():
    story = one_request()
    opening: dict[str, Any] = {"method": RoundMethod(rule="iep", restraint="93/100")}
    story.when(open_round("jp", **opening)).refused(Reason.POSITION_MISSING)


def position(partner: PartnerCode, base_g: int, commitment_g: int, imports_g: int) -> IepPosition:
    return IepPosition(
        partner=partner, base_g=base_g, commitment_g=commitment_g, production_g=0, imports_g=imports_g, source="a monthly return"
    )


def test_a_group_that_is_short_of_more_than_all_have_undertaken_is_told_which_restraint_would_do():
    """Each would have to draw down ten times what it holds, and whoever holds most would have a right to least."""
    story = a_book(submit("jp"), accept("jp"), submit("us", US), accept("us"))
    positions = (position(JP, 100, 9, 0), position(US, 100, 3, 100))
    opening: dict[str, Any] = {"method": RoundMethod(rule="iep", restraint="9/10"), "positions": positions}
    refused = story.when(open_round("jp", "us", **opening)).refused(Reason.SHORTFALL_BEYOND, "/positions")
    assert refused.accepted == "a policy whose restraint is at most 14/25, or other positions"
    assert story.when(open_round("jp", "us", **opening | {"method": RoundMethod(rule="iep", restraint="14/25")})).events


def test_another_active_version_voids_what_was_decided_under_the_old_one():
    story = a_proposal(10)
    story.when(LapseApprovals(cause=PolicyChanged(policy="standing", version=1))).then()
    story.when(LapseApprovals(cause=PolicyChanged(policy="another", version=2))).then()
    [lapsed] = story.when(LapseApprovals(cause=PolicyChanged(policy="standing", version=2))).events
    assert isinstance(lapsed, ApprovalsLapsed)
    assert (lapsed.cause, lapsed.decision_stands) == ("policy standing", False)


def test_a_withdrawn_policy_voids_it_too():
    story = a_proposal(10)
    assert len(story.when(LapseApprovals(cause=PolicyChanged(policy="standing", version=None))).events) == 1


def test_nothing_is_proposed_or_certified_under_a_version_that_is_not_active_any_more():
    gone = surroundings(policy_stands=False)
    story = a_round(10)
    story.when(story.propose(around=gone)).refused(Reason.POLICY_CHANGED)
    story = a_proposal(10)
    story = story.given(story.approve())
    story.when(story.certify(around=gone)).refused(Reason.POLICY_CHANGED)


def test_an_emergency_releases_no_more_than_its_policy_allows():
    emergency = EmergencyPath(ratify_within_hours=72, max_g=4 * UNIT_G)
    story = a_round(10, emergency=emergency)
    story.when(story.propose(5)).refused(Reason.EMERGENCY_TOO_LARGE)
    assert story.when(story.propose(4)).events
