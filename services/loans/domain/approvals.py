"""Approvals: whether a second person's signature is over what was proposed, and under what authority they give it; for loans, holdings and
material loans alike. The acts are those that allocation registers instruments for."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.loans.events.authority import AuthorityCited
from shared.journal.decider import Reasons, Refused
from shared.terms.approval import Approval as SignedApproval
from shared.terms.authority import Capacity, Fault, cite, interest_in

type KeyStatus = Literal["enrolled", "revoked", "unknown"]


class ApprovalReason(Reasons):
    """Why an approval does not count."""

    ANOTHER_APPROVER = "approval_of_another_approver", 403, "The approval is another approver's"
    BY_PROPOSER = "approval_by_proposer", 403, "Nobody approves their own proposal"
    ANOTHER_DOCUMENT = "approval_of_another_document", 409, "The approval is of something else"
    KEY_NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    KEY_REVOKED = "approver_key_revoked", 409, "The key is revoked"
    SIGNATURE_INVALID = "approval_signature_invalid", 422, "The signature is not the key's"


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver sends. `key` and `signature_valid`: what the approver's keys say, looked up before."""

    approval: SignedApproval
    by: str  # the subject of the caller
    key: KeyStatus
    signature_valid: bool
    capacity: Capacity | None = None  # in which they approve; None: nobody may


def fault_of(signing: Signing, *, purpose: str, document: str, proposed_by: str) -> Refused[ApprovalReason] | None:
    """Why it does not approve this document; None: it does."""
    approval = signing.approval
    if approval.approver != signing.by:
        return Refused(ApprovalReason.ANOTHER_APPROVER, "the approval names another approver than its sender", "/approver")
    if signing.by == proposed_by:
        return Refused(ApprovalReason.BY_PROPOSER, "nobody approves what they have proposed", accepted="the approval of another person")
    if approval.purpose != purpose:
        return Refused(ApprovalReason.ANOTHER_DOCUMENT, f"it approves a {approval.purpose}", "/purpose", purpose)
    if approval.document != document:
        return Refused(ApprovalReason.ANOTHER_DOCUMENT, f"what is proposed is {document}", "/document", document)
    if signing.key == "unknown":
        return Refused(ApprovalReason.KEY_NOT_FOUND, f"{approval.key_id} is no key of this approver", "/key_id")
    if signing.key == "revoked":
        return Refused(ApprovalReason.KEY_REVOKED, f"{approval.key_id} is revoked", "/key_id")
    if not signing.signature_valid:
        return Refused(ApprovalReason.SIGNATURE_INVALID, "the signature is not the key's over this document", "/signature")
    return None


def cited_by(
    capacity: Capacity | None,
    act: str,
    matter: str,
    *,
    amount_minor: int | None = None,
    currency: str | None = None,
    companies: Sequence[str] = (),
) -> AuthorityCited | Refused[Fault]:
    """What stands behind an approval of money. `companies`: those that it is about."""
    concerns = [interest_in("company", name) for name in companies]
    cited = cite(capacity, act, amount_minor=amount_minor, currency=currency, concerns=concerns)
    return cited if isinstance(cited, Refused) else AuthorityCited(matter=matter, cited=cited)


def cited_for_material(
    capacity: Capacity | None, act: str, matter: str, *, product: str, mass_g: int, partner: str
) -> AuthorityCited | Refused[Fault]:
    """What stands behind an approval of metal."""
    concerns = (interest_in("product", product), interest_in("partner", partner))
    cited = cite(capacity, act, product=product, mass_g=mass_g, concerns=concerns)
    return cited if isinstance(cited, Refused) else AuthorityCited(matter=matter, cited=cited)
