"""Approvers' keys: enrolled, and revoked for ever."""

from services.allocation.domain.authority.approver import DECIDER, EnrolKey, Reason, RevokeKey
from services.allocation.events import ApproverKeyEnrolled, ApproverKeyRevoked, KeyId, ProductId, SubjectId
from tests.stories.given import Given

SUBJECT, KEY = SubjectId("sub_1"), KeyId("0123456789abcdef")
ENROL = EnrolKey(subject=SUBJECT, key=KEY, public_key="ab" * 32)
REVOKE = RevokeKey(subject=SUBJECT, key=KEY, products=(ProductId("antimony-metal"),), reason="lost")


def test_an_approver_may_have_several_keys():
    Given(DECIDER).when(ENROL).then(ApproverKeyEnrolled(subject=SUBJECT, key=KEY, public_key="ab" * 32))
    second = EnrolKey(subject=SUBJECT, key=KeyId("f" * 16), public_key="cd" * 32)
    assert set(Given(DECIDER, ENROL, second).state.keys) == {KEY, "f" * 16}


def test_a_revoked_key_names_the_books_that_hold_its_approvals():
    Given(DECIDER, ENROL).when(REVOKE).then(
        ApproverKeyRevoked(subject=SUBJECT, key=KEY, products=(ProductId("antimony-metal"),), reason="lost")
    )


def test_a_revoked_key_is_never_enrolled_or_revoked_again():
    approver = Given(DECIDER, ENROL, REVOKE)
    assert approver.state.keys[KEY].revoked
    approver.when(ENROL).refused(Reason.ALREADY_ENROLLED)
    approver.when(REVOKE).refused(Reason.ALREADY_REVOKED)


def test_an_unknown_key_is_not_revoked():
    Given(DECIDER).when(REVOKE).refused(Reason.NOT_FOUND)
