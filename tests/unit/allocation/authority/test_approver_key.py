"""A key is one person's own, for ever."""

from services.allocation.domain.authority.approver_key import DECIDER, ClaimKey, Reason
from services.allocation.events import ApproverKeyClaimed, KeyId, SubjectId
from tests.stories.given import Given

KEY, FIRST, SECOND = KeyId("0123456789abcdef"), SubjectId("sub_1"), SubjectId("sub_2")


def test_whoever_claims_a_key_first_has_it():
    claimed = Given(DECIDER).when(ClaimKey(subject=FIRST, key=KEY)).then(ApproverKeyClaimed(subject=FIRST, key=KEY))
    claimed.when(ClaimKey(subject=FIRST, key=KEY)).then()
    claimed.when(ClaimKey(subject=SECOND, key=KEY)).refused(Reason.ANOTHERS)
