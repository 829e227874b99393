"""Approvals of what a round proposes: by a key of the approver's own, never the proposer's, under an authority that covers it."""

from datetime import date
from typing import Literal

import msgspec

from services.allocation.domain.book_authority import approving, barred, cited
from services.allocation.domain.book_state import Book, Reason, Round, partners_of
from services.allocation.events import Approval, AuthorityCited, BookEvent, KeyId, ProductId, RoundApproved, RoundId, SubjectId
from shared.approval import Approval as SignedApproval
from shared.authority import Chain, Exercise
from shared.decider import Refused


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What a person sends who signs, and what is known of them, as looked up: of their key and whether the signature is by it, of the
    authorities that they hold, and of their conflicts of interest."""

    approval: SignedApproval
    by: SubjectId
    key: Literal["enrolled", "revoked", "unknown"]
    signature_valid: bool
    held: tuple[Chain, ...]
    authority: str | None  # the one that they name; None: the narrowest that covers it
    conflicts: frozenset[str]  # by key
    companies: frozenset[str]  # named by the round's requests


class ApproveRound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    round: RoundId
    signing: Signing
    on: date


def approve_round(command: ApproveRound, product: ProductId, book: Book, round: Round) -> list[BookEvent] | Refused[Reason]:
    if (proposal := round.proposal) is None:
        return Refused(Reason.ROUND_NOT_PROPOSED, f"{command.round} has no decision to approve")
    signing = command.signing
    if fault := fault_of_signing(signing, purpose="decision", document=proposal.decision):
        return fault
    if signing.by == proposal.proposed_by:
        return Refused(Reason.BY_PROPOSER, "who proposed a decision does not approve it", accepted="another approver")
    key = signing.approval.key_id
    if any(signing.by == approval.subject or key == approval.key for approval in proposal.approvals.values()):
        return Refused(Reason.APPROVED_BEFORE, f"{signing.by} has approved this decision already")
    if conflict := barred(command.round, product, partners_of(book, round), signing.conflicts, signing.companies):
        return conflict
    authority = authority_of(signing, command.round, approving(signing.by, product, round, proposal, command.on))
    if isinstance(authority, Refused):
        return authority
    approval = approval_of(signing, command.on)
    return [RoundApproved(round=command.round, product=product, decision=proposal.decision, approval=approval), authority]


def fault_of_signing(signing: Signing, *, purpose: str, document: str) -> Refused[Reason] | None:
    """Why it is no signature of the person's own over this document, for this purpose."""
    signed = signing.approval
    if signed.purpose != purpose or signed.document != document:
        return Refused(Reason.OTHER_DECISION, f"the {signed.purpose} {signed.document} is not what is asked for", accepted=document)
    if signed.approver != signing.by:
        return Refused(Reason.APPROVER_DIFFERS, "the approval is not the caller's own", field="/approver")
    if signing.key == "unknown":
        return Refused(Reason.KEY_NOT_FOUND, f"{signing.by} has no key {signed.key_id}", field="/key_id", accepted="a key that is enrolled")
    if signing.key == "revoked":
        return Refused(Reason.KEY_REVOKED, f"key {signed.key_id} is revoked", field="/key_id", accepted="a key that is enrolled")
    if not signing.signature_valid:
        return Refused(Reason.SIGNATURE_INVALID, f"key {signed.key_id} did not sign this", field="/signature")
    return None


def authority_of(signing: Signing, round_id: RoundId, exercise: Exercise) -> AuthorityCited | Refused[Reason]:
    return cited(signing.held, signing.authority, round_id, exercise)


def approval_of(signing: Signing, on: date) -> Approval:
    signed = signing.approval
    return Approval(subject=signing.by, key=KeyId(signed.key_id), signature=signed.signature, approved_on=on)
