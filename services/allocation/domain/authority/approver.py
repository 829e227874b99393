"""Approver: a person's own Ed25519 keys, by their public halves. No service holds the private ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import immutables
import msgspec

from services.allocation.domain.authority import bar
from services.allocation.domain.authority.bar import Barring, Confirming
from services.allocation.domain.authority.endorsement import Endorsing, endorsed
from services.allocation.domain.authority.endorsement import Reason as EndorsementReason
from services.allocation.events import (
    ApproverEvent,
    ApproverKeyEnrolled,
    ApproverKeyRestored,
    ApproverKeyRevocationConfirmed,
    ApproverKeyRevoked,
    KeyId,
    ProductId,
    SubjectId,
)
from services.allocation.events.papers import EnrolmentPaper
from shared.journal.decider import CancelTimer, Decider, Reasons, Refused, Timer
from shared.journal.record import name_of
from shared.journal.texts import TypedText
from shared.terms.acting import ApprovalReason, approval_of
from shared.terms.approval import SignedApproval, verify_approval
from shared.terms.protecting import Word, alone, to_confirm


class EnrolKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    subject: SubjectId
    key: KeyId
    public_key: str  # 64 hex digits
    possession: SignedApproval | None  # by the key itself
    endorsing: Endorsing


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One's own for good; another's for a while."""

    subject: SubjectId
    key: KeyId
    products: tuple[ProductId, ...]  # whose books hold approvals by this key, as looked up
    reason: TypedText
    barring: Barring


class ConfirmRevocation(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By whose key it is, or by a second person: for good."""

    subject: SubjectId
    key: KeyId
    confirming: Confirming


class RestoreKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """By timer: nobody has confirmed in time that it is revoked."""

    subject: SubjectId
    key: KeyId
    lapses_at: datetime


type Command = EnrolKey | RevokeKey | ConfirmRevocation | RestoreKey


class Reason(Reasons):
    """Why an approver's keys stay as they are."""

    ALREADY_ENROLLED = "approver_key_already_enrolled", 409, "The key was enrolled before"
    NOT_FOUND = "approver_key_not_found", 404, "There is no such key"
    UNPROVEN = "approver_key_unproven", 422, "The key must sign its own enrolment"
    ALREADY_REVOKED = "approver_key_already_revoked", 409, "The key is revoked already"
    NOT_REVOKED = "approver_key_not_revoked", 409, "The key is not revoked"


class ApproverKey(msgspec.Struct, frozen=True):
    public_key: str
    revoked: bool = False
    word: Word | None = None  # of who revoked another's, as long as nobody has confirmed it


class Approver(msgspec.Struct, frozen=True):
    keys: immutables.Map[KeyId, ApproverKey] = immutables.Map()


type Refusal = Refused[Reason] | Refused[bar.Reason] | Refused[EndorsementReason] | Refused[ApprovalReason]


def decide(command: Command, approver: Approver) -> list[ApproverEvent] | Refusal:
    key = approver.keys.get(command.key)
    match command:
        case EnrolKey():
            if key is not None:  # also a revoked one: it stays revoked for ever
                return Refused(Reason.ALREADY_ENROLLED, f"{command.key} was enrolled before", field="/public_key", accepted="another key")
            enrolled = proven(command)
            return enrolled if isinstance(enrolled, Refused) else [enrolled]
        case RevokeKey():
            return _revoke(command, key)
        case ConfirmRevocation():
            if key is None:
                return _not_found(command.key)
            if not key.revoked:
                return Refused(Reason.NOT_REVOKED, f"key {command.key} is not revoked")
            if (unfit := bar.unfit(key.word, command.confirming, command.subject)) is not None:
                return unfit
            return [ApproverKeyRevocationConfirmed(subject=command.subject, key=command.key, confirmed_by=command.confirming.by)]
        case RestoreKey():
            if key is None or key.word is None or key.word.lapses_at != command.lapses_at:
                return []
            return [ApproverKeyRestored(subject=command.subject, key=command.key)]
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


def _revoke(command: RevokeKey, key: ApproverKey | None) -> list[ApproverEvent] | Refusal:
    if key is None:
        return _not_found(command.key)
    if key.revoked:
        return Refused(Reason.ALREADY_REVOKED, f"key {command.key} is revoked already", accepted=to_confirm(key.word))
    if isinstance(lapses_at := bar.begun(command.barring, command.subject), Refused):
        return lapses_at
    return [
        ApproverKeyRevoked(
            subject=command.subject,
            key=command.key,
            products=command.products,
            reason=command.reason,
            revoked_by=command.barring.by,
            lapses_at=lapses_at,
        )
    ]


def _not_found(key: KeyId) -> Refused[Reason]:
    return Refused(Reason.NOT_FOUND, f"there is no key {key}")


def evolve(approver: Approver, event: ApproverEvent) -> Approver:
    match event:
        case ApproverKeyEnrolled():
            return Approver(approver.keys.set(event.key, ApproverKey(event.public_key)))
        case ApproverKeyRevoked():
            return _with(approver, event.key, revoked=True, word=alone(event.revoked_by, event.lapses_at))
        case ApproverKeyRevocationConfirmed():
            return _with(approver, event.key, revoked=True, word=None)
        case ApproverKeyRestored():
            return _with(approver, event.key, revoked=False, word=None)
        case _:
            assert_never(event)


def timers(event: ApproverEvent) -> Sequence[Timer | CancelTimer]:
    match event:
        case ApproverKeyRevoked(lapses_at=datetime() as at):
            return [Timer.at_instant(_timer(event.key), at, RestoreKey(subject=event.subject, key=event.key, lapses_at=at))]
        case ApproverKeyRevocationConfirmed():
            return [CancelTimer(_timer(event.key))]
        case _:
            return ()


def _with(approver: Approver, key: KeyId, *, revoked: bool, word: Word | None) -> Approver:
    return Approver(approver.keys.set(key, msgspec.structs.replace(approver.keys[key], revoked=revoked, word=word)))


def _timer(key: KeyId) -> str:
    return f"unconfirmed/{key}"


DECIDER = Decider(kind="approver", initial=Approver(), commands=Command, decide=decide, evolve=evolve, timers=timers)
