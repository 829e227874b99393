"""Acting under authority, as far as it is pure: a proposal that other people approve, their signatures, and what a registry tells of who
may act.

A proposal is approved by keys of persons other than its proposer, each under an authority that covers what is proposed. It is complete once
as many approvals count as it needs; one counts while its key is not revoked and what it cites still covers the action. A service says what
is proposed, and what follows once it is approved.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any, Literal

import immutables
import msgspec

from shared.journal.decider import Reasons, Refused
from shared.terms.approval import SignedApproval
from shared.terms.authority import Acting, Action, Authority, Capacity, Chain, Cited, Fault, cite, still_covers

type KeyStatus = Literal["enrolled", "revoked", "unknown"]


class ApprovalReason(Reasons):
    """Why an approval does not count."""

    ANOTHER_APPROVER = "approval_of_another_approver", 403, "The approval is by another approver"
    BY_PROPOSER = "approval_by_proposer", 403, "A proposal is not approved by its proposer"
    ANOTHER_DOCUMENT = "approval_of_another_document", 409, "The approval is for another document"
    KEY_NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    KEY_REVOKED = "approver_key_revoked", 409, "The key is revoked"
    SIGNATURE_INVALID = "approval_signature_invalid", 422, "The signature does not verify"
    DUPLICATE = "approval_duplicate", 409, "The approver has approved already"
    OF_FIRST_VERSION = "approval_of_first_version", 422, "The signed statement names no log"
    OF_ANOTHER_LOG = "approval_of_another_log", 409, "The approval is for another deployment"
    WITHOUT_INSTRUMENT = "approval_without_instrument", 422, "The signed statement names no instrument"


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person's signature over the SHA-256 of what was proposed."""

    subject: str
    key: str
    signature: str  # Ed25519, 128 hex digits
    approved_on: date
    origin: str | None = None  # that the statement names, of the deployment's log; None: it was signed by the first version
    authority: str | None = None  # that the statement names


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver sends. What their keys say, and in what capacity they act, was looked up before."""

    approval: SignedApproval
    key: KeyStatus
    signature_valid: bool
    capacity: Capacity

    @property
    def by(self) -> str:
        return self.capacity.by


# A proposal


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed, by whom, and who has approved it. A service's own proposals say what it is about besides."""

    purpose: str  # that a signature must name
    document: str  # SHA-256 (hex) of what is signed
    proposed_by: frozenset[str]  # none of whom approves it
    needed: int = 1  # approvals
    approvals: immutables.Map[str, Approval] = immutables.Map()  # by key
    cited: immutables.Map[str, Cited] = immutables.Map()  # by approver


def sign(proposal: Proposal, signing: Signing, action: Action) -> tuple[Approval, Cited] | Refused[ApprovalReason] | Refused[Fault]:
    """The approval, and the authority that it is given under. `action`: what the approver does by it."""
    if (fault := fault_of(proposal, signing)) is not None:
        return fault
    if isinstance(cited := cite(signing.capacity, action), Refused):
        return cited
    return approval_of(signing.approval, signing.capacity.on), cited


def approval_of(signed: SignedApproval, on: date) -> Approval:
    return Approval(
        subject=signed.approver,
        key=signed.key_id,
        signature=signed.signature,
        approved_on=on,
        origin=signed.origin,
        authority=signed.authority,
    )


def fault_of(proposal: Proposal, signing: Signing) -> Refused[ApprovalReason] | None:
    """Why the signature does not approve this proposal; None: it does."""
    signed = signing.approval
    if signed.approver != signing.by:
        return Refused(ApprovalReason.ANOTHER_APPROVER, "the approval names another approver than its sender", "/approver")
    if not proposal.proposed_by.isdisjoint(signing.capacity.accounts):
        return Refused(ApprovalReason.BY_PROPOSER, "nobody approves what they have proposed", accepted="the approval of another person")
    if signed.purpose != proposal.purpose:
        return Refused(ApprovalReason.ANOTHER_DOCUMENT, f"it approves a {signed.purpose}", "/purpose", proposal.purpose)
    if signed.document != proposal.document:
        return Refused(ApprovalReason.ANOTHER_DOCUMENT, f"what is proposed is {proposal.document}", "/document", proposal.document)
    if signing.key == "unknown":
        return Refused(ApprovalReason.KEY_NOT_FOUND, f"{signed.key_id} is no key of this approver", "/key_id", "a key that is enrolled")
    if signing.key == "revoked":
        return Refused(ApprovalReason.KEY_REVOKED, f"{signed.key_id} is revoked", "/key_id", "a key that is enrolled")
    if not signing.signature_valid:
        return Refused(ApprovalReason.SIGNATURE_INVALID, "the signature is not the key's over this document", "/signature")
    if any(each.subject in signing.capacity.accounts or signed.key_id == each.key for each in proposal.approvals.values()):
        return Refused(ApprovalReason.DUPLICATE, f"{signing.by} has approved this already")
    return None


