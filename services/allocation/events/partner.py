"""Who is a partner, and the keys that are its own."""

import msgspec

from services.allocation.events.ids import AgreementId, KeyId, PartnerCode, SubjectId
from shared.journal.texts import TypedText
from shared.terms.acting import Approval


class PartnerRegistered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.partner_registered.v1"):
    partner: PartnerCode
    name: str


class PartnerKeyRegistered(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allocation.partner_key_registered.v1"
):
    """From here on its draws, requests and objections carry the signature of a key of its own, and nobody draws in its name."""

    partner: PartnerCode
    key: KeyId
    public_key: str  # Ed25519, 64 hex digits
    possession: Approval  # the key's own signature over its paper
    agreement: AgreementId | None = None  # that names its fingerprint; None: another key of the partner has signed for it
    endorsement: Approval | None = None  # that key's signature


class PartnerKeyRevoked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="allocation.partner_key_revoked.v1"):
    """By its partner, for good. A partner without a key left draws nothing until it has another."""

    partner: PartnerCode
    key: KeyId
    reason: TypedText
    revoked_by: SubjectId


PartnerEvent = PartnerRegistered | PartnerKeyRegistered | PartnerKeyRevoked
