"""Approvals: by a key of the approver's own, never the proposer's, of this decision and no other."""

import msgspec

from services.allocation.domain.book.approvals import ApproveRound
from services.allocation.domain.book.state import Reason
from services.allocation.events import RoundApproved
from shared.terms.acting import ApprovalReason
from shared.terms.approval import approve
from tests.stories.book import ANOTHER, APPROVER, KEYS, OPERATOR, ROUND, a_proposal, a_round, signing


def test_an_approver_approves_the_proposed_decision():
    story = a_proposal(10, supply=5)
    command = story.approve()
    story = story.when(command)
    event, _ = story.events
    assert isinstance(event, RoundApproved)
    assert event.decision == story.decision()
    assert (event.approval.subject, event.approval.key, event.approval.signature) == (
        APPROVER,
        command.signing.approval.key_id,
        command.signing.approval.signature,
    )


def test_the_proposers_own_approval_is_refused():
    story = a_proposal(10, supply=5)
    story.when(story.approve(by=OPERATOR)).refused(ApprovalReason.BY_PROPOSER)


def test_an_approval_of_another_decision_is_refused():
    story = a_proposal(10, supply=5)
    other = approve("ab" * 32, KEYS[APPROVER], approver=APPROVER)
    assert story.when(story.approve(approval=other)).refused(ApprovalReason.ANOTHER_DOCUMENT).accepted == story.decision()


def test_an_approval_for_another_purpose_is_refused():
    story = a_proposal(10, supply=5)
    other = approve(story.decision(), KEYS[APPROVER], approver=APPROVER, purpose="waiver")
    story.when(story.approve(approval=other)).refused(ApprovalReason.ANOTHER_DOCUMENT)


def test_an_approval_handed_in_by_somebody_else_is_refused():
    story = a_proposal(10, supply=5)
    story.when(story.approve(by=APPROVER, approval=story.approve(by=ANOTHER).signing.approval)).refused(ApprovalReason.ANOTHER_APPROVER)


def test_an_approval_by_a_revoked_key_is_refused():
    story = a_proposal(10, supply=5)
    story.when(story.approve(key="revoked")).refused(ApprovalReason.KEY_REVOKED)


def test_an_approval_by_a_key_that_was_never_enrolled_is_refused():
    story = a_proposal(10, supply=5)
    story.when(story.approve(key="unknown")).refused(ApprovalReason.KEY_NOT_FOUND)


def test_a_signature_that_the_key_did_not_make_is_refused():
    story = a_proposal(10, supply=5)
    story.when(story.approve(signature_valid=False)).refused(ApprovalReason.SIGNATURE_INVALID)


def test_a_second_approval_by_the_same_approver_is_refused():
    story = a_proposal(10, supply=5, approvals_needed=2)
    story = story.given(story.approve())
    story.when(story.approve()).refused(ApprovalReason.DUPLICATE)
    other_key = approve(story.decision(), KEYS[ANOTHER], approver=APPROVER)
    story.when(story.approve(approval=other_key)).refused(ApprovalReason.DUPLICATE)


def test_the_same_key_does_not_approve_for_two_approvers():
    story = a_proposal(10, supply=5, approvals_needed=2)
    story = story.given(story.approve())
    shared = approve(story.decision(), KEYS[APPROVER], approver=ANOTHER)
    story.when(story.approve(by=ANOTHER, approval=shared)).refused(ApprovalReason.DUPLICATE)


def test_a_round_that_needs_two_approvals_is_certified_with_two():
    story = a_proposal(10, supply=5, approvals_needed=2)
    story = story.given(story.approve())
    story.when(story.certify()).refused(Reason.APPROVALS_MISSING)
    story = story.given(story.approve(by=ANOTHER))
    story.given(story.certify())


def test_an_approval_whose_key_is_revoked_by_now_does_not_count():
    story = a_proposal(10, supply=5)
    command = story.approve()
    story = story.given(command)
    story.when(story.certify(revoked=(command.signing.approval.key_id,))).refused(Reason.APPROVALS_MISSING)


def test_a_round_that_is_not_proposed_is_not_approved():
    command = ApproveRound(round=ROUND, signing=signing(approve("ab" * 32, KEYS[APPROVER], approver=APPROVER)), companies=())
    story = a_round(10)
    story.when(command).refused(Reason.ROUND_NOT_PROPOSED)
    story.when(msgspec.structs.replace(command, round="rnd_never")).refused(Reason.ROUND_CLOSED)
