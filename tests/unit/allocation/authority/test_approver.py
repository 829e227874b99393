"""Approvers' keys: enrolled, and revoked for ever."""

from services.allocation.domain.authority.approver import Approver, Command, EnrolKey, Reason, RevokeKey, decide, evolve
from services.allocation.events import ApproverKeyEnrolled, ApproverKeyRevoked, KeyId, ProductId, SubjectId
from shared.journal.decider import Refused

SUBJECT, KEY = SubjectId("sub_1"), KeyId("0123456789abcdef")
ENROL = EnrolKey(subject=SUBJECT, key=KEY, public_key="ab" * 32)
REVOKE = RevokeKey(subject=SUBJECT, key=KEY, products=(ProductId("antimony-metal"),), reason="lost")


def given(*commands: Command) -> Approver:
    approver = Approver()
    for command in commands:
        decided = decide(command, approver)
        assert not isinstance(decided, Refused), decided
        for event in decided:
            approver = evolve(approver, event)
    return approver


def refusal(command: Command, approver: Approver) -> Reason:
    decided = decide(command, approver)
    assert isinstance(decided, Refused), decided
    return decided.code


def test_an_approver_may_have_several_keys():
    assert decide(ENROL, Approver()) == [ApproverKeyEnrolled(subject=SUBJECT, key=KEY, public_key="ab" * 32)]
    second = EnrolKey(subject=SUBJECT, key=KeyId("f" * 16), public_key="cd" * 32)
    assert set(given(ENROL, second).keys) == {KEY, "f" * 16}


def test_a_revoked_key_names_the_books_that_hold_its_approvals():
    assert decide(REVOKE, given(ENROL)) == [
        ApproverKeyRevoked(subject=SUBJECT, key=KEY, products=(ProductId("antimony-metal"),), reason="lost")
    ]


def test_a_revoked_key_is_never_enrolled_or_revoked_again():
    approver = given(ENROL, REVOKE)
    assert approver.keys[KEY].revoked
    assert refusal(ENROL, approver) == Reason.ALREADY_ENROLLED
    assert refusal(REVOKE, approver) == Reason.ALREADY_REVOKED


def test_an_unknown_key_is_not_revoked():
    assert refusal(REVOKE, Approver()) == Reason.NOT_FOUND
