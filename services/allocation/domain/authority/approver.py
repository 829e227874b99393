"""Approver: a person's own Ed25519 keys, by their public halves. No service holds the private ones."""

from typing import assert_never

import immutables
import msgspec

from services.allocation.domain.authority.endorsement import Endorsing, endorsed
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.events import ApproverEvent, ApproverKeyEnrolled, ApproverKeyRevoked, KeyId, ProductId, SubjectId
from services.allocation.events.papers import EnrolmentPaper
from shared.journal.decider import Decider, Reasons, Refused
from shared.journal.record import name_of
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, approval_of
from shared.terms.approval import SignedApproval, verify_approval


class EnrolKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId
    public_key: str  # 64 hex digits
    possession: SignedApproval | None  # by the key itself
    endorsing: Endorsing


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId
    products: tuple[ProductId, ...]  # whose books hold approvals by this key, as looked up
    reason: TypedText


type Command = EnrolKey | RevokeKey


class Reason(Reasons):
    """Why an approver's keys stay as they are."""

    ALREADY_ENROLLED = "approver_key_already_enrolled", 409, "The key was enrolled before"
    NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    UNPROVEN = "approver_key_unproven", 422, "The key has to sign its own enrolment"
    ALREADY_REVOKED = "approver_key_already_revoked", 409, "The key is revoked already"


class ApproverKey(msgspec.Struct, frozen=True):
    public_key: str
    revoked: bool = False


class Approver(msgspec.Struct, frozen=True):
    keys: immutables.Map[KeyId, ApproverKey] = immutables.Map()


type Refusal = Refused[Reason] | Refused[EndorsementReason] | Refused[ApprovalReason]


def decide(command: Command, approver: Approver) -> list[ApproverEvent] | Refusal:
    key = approver.keys.get(command.key)
    match command:
        case EnrolKey():
            if key is not None:  # also a revoked one: it stays revoked for ever
                return Refused(Reason.ALREADY_ENROLLED, f"{command.key} was enrolled before", field="/public_key", accepted="another key")
            enrolled = proven(command)
            return enrolled if isinstance(enrolled, Refused) else [enrolled]
        case RevokeKey():
            if key is None:
                return Refused(Reason.NOT_FOUND, f"there is no key {command.key}")
            if key.revoked:
                return Refused(Reason.ALREADY_REVOKED, f"key {command.key} is revoked already")
            return [ApproverKeyRevoked(subject=command.subject, key=command.key, products=command.products, reason=command.reason)]
        case _:
            assert_never(command)


def proven(command: EnrolKey) -> ApproverKeyEnrolled | Refusal:
    """With the signatures that an enrolment carries: the key's own, and another approver's."""
    paper = EnrolmentPaper(subject=command.subject, key=command.key, public_key=command.public_key)
    document, said = name_of(paper), command.possession
    about = None if said is None else (said.purpose, said.document, said.approver, said.key_id)
    if said is None or about != (paper.purpose, document, command.subject, command.key) or not verify_approval(said, command.public_key):
        needed = f"the key's own signature over {document}, for the purpose {paper.purpose}, in the name of {command.subject}"
        return Refused(Reason.UNPROVEN, "nothing shows that they have the key", field="/possession", accepted=needed)
    endorsement = endorsed(paper, {command.subject}, command.endorsing)
    if isinstance(endorsement, Refused):
        return endorsement
    return ApproverKeyEnrolled(
        subject=command.subject,
        key=command.key,
        public_key=command.public_key,
        possession=approval_of(said, command.endorsing.on),
        endorsement=endorsement,
    )


def evolve(approver: Approver, event: ApproverEvent) -> Approver:
    match event:
        case ApproverKeyEnrolled():
            return Approver(approver.keys.set(event.key, ApproverKey(event.public_key)))
        case ApproverKeyRevoked():
            revoked = msgspec.structs.replace(approver.keys[event.key], revoked=True)
            return Approver(approver.keys.set(event.key, revoked))
        case _:
            assert_never(event)


DECIDER = Decider(kind="approver", initial=Approver(), commands=Command, decide=decide, evolve=evolve)
