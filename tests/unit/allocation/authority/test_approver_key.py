"""A key is one person's own, for ever."""

from services.allocation.domain.authority.approver_key import Claim, ClaimKey, Reason, decide, evolve
from services.allocation.events import ApproverKeyClaimed, KeyId, SubjectId
from shared.journal.decider import Refused

KEY, FIRST, SECOND = KeyId("0123456789abcdef"), SubjectId("sub_1"), SubjectId("sub_2")


def test_whoever_claims_a_key_first_has_it():
    event = ApproverKeyClaimed(subject=FIRST, key=KEY)
    assert decide(ClaimKey(subject=FIRST, key=KEY), Claim()) == [event]
    claim = evolve(Claim(), event)
    assert decide(ClaimKey(subject=FIRST, key=KEY), claim) == []
    refused = decide(ClaimKey(subject=SECOND, key=KEY), claim)
    assert isinstance(refused, Refused)
    assert refused.code == Reason.ANOTHERS
