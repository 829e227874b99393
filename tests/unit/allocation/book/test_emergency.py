"""The emergency path: one approval certifies, and another person ratifies within the hours, or inventory is told to hold."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.allocation.domain.book.decider import timers
from services.allocation.domain.book.emergency import MissRatification
from services.allocation.domain.book.state import Reason
from services.allocation.events import (
    AuthorityCited,
    DecisionRatified,
    EmergencyDecided,
    EmergencyPath,
    QuorumStep,
    RatificationMissed,
    RoundReopened,
)
from shared.journal.decider import CancelTimer, Timer
from shared.terms.acting import ApprovalReason
from shared.terms.authority import Fault
from tests.stories.book import ANOTHER, APPROVER, NOW, OPERATOR, ROUND, Story, a_proposal, authority

RATIFY_BY = datetime(2026, 1, 8, 9, 30, tzinfo=UTC)
IN_AN_EMERGENCY: dict[str, Any] = {
    "emergency": EmergencyPath(ratify_within_hours=48),
    "quorum": (QuorumStep(above_g=0, approvals=2),),
}


def decided() -> Story:
    story = a_proposal(10, 30, supply=12, **IN_AN_EMERGENCY)
    return story.given(story.approve(), story.certify(), story.close())


def missed(story: Story) -> MissRatification:
    return MissRatification(round=ROUND, decision=story.state.emergencies[ROUND].document, ratify_by=RATIFY_BY)


def ratify(story: Story, by: Any = ANOTHER, **changes: Any) -> Any:
    """The round may have left the book."""
    return story.ratify(by, decision=story.state.emergencies[ROUND].document, **changes)


def emergency(story: Story) -> EmergencyDecided:
    """What certifying has said of it."""
    return next(event for event in story.events if isinstance(event, EmergencyDecided))


def test_one_approval_certifies_and_sets_the_hour_by_which_another_ratifies():
    story = a_proposal(10, 30, supply=12, **IN_AN_EMERGENCY)
    story = story.when(story.approve())
    _, cited = story.events
    assert isinstance(cited, AuthorityCited)
    assert cited.cited.act == "emergency_release"
    decision = story.decision()
    story = story.when(story.certify())
    told = emergency(story)
    assert (told.decision, told.approved_by, told.ratify_by) == (decision, (APPROVER,), RATIFY_BY)
    [timer] = timers(told)
    assert isinstance(timer, Timer)
    assert (timer.name, timer.at, timer.command.decision) == (f"ratify/{ROUND}", RATIFY_BY, decision)


def test_an_emergency_is_no_way_around_the_authority_for_one():
    story = a_proposal(10, supply=5, **IN_AN_EMERGENCY)
    usual = authority(APPROVER, acts=frozenset({"approve_decision"}))
    story.when(story.approve(held=(usual,))).refused(Fault.OTHER_ACT)
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)


def test_the_ordinary_path_needs_all_its_approvals_and_nobody_ratifies_it():
    story = a_proposal(10, supply=5, quorum=IN_AN_EMERGENCY["quorum"])
    story = story.given(story.approve())
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)
    story = story.given(story.approve(ANOTHER))
    story = story.when(story.certify())
    assert not any(isinstance(event, EmergencyDecided) for event in story.events)
    story.when(story.ratify(OPERATOR)).refused(Reason.NOT_TO_RATIFY)


def test_another_person_ratifies_under_an_authority_of_their_own():
    story = decided()
    story = story.when(ratify(story))
    ratified, cited = story.events
    assert isinstance(ratified, DecisionRatified)
    assert (ratified.approval.subject, ratified.late) == (ANOTHER, False)
    assert isinstance(cited, AuthorityCited)
    assert (cited.matter, cited.cited.act, cited.cited.by) == (ROUND, "ratify", ANOTHER)
    assert timers(ratified) == [CancelTimer(f"ratify/{ROUND}")]
    assert ROUND not in story.state.emergencies


def test_who_decided_or_has_no_power_or_an_interest_does_not_ratify():
    story = decided()
    for by in (APPROVER, OPERATOR):
        story.when(ratify(story, by)).refused(Reason.RATIFIED_BY_DECIDER)
    story.when(ratify(story, held=())).refused(Fault.MISSING)
    story.when(ratify(story, conflicts=frozenset({"partner/us"}))).refused(Fault.CONFLICT)
    story.when(ratify(story, signature_valid=False)).refused(ApprovalReason.SIGNATURE_INVALID)
    story.when(ratify(story, purpose="decision")).refused(ApprovalReason.ANOTHER_DOCUMENT)


def test_a_ratification_that_is_missed_is_told_once_and_may_come_late():
    story = decided()
    miss = missed(story)
    story = story.when(miss)
    [event] = story.events
    assert isinstance(event, RatificationMissed)
    assert event.ratify_by == RATIFY_BY
    story.when(miss).then()
    story = story.when(ratify(story))
    ratified, _ = story.events
    assert isinstance(ratified, DecisionRatified)
    assert ratified.late
    story.when(miss).then()


def test_a_round_that_inventory_refuses_has_nothing_to_ratify():
    story = a_proposal(10, 30, supply=12, **IN_AN_EMERGENCY)
    story = story.given(story.approve(), story.certify())
    miss = missed(story)
    story = story.when(story.reopen())
    reopened = story.events[-1]
    assert isinstance(reopened, RoundReopened)
    assert timers(reopened) == [CancelTimer(f"ratify/{ROUND}")]
    story.when(miss).then()


@pytest.mark.parametrize("hours", [1, 72])
def test_the_hours_are_the_policys(hours: int):
    story = a_proposal(10, supply=5, emergency=EmergencyPath(ratify_within_hours=hours))
    story = story.given(story.approve())
    told = emergency(story.when(story.certify()))
    assert (told.ratify_by - NOW).total_seconds() == hours * 3600
