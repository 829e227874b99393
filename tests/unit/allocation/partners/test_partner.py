"""Partners are registered once, and register keys of their own: one that an agreement names, or that an earlier one signs for."""

from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.allocation.domain.partners.partner import DECIDER, Reason, RegisterPartner, RegisterPartnerKey, RevokePartnerKey
from services.allocation.events import AgreementId, KeyId, PartnerCode, PartnerRegistered, SubjectId
from services.allocation.events.papers import PartnerKeyPaper, key_paper_of
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.record import name_of
from shared.terms.approval import SignedApproval, approve, key_id, public_key_hex
from tests.stories.given import Given
from tests.stories.log import ORIGIN

REGISTER = RegisterPartner(partner=PartnerCode("JP"), name="Japan")
REGISTERED = PartnerRegistered(partner=PartnerCode("JP"), name="Japan")


def test_a_partner_is_registered():
    Given(DECIDER).when(REGISTER).then(REGISTERED)


def test_a_partner_is_registered_once():
    Given(DECIDER, REGISTERED).when(REGISTER).refused(Reason.ALREADY_REGISTERED)


# Keys

FIRST, SECOND, THIRD = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2, 3))
AGREEMENT = AgreementId("agr_1")


def paper(key: Ed25519PrivateKey, partner: str = "JP") -> PartnerKeyPaper:
    public_key = public_key_hex(key)
    return PartnerKeyPaper(partner=PartnerCode(partner), key=KeyId(key_id(public_key)), public_key=public_key)


def signed(of: PartnerKeyPaper, by: Ed25519PrivateKey, **said: Any) -> SignedApproval:
    return approve(name_of(of), by, **({"approver": "JP", "purpose": "partner_key", "origin": ORIGIN} | said))


def register(key: Ed25519PrivateKey, **changes: Any) -> RegisterPartnerKey:
    """As an agreement names it, unless it is changed."""
    told: dict[str, Any] = {"paper": paper(key), "possession": signed(paper(key), key), "endorsement": None, "agreement": AGREEMENT}
    return RegisterPartnerKey(**(told | {"on": date(2026, 1, 6)} | changes))


def revoke(key: Ed25519PrivateKey) -> RevokePartnerKey:
    return RevokePartnerKey(key=paper(key).key, reason="lost", by=SubjectId("sub_jp"))


def test_the_key_that_an_agreement_names_is_registered_by_its_own_signature():
    [event] = Given(DECIDER, REGISTERED).when(register(FIRST)).events
    assert isinstance(event, PartnerKeyRegistered)
    assert (event.key, event.agreement, event.endorsement) == (paper(FIRST).key, AGREEMENT, None)
    assert key_paper_of(event) == paper(FIRST)


def test_a_key_that_no_agreement_names_needs_the_signature_of_one_that_was_registered_before():
    Given(DECIDER, REGISTERED).when(register(FIRST, agreement=None)).refused(Reason.KEY_NOT_AGREED, "/public_key")
    vouched = register(SECOND, agreement=None, endorsement=signed(paper(SECOND), FIRST))
    [event] = Given(DECIDER, REGISTERED, register(FIRST)).when(vouched).events
    assert isinstance(event, PartnerKeyRegistered)
    assert event.endorsement is not None
    assert (event.endorsement.key, event.agreement) == (paper(FIRST).key, None)


@pytest.mark.parametrize(
    "possession",
    [
        None,
        signed(paper(FIRST), SECOND),
        signed(paper(SECOND), FIRST),
        signed(paper(FIRST), FIRST, approver="AU"),
        signed(paper(FIRST), FIRST, purpose="enrolment"),
        signed(paper(FIRST), FIRST, authority="ins_1"),
    ],
)
def test_a_key_that_did_not_sign_its_registration_is_not_registered(possession: Any):
    Given(DECIDER, REGISTERED).when(register(FIRST, possession=possession)).refused(Reason.KEY_UNPROVEN, "/possession")


@pytest.mark.parametrize(
    "endorsement",
    [
        signed(paper(SECOND), SECOND),
        signed(paper(SECOND), THIRD),
        signed(paper(THIRD), FIRST),
        signed(paper(SECOND), FIRST, approver="AU"),
        signed(paper(SECOND), FIRST, purpose="enrolment"),
    ],
)
def test_only_a_key_of_the_partner_s_vouches_for_this_very_key(endorsement: Any):
    begun = Given(DECIDER, REGISTERED, register(FIRST))
    begun.when(register(SECOND, endorsement=endorsement)).refused(Reason.KEY_NOT_AGREED, "/endorsement")


def test_a_revoked_key_vouches_for_none_and_never_comes_back():
    begun = Given(DECIDER, REGISTERED, register(FIRST))
    begun.when(revoke(FIRST)).then(
        PartnerKeyRevoked(partner=PartnerCode("JP"), key=paper(FIRST).key, reason="lost", revoked_by=SubjectId("sub_jp"))
    )
    begun = Given(DECIDER, REGISTERED, register(FIRST), revoke(FIRST))
    begun.when(register(FIRST)).refused(Reason.KEY_ALREADY_REGISTERED, "/public_key")
    begun.when(register(SECOND, endorsement=signed(paper(SECOND), FIRST))).refused(Reason.KEY_NOT_AGREED, "/endorsement")
    begun.when(revoke(FIRST)).refused(Reason.KEY_ALREADY_REVOKED)
    begun.when(revoke(SECOND)).refused(Reason.KEY_NOT_FOUND, "path:key")
    assert [event.key for event in begun.when(register(SECOND)).events] == [paper(SECOND).key]  # by an amendment that names it


def test_nobody_who_is_no_partner_has_a_key():
    Given(DECIDER).when(register(FIRST)).refused(Reason.NOT_FOUND)
