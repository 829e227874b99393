"""Approvers' keys: enrolled by who has them and another approver beside the administrator, and revoked for ever."""

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.authority.approver import DECIDER, Reason, RevokeKey
from services.allocation.domain.authority.endorsement import Endorsing
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.events import ApproverKeyEnrolled, ApproverKeyRevoked, ProductId, SubjectId
from services.allocation.events.papers import paper_of as paper_of_event
from shared.journal.record import name_of
from shared.terms.acting import ApprovalReason
from shared.terms.approval import approve
from tests.stories.barring import barring
from tests.stories.endorsing import ADMIN, ENDORSER, UNENDORSED, endorsing, enrolment, paper_of
from tests.stories.given import Given
from tests.stories.log import ORIGIN

SUBJECT = SubjectId("sub_1")
OWN, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2))
PAPER = paper_of(SUBJECT, OWN)
ENROL = enrolment(SUBJECT, OWN)
REVOKE = RevokeKey(subject=SUBJECT, key=PAPER.key, products=(ProductId("antimony-metal"),), reason="lost", barring=barring(SUBJECT))


def test_in_the_ceremony_a_key_is_enrolled_by_its_own_signature_alone():
    [event] = Given(DECIDER).when(ENROL).events
    assert isinstance(event, ApproverKeyEnrolled)
    assert paper_of_event(event) == PAPER
    assert event.possession is not None
    assert (event.possession.subject, event.possession.origin, event.endorsement) == (SUBJECT, ORIGIN, None)


def test_an_approver_may_have_several_keys():
    assert set(Given(DECIDER, ENROL, enrolment(SUBJECT, OTHER)).state.keys) == {PAPER.key, paper_of(SUBJECT, OTHER).key}


@pytest.mark.parametrize(
    "possession",
    [
        None,
        approve(name_of(PAPER), OTHER, approver=SUBJECT, purpose="enrolment", origin=ORIGIN),
        approve(name_of(paper_of(SUBJECT, OTHER)), OWN, approver=SUBJECT, purpose="enrolment", origin=ORIGIN),
        approve(name_of(PAPER), OWN, approver="sub_2", purpose="enrolment", origin=ORIGIN),
        approve(name_of(PAPER), OWN, approver=SUBJECT, purpose="decision", origin=ORIGIN),
        msgspec.structs.replace(ENROL.possession, origin="reserve/ledger/a-drill"),
    ],
)
def test_a_key_that_did_not_sign_its_enrolment_is_not_enrolled(possession: Any):
    Given(DECIDER).when(msgspec.structs.replace(ENROL, possession=possession)).refused(Reason.UNPROVEN, "/possession")


def test_after_the_ceremony_another_approver_signs_each_enrolment():
    Given(DECIDER).when(enrolment(SUBJECT, OWN, UNENDORSED)).refused(EndorsementReason.MISSING, "/endorsement")
    [event] = Given(DECIDER).when(enrolment(SUBJECT, OWN, endorsing(PAPER))).events
    assert isinstance(event, ApproverKeyEnrolled)
    assert event.endorsement is not None
    assert event.endorsement.subject == ENDORSER


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (endorsing(PAPER, by=SUBJECT), EndorsementReason.BY_PARTY),
        (endorsing(PAPER, by=ADMIN), EndorsementReason.BY_PARTY),
        (endorsing(PAPER, others=frozenset({SUBJECT})), EndorsementReason.BY_PARTY),
        (endorsing(PAPER, others=frozenset({ADMIN})), EndorsementReason.BY_PARTY),
        (endorsing(paper_of(SUBJECT, OTHER)), ApprovalReason.ANOTHER_DOCUMENT),
        (endorsing(PAPER, purpose="decision"), ApprovalReason.ANOTHER_DOCUMENT),
        (endorsing(PAPER, key="revoked"), ApprovalReason.KEY_REVOKED),
        (endorsing(PAPER, key="unknown"), ApprovalReason.KEY_NOT_FOUND),
        (endorsing(PAPER, signature_valid=False), ApprovalReason.SIGNATURE_INVALID),
    ],
)
def test_who_is_a_party_to_it_or_signed_something_else_endorses_nothing(given: Endorsing, reason: Any):
    Given(DECIDER).when(enrolment(SUBJECT, OWN, given)).refused(reason)


def test_a_revoked_key_names_the_books_that_hold_its_approvals():
    Given(DECIDER, ENROL).when(REVOKE).then(
        ApproverKeyRevoked(subject=SUBJECT, key=PAPER.key, products=(ProductId("antimony-metal"),), reason="lost", revoked_by=SUBJECT)
    )


def test_a_revoked_key_is_never_enrolled_or_revoked_again():
    approver = Given(DECIDER, ENROL, REVOKE)
    assert approver.state.keys[PAPER.key].revoked
    approver.when(ENROL).refused(Reason.ALREADY_ENROLLED)
    approver.when(REVOKE).refused(Reason.ALREADY_REVOKED)


def test_an_unknown_key_is_not_revoked():
    Given(DECIDER).when(REVOKE).refused(Reason.NOT_FOUND)
