"""Signing: whether a person's signature is over what was proposed, for decisions of rounds and tenders and versions of policies alike."""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from services.allocation.events.ids import KeyId, SubjectId
from services.allocation.events.rounds import Approval
from shared.journal.decider import Reasons, Refused
from shared.terms.approval import Approval as SignedApproval
from shared.terms.authority import Capacity

type KeyStatus = Literal["enrolled", "revoked", "unknown"]


class SigningReason(Reasons):
    """Why a signature does not count."""

    OTHER_DECISION = "approval_of_another_decision", 409, "The approval is of something else"
    APPROVER_DIFFERS = "approval_of_another_approver", 403, "The approval is another approver's"
    KEY_NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    KEY_REVOKED = "approver_key_revoked", 409, "The key is revoked"
    SIGNATURE_INVALID = "approval_signature_invalid", 422, "The signature is not the key's"
    BY_PROPOSER = "approval_by_proposer", 403, "Nobody approves their own proposal"


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What a person sends who signs. What their own stream says of the key, whether the signature is by it, and in what capacity they act,
    was looked up before."""

    approval: SignedApproval
    key: KeyStatus
    signature_valid: bool
    capacity: Capacity

    @property
    def by(self) -> SubjectId:
        return SubjectId(self.capacity.by)


def fault_of_signing(signing: Signing, *, purpose: str, document: str, proposed_by: Collection[SubjectId]) -> Refused[SigningReason] | None:
    """Why it does not approve this document; None: it does."""
    signed = signing.approval
    if signed.purpose != purpose or signed.document != document:
        return Refused(
            SigningReason.OTHER_DECISION,
            f"the {signed.purpose} {signed.document} is not what is to be signed",
            accepted=f"{purpose} {document}",
        )
    if signed.approver != signing.by:
        return Refused(SigningReason.APPROVER_DIFFERS, "the approval is not the caller's own", "/approver")
    if signing.key == "unknown":
        return Refused(SigningReason.KEY_NOT_FOUND, f"{signing.by} has no key {signed.key_id}", "/key_id", "a key that is enrolled")
    if signing.key == "revoked":
        return Refused(SigningReason.KEY_REVOKED, f"key {signed.key_id} is revoked", "/key_id", "a key that is enrolled")
    if not signing.signature_valid:
        return Refused(SigningReason.SIGNATURE_INVALID, f"key {signed.key_id} did not sign this", "/signature")
    if signing.by in proposed_by:
        return Refused(SigningReason.BY_PROPOSER, "who proposed something does not approve it", accepted="another approver")
    return None


def has_signed(signing: Signing, approvals: Iterable[Approval]) -> bool:
    """Whether the person, or the key, is among those that have approved."""
    return any(signing.by == each.subject or signing.approval.key_id == each.key for each in approvals)


def approval_of(signing: Signing) -> Approval:
    signed = signing.approval
    return Approval(subject=signing.by, key=KeyId(signed.key_id), signature=signed.signature, approved_on=signing.capacity.on)