def approved[P: Proposal](proposal: P, approval: Approval) -> P:
    return msgspec.structs.replace(proposal, approvals=proposal.approvals.set(approval.key, approval))


def cited_for[P: Proposal](proposal: P, cited: Cited) -> P:
    """With what the person's approval cites."""
    return msgspec.structs.replace(proposal, cited=proposal.cited.set(cited.by, cited))


def without[P: Proposal](proposal: P, keys: Collection[str]) -> P:
    """Those keys' approvals count no longer."""
    left = {key: approval for key, approval in proposal.approvals.items() if key not in keys}
    return msgspec.structs.replace(proposal, approvals=immutables.Map(left))


def counting(proposal: Proposal, revoked: Collection[str], authorities: Mapping[str, Chain], on: date) -> tuple[Approval, ...]:
    """The approvals that count on a day. `revoked`: of their keys those that are; `authorities`: what they cite, as it is then."""
    return tuple(
        approval
        for key, approval in sorted(proposal.approvals.items())
        if key not in revoked and still_covers(proposal.cited.get(approval.subject), authorities, on)
    )


def is_complete(proposal: Proposal, approvals: Iterable[Approval]) -> bool:
    return sum(1 for _ in approvals) >= proposal.needed


def resting_on(proposal: Proposal, authority: str) -> tuple[str, ...]:
    """The keys of the approvals that cite an authority, or one that stands under it."""
    return tuple(
        sorted(
            key
            for key, approval in proposal.approvals.items()
            if (found := proposal.cited.get(approval.subject)) is not None
            and authority in (found.authority, *(link.authority for link in found.under))
        )
    )


# What a registry tells


class NewAuthority(msgspec.Struct, frozen=True):
    authority: Authority


class NewOfficer(msgspec.Struct, frozen=True):
    authority: str
    officer: Acting


class EndOfAuthority(msgspec.Struct, frozen=True):
    authority: str
    ended_on: date


class AuthorityBack(msgspec.Struct, frozen=True):
    """Its end was one person's word, which nobody has confirmed."""

    authority: str


class NewConflict(msgspec.Struct, frozen=True):
    official: str
    interest: str  # by `interest_in`


class EndOfConflict(msgspec.Struct, frozen=True):
    official: str
    interest: str


class NewPerson(msgspec.Struct, frozen=True):
    subject: str
    person: str


class NewKey(msgspec.Struct, frozen=True):
    subject: str
    key: str
    public_key: str


class EndOfKey(msgspec.Struct, frozen=True):
    subject: str
    key: str


class KeyBack(msgspec.Struct, frozen=True):
    """So was its revocation."""

    subject: str
    key: str


type Told = (
    NewAuthority | NewOfficer | EndOfAuthority | AuthorityBack | NewConflict | EndOfConflict | NewPerson | NewKey | EndOfKey | KeyBack
)
type Tells = Mapping[type, Callable[[Any], Told]]  # of a registry's events, by their class, what each of them tells


def after(authority: Authority, told: NewOfficer | EndOfAuthority | AuthorityBack) -> Authority:
    changed = msgspec.structs.replace(authority, version=authority.version + 1)
    match told:
        case NewOfficer():
            return msgspec.structs.replace(changed, acting=(*authority.acting, told.officer))
        case EndOfAuthority():
            return msgspec.structs.replace(changed, ended_on=told.ended_on)
        case AuthorityBack():
            return msgspec.structs.replace(changed, ended_on=None)
