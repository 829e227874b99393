"""Signing: whether an approver's signature is over what was proposed."""

from enum import StrEnum
from typing import Literal

from shared.approval import Approval
from shared.decider import Refused

type KeyStatus = Literal["enrolled", "revoked", "unknown"]


class SigningReason(StrEnum):
    """Why an approval does not count. The codes are those of a book."""

    OTHER_DECISION = "approval_of_another_decision"
    APPROVER_DIFFERS = "approval_of_another_approver"
    KEY_NOT_FOUND = "approver_key_not_found"
    KEY_REVOKED = "approver_key_revoked"
    SIGNATURE_INVALID = "approval_signature_invalid"
    BY_PROPOSER = "approval_by_proposer"


def fault_of_signing(
    signed: Approval, *, by: str, key: KeyStatus, signature_valid: bool, purpose: str, document: str, proposed_by: str
) -> Refused[SigningReason] | None:
    """Why it does not approve this document; None: it does. `key`, `signature_valid`: what the approver's own stream says of the key."""
    if signed.purpose != purpose or signed.document != document:
        return Refused(
            SigningReason.OTHER_DECISION,
            f"the {signed.purpose} {signed.document} is not what is proposed",
            accepted=f"{purpose} {document}",
        )
    if signed.approver != by:
        return Refused(SigningReason.APPROVER_DIFFERS, "the approval is not the caller's own", "/approver")
    if key == "unknown":
        return Refused(SigningReason.KEY_NOT_FOUND, f"{by} has no key {signed.key_id}", "/key_id", "a key that is enrolled")
    if key == "revoked":
        return Refused(SigningReason.KEY_REVOKED, f"key {signed.key_id} is revoked", "/key_id", "a key that is enrolled")
    if not signature_valid:
        return Refused(SigningReason.SIGNATURE_INVALID, f"key {signed.key_id} did not sign this", "/signature")
    if by == proposed_by:
        return Refused(SigningReason.BY_PROPOSER, "who proposed a decision does not approve it", accepted="another approver")
    return None
